"""Turns: no deployment's deliveries wait behind all of another's.

The queue of deliveries holds a limited number of jobs. Beyond it, each deployment's jobs wait in a queue of its own,
`awb-deliveries.<deployment>`. Whenever a worker takes a batch, the queue is filled again with one job of each of them
in turn. So a delivery waits for the queue and for its own deployment, however much others have sent. All of these are
RQ's lists and jobs; jobs are only moved, each by one command, so a crash loses none.
"""

from typing import Any, Final

import redis

from app.store import keys
from app.store.rq import jobqueue
from app.store.server.commands import commands
from app.store.server.connection import script, script_text

#: Jobs in the queue itself: two batches of a worker.
MOST_QUEUED: Final = 400
PREFIX: Final = jobqueue.queue_key(f"{jobqueue.DELIVERIES}.")


def own_queue(deployment: str) -> str:
    """Return the key of the queue in which a deployment's deliveries wait for their turn."""
    return PREFIX + deployment


def take_args(count: int) -> list[Any]:
    """Return the arguments of the script `take` for a number of jobs."""
    return [count, jobqueue.job_key(""), len(jobqueue.RETRY_INTERVALS), MOST_QUEUED, PREFIX]


def fill(connection: "redis.Redis") -> None:
    """Fill the queue without taking a job, which is all that a stock RQ worker lacks."""
    if commands(connection).exists(keys.TURNS):
        queue = jobqueue.queue_key(jobqueue.DELIVERIES)
        script(connection, "take")(keys=[queue, queue, keys.TURNS], args=take_args(0))


def ask_for_waiting(pipe: Any) -> None:
    """Ask for the number of jobs that wait for their turn, and when the oldest of them was queued."""
    # Not by `script`, for which a pipeline first asks whether Redis has it.
    pipe.eval(script_text("waiting"), 1, keys.TURNS, PREFIX, jobqueue.job_key(""))
