"""Two versions of the program in turn on the same Redis: one fills every queue, the other works everything off."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from rq.registry import FailedJobRegistry, ScheduledJobRegistry

from app.simulator.loopback import free_port
from app.simulator.notifications import Message
from app.store import keys
from app.store.rq import jobqueue
from app.store.rq.jobs import read_call
from tests.conftest import wait_until
from tests.faults.system import session
from tests.pipeline.streams import DEPLOYMENT
from tests.workers.make import environment

_PATIENCE = 150


@dataclass(frozen=True)
class Version:
    """A tree of this program, and the surroundings in which its commands run.

    Attributes:
        tree: root of the repository at that version.
        settings: as `tests.workers.make.environment` takes them; `log` is where commands write.
    """

    name: str
    tree: Path
    url: str
    settings: Mapping[str, Any]
    log: Path

    def start(self, *command: str, **more: Any) -> "subprocess.Popen[bytes]":
        environ = environment(self.url, **{**self.settings, **more}) | {"PYTHONPATH": str(self.tree)}
        with self.log.open("ab") as out:
            out.write(f"--- {self.name}: awb {' '.join(command)}\n".encode())
            out.flush()
            return subprocess.Popen(
                [sys.executable, "-m", "app.cli", *command], env=environ, cwd=self.tree, stdout=out, stderr=out
            )

    def burst(self, queue: str) -> None:
        """Work a queue off once, and no more."""
        worker = self.start("worker", queue, "--burst")
        assert worker.wait(_PATIENCE) == 0, self.text

    @contextmanager
    def running(self, *command: str, **more: Any) -> Iterator["subprocess.Popen[bytes]"]:
        """Run a command, and end it as an admin does; it must end in order."""
        process = self.start(*command, **more)
        try:
            yield process
            assert process.poll() is None, self.text
            process.terminate()
            assert process.wait(60) in (0, -signal.SIGTERM), self.text
        finally:
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()

    @contextmanager
    def receiver(self, *command: str) -> Iterator[str]:
        """Run what answers deliveries, and give its address."""
        port = free_port()
        with self.running(*command, bind=f"127.0.0.1:{port}") as process:
            base = f"http://127.0.0.1:{port}"
            wait_until(lambda: process.poll() is not None or _is_ready(base), _PATIENCE)
            yield base

    @property
    def text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-4000:]


def _is_ready(base: str) -> bool:
    try:
        return session().get(f"{base}/readyz", timeout=5).ok
    except OSError:
        return False


def post(base: str, messages: Sequence[Message], secret: str) -> None:
    for message in messages:
        answer = session().post(
            f"{base}/v1/webhook",
            data=message.body,
            auth=("coder", secret),
            headers={"Content-Type": "application/json", "X-Message-Id": message.id},
            timeout=30,
        )
        assert answer.status_code == 202, answer.text


def forward(url: str) -> str:
    return json.dumps([{"name": "teams", "url": url, "allow_private": True}])


def waiting(connection: Any) -> set[str]:
    """Return the functions whose jobs wait, in whichever queue, or for another try."""
    found = set()
    for name in jobqueue.QUEUES:
        queue = jobqueue.queue(name, connection)
        for job_id in (*queue.get_job_ids(), *ScheduledJobRegistry(queue=queue).get_job_ids(cleanup=False)):
            data = connection.hget(jobqueue.job_key(job_id), "data")
            found.add(str(read_call(data or b"")[0]))
    return found


def left_over(connection: Any) -> list[str]:
    """Return what is not done yet, in words; what the clock brings every minute is none of it."""
    found = [f"{name} {one}" for name in jobqueue.QUEUES for one in _unfinished(connection, name)]
    found += [f"workspace {one.decode()}" for one in connection.zrange(keys.due(DEPLOYMENT), 0, -1)]
    found += [f"message {one.decode()}" for one in connection.zrange(keys.pending(DEPLOYMENT), 0, -1)]
    return found + [f"lane {one.decode()}" for one in connection.zrange(keys.relay_lanes(DEPLOYMENT), 0, -1)]


def _unfinished(connection: "redis.Redis", name: str) -> list[str]:
    queue = jobqueue.queue(name, connection)
    scheduled = ScheduledJobRegistry(queue=queue).get_job_ids(cleanup=False)
    return [*queue.get_job_ids(), *queue.intermediate_queue.get_job_ids(), *scheduled]


def failed(connection: "redis.Redis") -> list[str]:
    return [
        job_id
        for name in jobqueue.QUEUES
        for job_id in FailedJobRegistry(queue=jobqueue.queue(name, connection)).get_job_ids(cleanup=False)
    ]
