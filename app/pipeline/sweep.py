"""The sweep, every minute: what a crash or a lost job left undone is done, and time alone may cross a threshold."""

import hashlib
from datetime import timedelta
from typing import Any, Final

import redis
import structlog

from app import clock, jobqueue
from app.config import Config
from app.core.meter import AWB
from app.pipeline.count import recount
from app.pipeline.warn import warn
from app.store import keys
from app.store.alerts import Alerts
from app.store.inbox import deployments
from app.store.outqueue import enqueue

log = structlog.get_logger(__name__)
#: A notification this much behind its time has lost its job.
_OVERDUE: Final = timedelta(seconds=30)


def sweep(connection: "redis.Redis", config: Config) -> None:
    """Re-queue overdue notifications and evaluate every deployment; doing it twice changes nothing."""
    for deployment in deployments(connection) or [config.settings.deployment]:
        alerts = Alerts(connection, deployment)
        for notification_id in alerts.overdue(clock.now() - _OVERDUE):
            if alerts.enqueue_again(notification_id):
                log.warning("notification queued again", deployment=deployment, notification_id=notification_id)
        warn(connection, config, deployment, AWB)
    connection.hset(keys.MARKS, "last_sweep_at", clock.now().timestamp())


def recount_if_templates_changed(connection: "redis.Redis", config: Config) -> bool:
    """Queue a recount when the list of AI templates is another than at the last one."""
    fingerprint = templates_fingerprint(config)
    last: Any = connection.hget(keys.MARKS, "ai_templates")
    if last is not None and last.decode() == fingerprint:
        return False
    return enqueue(connection, jobqueue.recount_job(fingerprint))


def recount_all(connection: "redis.Redis", config: Config, fingerprint: str) -> None:
    """Recount every deployment, and note for which list only then: a crash before the note repeats it."""
    for deployment in deployments(connection):
        change = recount(connection, config, deployment)
        log.info("recounted", deployment=deployment, change=change)
        warn(connection, config, deployment, AWB)
    connection.hset(keys.MARKS, "ai_templates", fingerprint)


def templates_fingerprint(config: Config) -> str:
    return hashlib.blake2s("\n".join(sorted(config.ai_templates)).encode(), digest_size=8).hexdigest()
