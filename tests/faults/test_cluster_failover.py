"""A whole meter on Redis Cluster while its slot changes its node."""

import contextlib
import itertools
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis
import requests

from app.simulator.loopback import free_port
from app.simulator.notifications import Message
from tests.conftest import short_directory, wait_until
from tests.pipeline.streams import messages_of
from tests.store.nodes import Nodes
from tests.store.test_cluster import PREFIX, SLOT
from tests.web.make import basic
from tests.workers.make import awb

pytestmark = pytest.mark.long
RECEIVED = f"{PREFIX}awb:v1:prod:deliveries"


@dataclass
class Meter:
    """`awb run` on a cluster, with messages that it has not received yet."""

    nodes: Nodes
    url: str
    messages: Iterator[Message]
    accepted: list[Message] = field(default_factory=list)

    def post(self, message: Message) -> bool:
        """Post a message once; True if it was answered 2xx."""
        with contextlib.suppress(requests.RequestException):
            status = requests.post(self.url, headers=basic(), data=message.body, timeout=30).status_code
            if status in {200, 202}:
                return True
            assert status == 503
        return False

    def deliver(self, number: int) -> None:
        """Post messages, each until it is answered 2xx, as Coder does."""
        for message in itertools.islice(self.messages, number):
            wait_until(lambda message=message: self.post(message), 90)
            self.accepted.append(message)

    def is_done(self) -> bool:
        """Return whether the workers have counted everything that was answered 2xx."""
        with contextlib.suppress(redis.exceptions.RedisError):
            owner = self.nodes.admin(self.nodes.owner(SLOT))
            waiting: Any = owner.llen(f"{PREFIX}rq:queue:awb-deliveries")
            failed: Any = owner.zcard(f"{PREFIX}rq:failed:awb-deliveries")
            assert failed == 0
            return bool(waiting == 0 and owner.zcard(RECEIVED) == len(self.accepted))
        return False


@contextlib.contextmanager
def running(wait_replicas: int) -> Iterator[Meter]:
    port, data = free_port(), short_directory()
    with Nodes(3, replicas=1) as nodes:
        process = awb(
            "run",
            redis_url=nodes.cluster_url, redis_prefix=PREFIX, redis_wait_replicas=wait_replicas,
            bind=f"127.0.0.1:{port}", data_dir=data,
        )  # fmt: skip
        try:
            yield Meter(nodes, f"http://127.0.0.1:{port}/v1/webhook", iter(messages_of(7, 200, failures=False)))
        finally:
            process.terminate()
            process.wait(60)
            shutil.rmtree(data, ignore_errors=True)


def test_every_delivery_is_counted_whatever_node_has_the_slot() -> None:
    with running(1) as meter:
        fail_over(meter, meter.nodes)
        assert len(meter.accepted) == 90


def fail_over(meter: Meter, nodes: Nodes) -> None:
    meter.deliver(30)
    wait_until(meter.is_done, 90)
    # An orderly failover: the old master lives on as a replica, with the connections to it.
    nodes.ask(3, "FAILOVER")
    wait_until(lambda: nodes.owner(SLOT) == 3, 60)
    meter.deliver(30)
    wait_until(meter.is_done, 90)
    # The node that has the slot is killed. Its replica takes over, and accepts deliveries once it has a replica itself.
    wait_until(lambda: nodes.admin(3).info("replication")["connected_slaves"] == 1, 60)
    nodes.servers[3].kill()
    wait_until(lambda: nodes.owner(SLOT) == 2, 60)
    nodes.servers[3].start()
    meter.deliver(30)
    wait_until(meter.is_done, 90)


def test_every_delivery_is_counted_while_the_slot_moves_to_another_shard() -> None:
    with running(0) as meter:
        move(meter, meter.nodes)


def move(meter: Meter, nodes: Nodes) -> None:
    meter.deliver(20)
    there, here = nodes.ask(0, "MYID").decode(), nodes.ask(2, "MYID").decode()
    nodes.ask(0, "SETSLOT", SLOT, "IMPORTING", here)
    nodes.ask(2, "SETSLOT", SLOT, "MIGRATING", there)
    source, refused = nodes.admin(2), []
    while names := nodes.ask(2, "GETKEYSINSLOT", SLOT, 20):
        message = next(meter.messages)
        (meter.accepted if meter.post(message) else refused).append(message)
        with contextlib.suppress(redis.exceptions.ResponseError):  # a key that has expired or was deleted
            source.execute_command("MIGRATE", "127.0.0.1", nodes.ports[0], "", 0, 5000, "REPLACE", "KEYS", *names)
    for number in (0, 2, 1):
        nodes.ask(number, "SETSLOT", SLOT, "NODE", there)
    wait_until(lambda: nodes.owner(SLOT) == 0, 60)
    # Coder sends again what was answered 503.
    for message in refused:
        wait_until(lambda message=message: meter.post(message), 90)
        meter.accepted.append(message)
    meter.deliver(10)
    wait_until(meter.is_done, 200)
    assert refused
