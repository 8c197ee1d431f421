"""A Redis Cluster: real nodes on this machine."""

import contextlib
import shutil
import socket
from collections.abc import Sequence
from typing import Any, Self

import redis

from app.simulator.loopback import free_port
from tests.conftest import RedisServer, short_directory, wait_until

#: Milliseconds of silence after which the others consider a node down.
NODE_TIMEOUT = 1000
SLOTS = 16_384


def port_with_bus() -> int:
    """Return a free port whose port for the cluster's bus is free too: before Redis 7 it is always 10,000 higher."""
    while True:
        port = free_port()
        with contextlib.suppress(OSError, OverflowError), socket.socket() as bus:
            bus.bind(("127.0.0.1", port + 10_000))
            return port


class Nodes:
    """Masters that share all slots, and replicas of the last one, which has the slot of the tag `{awb}`.

    Args:
        masters: the number of masters.
        replicas: the number of replicas of the last master.
        tls: settings of each node for TLS, which all connections then use.
    """

    def __init__(self, masters: int = 1, replicas: int = 0, *, tls: Sequence[str] = ()) -> None:
        self._tls = tls
        self.directory = short_directory()
        self.masters, self.ports = masters, [port_with_bus() for _ in range(masters + replicas)]
        self.servers = [self._server(port) for port in self.ports]

    def _server(self, port: int) -> RedisServer:
        (self.directory / str(port)).mkdir()
        where = ("--port", "0", "--tls-port", str(port), "--tls-cluster", "yes") if self._tls else ("--port", str(port))
        bound = ("--bind", "127.0.0.1", *where, *self._tls, "--repl-diskless-sync-delay", "0")
        mode = ("--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT))
        return RedisServer(self.directory / str(port), *bound, *mode)

    def __enter__(self) -> Self:
        for server in self.servers:
            server.start()
        share = SLOTS // self.masters
        for number in range(self.masters):
            end = SLOTS if number == self.masters - 1 else (number + 1) * share
            self.ask(number, "ADDSLOTS", *range(number * share, end))
            self.ask(number, "SET-CONFIG-EPOCH", number + 1)
        for number in range(1, len(self.servers)):
            self.ask(0, "MEET", "127.0.0.1", self.ports[number])
        wait_until(self.whole, 60)
        for number in range(self.masters, len(self.servers)):
            self.ask(number, "REPLICATE", self.ask(self.masters - 1, "MYID").decode())
        wait_until(
            lambda: (
                self.admin(self.masters - 1).info("replication")["connected_slaves"] == len(self.ports) - self.masters
            ),
            60,
        )
        return self

    def __exit__(self, *_: object) -> None:
        for server in self.servers:
            if server.process and server.process.poll() is None:
                server.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def whole(self) -> bool:
        """Return whether all nodes know each other and all slots."""
        known = f"cluster_known_nodes:{len(self.ports)}".encode()
        told = [self.ask(number, "INFO") for number in range(len(self.ports))]
        return all(b"cluster_state:ok" in one and known in one for one in told)

    def admin(self, number: int) -> Any:
        return redis.Redis.from_url(self.servers[number].url)

    def ask(self, number: int, *words: str | int) -> Any:
        with self.admin(number) as admin:
            return admin.execute_command("CLUSTER", *words, NEVER_DECODE=[])

    def url(self, number: int) -> str:
        """Return the URL of one node."""
        return f"redis://127.0.0.1:{self.ports[number]}/0"

    @property
    def cluster_url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def owner(self, slot: int) -> int:
        """Return the number of the node that serves a slot, according to a node that works."""
        number = next(at for at, server in enumerate(self.servers) if server.process and server.process.poll() is None)
        found = next(nodes for first, last, *nodes in self.ask(number, "SLOTS") if first <= slot <= last)
        return self.ports.index(int(found[0][1]))
