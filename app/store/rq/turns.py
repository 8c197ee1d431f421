"""Turns: no deployment has to wait until all deliveries of another one are processed.

The queue of deliveries holds a limited number of jobs. Beyond that, the jobs of each deployment wait in a separate
queue, `awb-deliveries.<deployment>`. Whenever a worker takes a batch, the main queue is refilled with one job from each
deployment in turn. So a delivery waits only for the main queue and for earlier deliveries of its own deployment. All
queues are RQ lists. Each job is moved by a single command, so a crash loses none.
"""

from typing import Any, Final

import redis

from app.store import keys
from app.store.rq import jobqueue
from app.store.server.commands import commands
from app.store.server.connection import script, script_text

#: Jobs in the main queue: two batches of a worker.
MOST_QUEUED: Final = 400
PREFIX: Final = jobqueue.queue_key(f"{jobqueue.DELIVERIES}.")


def own_queue(deployment: str) -> str:
    """Return the key of the queue in which a deployment's deliveries wait for their turn."""
    return PREFIX + deployment


def take_args(count: int) -> list[Any]:
    """Return the arguments of the script `take` for a number of jobs."""
    return [count, jobqueue.job_key(""), len(jobqueue.RETRY_INTERVALS), MOST_QUEUED, PREFIX]


def fill(connection: "redis.Redis") -> None:
    """Refill the queue without taking a job, which is the only step that a stock RQ worker lacks."""
    if commands(connection).exists(keys.TURNS):
        queue = jobqueue.queue_key(jobqueue.DELIVERIES)
        script(connection, "take")(keys=[queue, queue, keys.TURNS], args=take_args(0))


def ask_for_waiting(pipe: Any) -> None:
    """Ask for the number of jobs that wait for their turn, and when the oldest of them was queued."""
    # Not through `script`, for which a pipeline first checks whether Redis has it.
    pipe.eval(script_text("waiting"), 1, keys.TURNS, PREFIX, jobqueue.job_key(""))
