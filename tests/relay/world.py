"""A receiver, its workers in this process, and a clock that only moves on demand."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import redis
import time_machine
from rq.job import Job
from rq.serializers import JSONSerializer

from app import clock
from app.config.load import Config
from app.pipeline.relay.work import enqueue_due, work_lane
from app.store.rq import jobqueue
from app.store.store import Store
from app.web.factory import create_app
from tests.conftest import make_config
from tests.web.make import basic
from tests.workers.make import drain

NOW = 1_772_438_400.0
RELAY_SECRET = "a-relay-secret-of-the-tests"


@dataclass
class World:
    """One meter.

    Attributes:
        traveller: moves the clock.
    """

    connection: "redis.Redis"
    config: Config
    traveller: time_machine.Traveller

    def __post_init__(self) -> None:
        self.client = create_app(self.config, self.connection).test_client()

    @property
    def store(self) -> Store:
        return Store(self.connection, self.config.settings.deployment)

    def post(self, body: bytes, path: str = "/v1/webhook", **headers: str) -> str:
        """Post as Coder does; return the outcome that the receiver reports."""
        named = {"Content-Type": "application/json", **{key.replace("_", "-"): one for key, one in headers.items()}}
        answer = self.client.post(path, headers={**basic(), **named}, data=body)
        return str(answer.get_json()["status"])

    def work(self) -> None:
        """Process the jobs of all relay queues, one queue after the other, without an RQ worker for each check."""
        for name in (jobqueue.PASSCODES, jobqueue.RELAY, jobqueue.FORWARD):
            store: Any = self.connection
            while job_id := store.lpop(jobqueue.queue_key(name)):
                job = Job.fetch(job_id.decode(), connection=self.connection, serializer=JSONSerializer)
                deployment, lane = job.args
                job.delete(remove_from_queue=False)
                work_lane(Store(self.connection, deployment), self.config, lane)

    def drain(self) -> None:
        """Let RQ's workers do the same as `work`."""
        for name in (jobqueue.PASSCODES, jobqueue.RELAY, jobqueue.FORWARD):
            drain(self.connection, self.config, name)

    def wait(self, seconds: float) -> None:
        """Let time pass, in steps small enough for every scheduled job, while workers work."""
        step = max(5.0, seconds / 60)
        for _ in range(round(seconds / step)):
            self.traveller.shift(timedelta(seconds=step))
            enqueue_due(self.connection, self.config)
            self.work()

    def later(self, seconds: float) -> datetime:
        return clock.now() + timedelta(seconds=seconds)

    def now(self) -> datetime:
        return clock.now()

    def state(self, message_id: str, target: str) -> dict[str, str]:
        """Return the ledger's entry for a message and target."""
        row: Any = self.connection.hgetall(f"awb:v1:{self.config.settings.deployment}:relay:message:{message_id}")
        found = {key.decode(): value.decode() for key, value in row.items()}
        return {key.partition("/")[2]: value for key, value in found.items() if key.startswith(f"{target}/")}

    def originals(self) -> list[str]:
        """Return the ids of messages whose originals are stored."""
        return sorted(key.decode().rpartition(":")[2] for key in self.connection.scan_iter(match="*:relay:original:*"))


def with_forwards(url: str, *forwards: Mapping[str, Any], **settings: Any) -> Config:
    given = {"relay_secret": RELAY_SECRET, "deployment": "prod", **settings}
    return make_config(url, forward=json.dumps(list(forwards)), **given)


def to(port: int, name: str = "sink", **more: Any) -> dict[str, Any]:
    """Return a forward to a port of this machine."""
    return {"name": name, "url": f"http://127.0.0.1:{port}/hook", "allow_private": True, **more}
