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
from app.pipeline.digests import report
from app.pipeline.escalate import escalate
from app.pipeline.foresee import foresee
from app.pipeline.scopes import watch_bursts, watch_scopes
from app.pipeline.usage import active_meters
from app.pipeline.warn import warn
from app.store import keys
from app.store.alerts import Alerts
from app.store.inbox import deployments
from app.store.outbox import Outbox
from app.store.outqueue import enqueue
from app.store.silences import Silences

log = structlog.get_logger(__name__)
#: A notification this much behind its time has lost its job.
_OVERDUE: Final = timedelta(seconds=30)


def sweep(connection: "redis.Redis", config: Config) -> None:
    """Re-queue overdue notifications and evaluate every deployment; doing it twice changes nothing."""
    for deployment in deployments(connection) or [config.settings.deployment]:
        _send_again(Outbox(connection, deployment), deployment)
        for meter in active_meters(connection, config, deployment):
            warn(connection, config, deployment, meter)
            foresee(connection, config, deployment, meter)
        watch_scopes(connection, config, deployment)
        watch_bursts(connection, config, deployment)
        report(connection, config, deployment)
        escalate(connection, config, deployment)
        _forget(connection, deployment, config.settings.keep_days)
    connection.hset(keys.MARKS, "last_sweep_at", clock.now().timestamp())


def _send_again(outbox: Outbox, deployment: str) -> None:
    for notification_id in outbox.overdue(clock.now() - _OVERDUE):
        if outbox.enqueue_again(notification_id):
            log.warning("notification queued again", deployment=deployment, notification_id=notification_id)


def _forget(connection: "redis.Redis", deployment: str, keep_days: int) -> None:
    """Let go of what is older than the configuration keeps it."""
    before = clock.now() - timedelta(days=keep_days)
    Outbox(connection, deployment).forget(before.timestamp())
    Alerts(connection, deployment).forget_events(before.timestamp())
    Silences(connection, deployment).forget(before)


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
