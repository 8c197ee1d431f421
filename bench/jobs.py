"""The jobs of RQ's own workers. Nothing large is imported here, because a forking worker imports it for every job."""

from typing import Final

from rq import get_current_job

COUNTER: Final = "bench:counter"
EMPTY: Final = "bench.jobs.empty"
INCREMENT: Final = "bench.jobs.increment"


def empty(*_args: object) -> None:
    """Do nothing."""


def increment() -> None:
    """Count one."""
    job = get_current_job()
    if job is not None:
        job.connection.incr(COUNTER)
