"""RQ's queues and the jobs in them, as RQ 3.0 writes them.

A job is built once per kind with RQ's own code and then only filled in, so that one script can check, save and push
it in one round trip. Any stock `rq worker -S json <queue>` can run these jobs.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import redis
from rq import Queue
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer
from rq.utils import utcformat

from app import clock
from app.core.schema import VERSION

DELIVERIES: Final = "awb-deliveries"
NOTIFICATIONS: Final = "awb-notifications"
MAINTENANCE: Final = "awb-maintenance"
#: Relaying to people, and forwarding to other webhooks; their workers run only where that is configured.
RELAY: Final = "awb-relay"
FORWARD: Final = "awb-forward"
#: Queues whose workers always run.
STANDING: Final = (DELIVERIES, NOTIFICATIONS, MAINTENANCE)
QUEUES: Final = (*STANDING, RELAY, FORWARD)

CLASSIFY: Final = "workers.jobs.classify_delivery"
SEND: Final = "workers.jobs.send_notification"
SWEEP: Final = "workers.jobs.sweep"
RECOUNT: Final = "workers.jobs.recount"
VERIFY: Final = "workers.jobs.verify"
RECONCILE: Final = "workers.jobs.reconcile"
WORK_LANE: Final = "workers.jobs.work_lane"
#: All that a worker runs; a job of any other function is refused.
FUNCTIONS: Final = frozenset({CLASSIFY, SEND, SWEEP, RECOUNT, VERIFY, RECONCILE, WORK_LANE})

#: Seconds between the tries of a job that raised; then it is dead letter, in RQ's FailedJobRegistry.
RETRY_INTERVALS: Final = (5, 60, 300)
#: How long dead letter is kept, in seconds.
FAILURE_TTL: Final = 400 * 86_400
_JOB_TIMEOUT: Final = 180
_KEY_PREFIX: Final = Job.redis_job_namespace_prefix


@dataclass(frozen=True, slots=True)
class ReadyJob:
    """A job as RQ stores it, not yet stored."""

    id: str
    queue: str
    own: Sequence[bytes]

    @property
    def shared(self) -> bytes:
        """The fields that all jobs of this queue have alike, as a JSON array of field, value, …."""
        return _shared_json(self.queue)

    @property
    def fields(self) -> list[Any]:
        """Every field: field, value, …."""
        return [*self.own, *_shared_fields(self.queue)]

    @property
    def key(self) -> str:
        return f"{_KEY_PREFIX}{self.id}"

    @property
    def queue_key(self) -> str:
        return queue_key(self.queue)


def ready_job(job_id: str, queue: str, function: str, args: Sequence[Any], description: str) -> ReadyJob:
    """Build a job without Redis.

    Args:
        job_id: letters, digits, `_` and `-`.
        queue: one of QUEUES.
        function: dotted path; the receiver never imports the workers' code.
        args: JSON values.
        description: shown by `rq info` and the registries; no personal data.
    """
    moment = utcformat(clock.now()).encode()
    data = json.dumps([function, None, args, {}], separators=(",", ":")).encode()
    own = (b"created_at", moment, b"enqueued_at", moment, b"data", data, b"description", description.encode())
    return ReadyJob(job_id, queue, own)


@cache
def _shared_json(queue: str) -> bytes:
    return json.dumps(_shared_fields(queue)).encode()


@cache
def _shared_fields(queue: str) -> tuple[str, ...]:
    """Return what RQ writes for every job of a queue, less what differs from job to job."""
    job = Job.create(
        CLASSIFY,
        args=[],
        id="template",
        origin=queue,
        connection=redis.Redis(),
        serializer=JSONSerializer,
        timeout=_JOB_TIMEOUT,
        # What happened to a delivery or a notification stands in our own store; a finished job tells nothing more.
        result_ttl=0,
        failure_ttl=FAILURE_TTL,
        status=JobStatus.QUEUED,
    )
    job.meta = {"schema": VERSION}
    job.retries_left = len(RETRY_INTERVALS)
    job.retry_intervals = list(RETRY_INTERVALS)
    fields: list[str] = []
    for name, value in job.to_dict().items():
        # What RQ writes empty, it also reads as absent.
        if name not in ("created_at", "enqueued_at", "data", "description") and value not in (None, ""):
            fields += [name, value.decode() if isinstance(value, bytes) else str(getattr(value, "value", value))]
    return tuple(fields)


def delivery_job_id(deployment: str, message_id: str) -> str:
    return f"delivery-{deployment}-{message_id}"


def delivery_job(deployment: str, message_id: str, received_at: float, payload: Any) -> ReadyJob:
    description = f"classify delivery {message_id} of {deployment}"
    args = [deployment, message_id, received_at, payload]
    return ready_job(delivery_job_id(deployment, message_id), DELIVERIES, CLASSIFY, args, description)


def notification_job(deployment: str, notification_id: str) -> ReadyJob:
    description = f"send {notification_id}"
    return ready_job(
        f"notification-{deployment}-{notification_id}", NOTIFICATIONS, SEND, [deployment, notification_id], description
    )


def sweep_job(tick: int) -> ReadyJob:
    """Build the sweep of one tick; schedulers that run side by side build the same id and so do it once."""
    return ready_job(f"sweep-{tick}", MAINTENANCE, SWEEP, [tick], "look for pending notifications and new periods")


def verify_job(deployment: str) -> ReadyJob:
    """Build the job that verifies whatever is due; one at a time serves any number of deliveries."""
    description = f"verify due workspaces of {deployment}"
    return ready_job(f"verify-{deployment}", MAINTENANCE, VERIFY, [deployment], description)


def reconcile_job(deployment: str, tick: int, part: int = 1) -> ReadyJob:
    """Build the job that takes the steps of a pass for a while; where it does not come to the end, the next part does.

    Args:
        deployment: its name.
        tick: what it is queued for.
        part: jobs of a tick, from 1; a job cannot queue another one of its own id.
    """
    description = f"reconcile {deployment} with Coder"
    job_id = f"reconcile-{deployment}_{tick}" + (f"_{part}" if part > 1 else "")
    args = [deployment, tick] if part == 1 else [deployment, tick, part]
    return ready_job(job_id, MAINTENANCE, RECONCILE, args, description)


def recount_job(fingerprint: str) -> ReadyJob:
    return ready_job(
        f"recount-{fingerprint}", MAINTENANCE, RECOUNT, [fingerprint], "count again after a change of ai_templates"
    )


def lane_job(deployment: str, lane: str, occasion: str, *, forward: bool) -> ReadyJob:
    """Build the job that works through a lane.

    Args:
        deployment: its name.
        lane: its name.
        occasion: why it is queued, such as a message id: the same occasion queues one job.
        forward: it is another webhook's, not a person's.
    """
    digest = hashlib.blake2s(f"{lane} {occasion}".encode(), digest_size=12).hexdigest()
    queue = FORWARD if forward else RELAY
    return ready_job(f"lane-{deployment}-{digest}", queue, WORK_LANE, [deployment, lane], f"relay of {deployment}")


def queue_key(name: str) -> str:
    return f"{Queue.redis_queue_namespace_prefix}{name}"


def queues_key() -> str:
    return str(Queue.redis_queues_keys)


def queue(name: str, connection: "redis.Redis") -> Queue:
    return Queue(name, connection=connection, serializer=JSONSerializer)


def read_args(data: bytes) -> list[Any]:
    """Return the arguments of a job from the raw `data` that `ready_job` wrote.

    Raises:
        TypeError: it was written by something else.
        ValueError: the same, or it is another function's.
    """
    function, _instance, args, _kwargs = json.loads(data)
    if function != CLASSIFY or not isinstance(args, list):
        raise ValueError(function)
    return args
