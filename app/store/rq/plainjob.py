"""The jobs that RQ itself writes, with ids that identify duplicates."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.store.rq import jobqueue


@dataclass(frozen=True, slots=True)
class PlainJob:
    """A job to queue; the attributes are the arguments of `jobqueue.create_job`."""

    id: str
    queue: str
    function: str
    args: Sequence[Any]
    description: str


def notification_job(deployment: str, notification_id: str) -> PlainJob:
    description = f"send {notification_id}"
    return PlainJob(
        f"notification-{deployment}-{notification_id}",
        jobqueue.NOTIFICATIONS,
        jobqueue.SEND,
        [deployment, notification_id],
        description,
    )


def sweep_job(tick: int) -> PlainJob:
    """Build the sweep of one tick; parallel schedulers build the same id, so that it runs once."""
    return PlainJob(
        f"sweep-{tick}", jobqueue.MAINTENANCE, jobqueue.SWEEP, [tick], "look for pending notifications and new periods"
    )


def verify_job(deployment: str) -> PlainJob:
    """Build the job that verifies whatever is due; one job at a time serves any number of deliveries."""
    description = f"verify due workspaces of {deployment}"
    return PlainJob(f"verify-{deployment}", jobqueue.MAINTENANCE, jobqueue.VERIFY, [deployment], description)


def reconcile_job(deployment: str, tick: int, part: int = 1) -> PlainJob:
    """Build a job that runs steps of a pass for a while; if the pass is not finished, the next part continues.

    Args:
        deployment: the deployment's name.
        tick: the tick for which it is queued.
        part: the number of the job within the tick, from 1, because a job cannot queue another one with its own id.
    """
    description = f"reconcile {deployment} with Coder"
    job_id = f"reconcile-{deployment}_{tick}" + (f"_{part}" if part > 1 else "")
    args = [deployment, tick] if part == 1 else [deployment, tick, part]
    return PlainJob(job_id, jobqueue.MAINTENANCE, jobqueue.RECONCILE, args, description)


def recount_job(fingerprint: str) -> PlainJob:
    return PlainJob(
        f"recount-{fingerprint}",
        jobqueue.MAINTENANCE,
        jobqueue.RECOUNT,
        [fingerprint],
        "count again after a change of ai_templates",
    )


def lane_job(deployment: str, lane: str, occasion: str, queue: str) -> PlainJob:
    """Build the job that processes a lane.

    Args:
        deployment: the deployment's name.
        lane: the lane's name.
        occasion: why it is queued, such as a message id; each occasion queues one job.
        queue: the queue.
    """
    digest = hashlib.blake2s(f"{lane} {occasion}".encode(), digest_size=12).hexdigest()
    return PlainJob(
        f"lane-{deployment}-{digest}", queue, jobqueue.WORK_LANE, [deployment, lane], f"relay of {deployment}"
    )
