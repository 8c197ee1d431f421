"""The queues of this program, the functions that their jobs run, and the settings that all jobs share.

Any stock `rq worker -S json <queue>` can run them.
"""

from collections.abc import Sequence
from typing import Any, Final

import redis
from rq import Queue, Retry
from rq.job import Job
from rq.serializers import JSONSerializer

from app.core.schema import VERSION

DELIVERIES: Final = "awb-deliveries"
NOTIFICATIONS: Final = "awb-notifications"
MAINTENANCE: Final = "awb-maintenance"
#: Relaying to people, and forwarding to other webhooks; their workers run only if this is configured.
RELAY: Final = "awb-relay"
FORWARD: Final = "awb-forward"
#: Passcodes have their own worker, so that they wait for nothing.
PASSCODES: Final = "awb-passcodes"
#: Queues whose workers always run.
CORE: Final = (DELIVERIES, NOTIFICATIONS, MAINTENANCE)
QUEUES: Final = (*CORE, PASSCODES, RELAY, FORWARD)

CLASSIFY: Final = "workers.jobs.classify_delivery"
SEND: Final = "workers.jobs.send_notification"
SWEEP: Final = "workers.jobs.sweep"
RECOUNT: Final = "workers.jobs.recount"
VERIFY: Final = "workers.jobs.verify"
RECONCILE: Final = "workers.jobs.reconcile"
WORK_LANE: Final = "workers.jobs.work_lane"
#: All functions that a worker runs; it refuses jobs with any other function.
FUNCTIONS: Final = frozenset({CLASSIFY, SEND, SWEEP, RECOUNT, VERIFY, RECONCILE, WORK_LANE})

#: Seconds between the attempts of a job that raised. Then it is moved to RQ's FailedJobRegistry.
RETRY_INTERVALS: Final = (5, 60, 300)
#: How long failed jobs are kept, in seconds.
FAILURE_TTL: Final = 400 * 86_400
TIMEOUT_SECONDS: Final = 180


def queue(name: str, connection: "redis.Redis") -> Queue:
    return Queue(name, connection=connection, serializer=JSONSerializer)


def create_job(of: Queue, job_id: str, function: str, args: Sequence[Any], description: str) -> Job:
    """Build a job without sending anything to Redis.

    Args:
        of: its queue.
        job_id: letters, digits, `_` and `-`.
        function: the dotted path; the receiver never imports the workers' code.
        args: JSON values.
        description: shown by `rq info` and in registries; without personal data.
    """
    return of.create_job(
        function,
        args=list(args),
        job_id=job_id,
        description=description,
        timeout=TIMEOUT_SECONDS,
        # The results of deliveries and notifications are in our own store.
        result_ttl=0,
        failure_ttl=FAILURE_TTL,
        meta={"schema": VERSION},
        retry=Retry(max=len(RETRY_INTERVALS), interval=list(RETRY_INTERVALS)),
    )


def queue_key(name: str) -> str:
    return f"{Queue.redis_queue_namespace_prefix}{name}"


def queues_key() -> str:
    return str(Queue.redis_queues_keys)


def job_key(job_id: str) -> str:
    return f"{Job.redis_job_namespace_prefix}{job_id}"
