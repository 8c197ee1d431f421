"""RQ's workers as Redis holds them."""

import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import redis
from rq.executions import WORKER_EXECUTIONS_KEY_TEMPLATE
from rq.worker import BaseWorker
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from app.store.rq import jobqueue
from app.store.rq.jobs import read_time

#: Workers read at most of one queue.
_MOST: Final = 50
# RQ lets a worker's hash live a minute longer than its heartbeat is good for (rq/worker/base.py, `heartbeat`). A
# quarter of that minute is left to a heartbeat that is late.
_GRACE_SECONDS: Final = 45
#: Redis's answer to TTL where there is no such key.
_NO_KEY: Final = -2
_PREFIX: Final = str(BaseWorker.redis_worker_namespace_prefix)


@dataclass(frozen=True, slots=True)
class WorkerState:
    """One worker.

    Attributes:
        state: `started`, `idle`, `busy`, `suspended` (also where its queue is paused), or `dead`.
        last_heartbeat: None where RQ has already forgotten it.
        current_job: None also during a batch of deliveries.
    """

    name: str
    queue: str
    state: str
    last_heartbeat: datetime | None
    current_job: str | None

    @property
    def is_here(self) -> bool:
        """Whether it runs on this host, or in this container."""
        return self.name.startswith(f"{self.queue}-{this_host()}-")


def this_host() -> str:
    """Return what names of workers call this host: the name of workers is queue, host, process id, random text."""
    return socket.gethostname().split(".")[0]


def read_workers(connection: "redis.Redis") -> list[WorkerState]:
    """Return the registered workers of our queues; two round trips."""
    with connection.pipeline(transaction=False) as pipe:
        ask_for_names(pipe)
        names = known_names(pipe.execute())
    with connection.pipeline(transaction=False) as pipe:
        ask_for_states(pipe, names)
        return states(names, pipe.execute())


def ask_for_names(pipe: Any) -> None:
    """Put into a pipeline what `known_names` reads: one reply for each queue."""
    for queue in jobqueue.QUEUES:
        pipe.smembers(WORKERS_BY_QUEUE_KEY % queue)


def known_names(replies: Sequence[Any]) -> list[tuple[str, str]]:
    """Return queue and name of each worker from the first replies."""
    return [
        (queue, name.decode().removeprefix(_PREFIX))
        for queue, names in zip(jobqueue.QUEUES, replies, strict=False)
        for name in sorted(names)[:_MOST]
    ]


def ask_for_states(pipe: Any, names: Sequence[tuple[str, str]]) -> None:
    """Put into a pipeline what `states` reads: three replies for each worker."""
    for _, name in names:
        pipe.hmget(_PREFIX + name, "state", "last_heartbeat", "death")
        pipe.ttl(_PREFIX + name)
        pipe.smembers(WORKER_EXECUTIONS_KEY_TEMPLATE.format(name))


def states(names: Sequence[tuple[str, str]], replies: Sequence[Any]) -> list[WorkerState]:
    """Return the workers with these queues and names."""
    return [_state(queue, name, *replies[3 * n : 3 * n + 3]) for n, (queue, name) in enumerate(names)]


def _state(
    queue: str, name: str, values: Sequence[bytes | None], seconds: int, executions: Iterable[bytes]
) -> WorkerState:
    state, heartbeat, death = ((value or b"").decode() for value in values)
    dead = bool(death) or seconds == _NO_KEY or 0 <= seconds < _GRACE_SECONDS
    current = None if dead else next((entry.decode().partition(":")[0] for entry in sorted(executions)), None)
    return WorkerState(name, queue, "dead" if dead else state or "started", read_time(heartbeat), current)
