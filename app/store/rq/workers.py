"""RQ's workers as registered in Redis."""

import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

import redis
from rq.command import PUBSUB_CHANNEL_TEMPLATE
from rq.executions import WORKER_EXECUTIONS_KEY_TEMPLATE
from rq.worker import BaseWorker
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from app.store import keys
from app.store.rq import jobqueue
from app.store.rq.jobs import read_time

#: The maximum number of workers read for each queue.
_MOST: Final = 50
# RQ keeps a worker's hash for a minute longer than its heartbeat is valid (rq/worker/base.py, `heartbeat`). A quarter
# of that minute is left for late heartbeats.
_GRACE_SECONDS: Final = 45
#: Redis's answer to TTL for a missing key.
_NO_KEY: Final = -2
#: The end of the names of workers' channels, behind the prefix, up to what the names of our queues have in common.
_CHANNEL: Final = PUBSUB_CHANNEL_TEMPLATE.removeprefix(keys.SHARED) % "awb-"
_PREFIX: Final = str(BaseWorker.redis_worker_namespace_prefix)


@dataclass(frozen=True, slots=True)
class WorkerState:
    """The state of one worker.

    Attributes:
        state: `started`, `idle`, `busy`, `suspended` (also if its queue is paused), or `dead`.
        last_heartbeat: None if RQ has already forgotten it.
        current_job: None also during a batch of deliveries.
    """

    name: str
    queue: str
    state: str
    last_heartbeat: datetime | None
    current_job: str | None

    @property
    def is_here(self) -> bool:
        """Whether it runs on this host or in this container."""
        return self.name.startswith(f"{self.queue}-{this_host()}-")


def this_host() -> str:
    """Return this host's part of workers' names, which are queue, host, process id and random text."""
    return socket.gethostname().split(".")[0]


def read_workers(connection: "redis.Redis") -> list[WorkerState]:
    """Return the registered workers of our queues, in two round trips."""
    with connection.pipeline(transaction=False) as pipe:
        ask_for_names(pipe)
        names = known_names(pipe.execute())
    with connection.pipeline(transaction=False) as pipe:
        ask_for_states(pipe, names)
        return states(names, pipe.execute())


def prefixes_at_work(connection: "redis.Redis") -> set[str]:
    """Return the prefixes (`redis_prefix`) of all meters on this server whose workers are connected, in any database.

    Each worker listens on a channel of its own, and channels can be listed whatever the prefix.

    Raises:
        redis.exceptions.RedisError: Redis does not answer, or the user may not list channels.
    """
    channels: Any = cast("Any", connection).pubsub_channels(f"*{_CHANNEL}*")
    return {name.decode().partition(_CHANNEL)[0] for name in channels}


def ask_for_names(pipe: Any) -> None:
    """Add the commands whose replies `known_names` reads to a pipeline: one for each queue."""
    for queue in jobqueue.QUEUES:
        pipe.smembers(WORKERS_BY_QUEUE_KEY % queue)


def known_names(replies: Sequence[Any]) -> list[tuple[str, str]]:
    """Return the queue and the name of each worker from those replies."""
    return [
        (queue, name.decode().removeprefix(_PREFIX))
        for queue, names in zip(jobqueue.QUEUES, replies, strict=False)
        for name in sorted(names)[:_MOST]
    ]


def ask_for_states(pipe: Any, names: Sequence[tuple[str, str]]) -> None:
    """Add the commands whose replies `states` reads to a pipeline: three for each worker."""
    for _, name in names:
        pipe.hmget(_PREFIX + name, "state", "last_heartbeat", "death")
        pipe.ttl(_PREFIX + name)
        pipe.smembers(WORKER_EXECUTIONS_KEY_TEMPLATE.format(name))


def states(names: Sequence[tuple[str, str]], replies: Sequence[Any]) -> list[WorkerState]:
    """Return the states of the workers with these queues and names."""
    return [_state(queue, name, *replies[3 * n : 3 * n + 3]) for n, (queue, name) in enumerate(names)]


def _state(
    queue: str, name: str, values: Sequence[bytes | None], seconds: int, executions: Iterable[bytes]
) -> WorkerState:
    state, heartbeat, death = ((value or b"").decode() for value in values)
    dead = bool(death) or seconds == _NO_KEY or 0 <= seconds < _GRACE_SECONDS
    current = None if dead else next((entry.decode().partition(":")[0] for entry in sorted(executions)), None)
    return WorkerState(name, queue, "dead" if dead else state or "started", read_time(heartbeat), current)
