"""The sweep, every minute: what a crash or a lost job left undone is done, and time alone may cross a threshold."""

import hashlib
from datetime import timedelta
from typing import Any, Final

import redis
import structlog

from app import clock
from app.config.load import Config
from app.core.count.meter import AWB
from app.pipeline.count.count import recount
from app.pipeline.usage import active_meters
from app.pipeline.watch.digests import report
from app.pipeline.watch.escalate import escalate
from app.pipeline.watch.foresee import foresee
from app.pipeline.watch.refusals import watch_refusals
from app.pipeline.watch.retire import retire
from app.pipeline.watch.scopes import watch_bursts, watch_scopes
from app.pipeline.watch.steps import SweepSteps, each
from app.pipeline.watch.warn import warn
from app.store import keys
from app.store.alert.alerts import Alerts
from app.store.alert.outbox import Outbox
from app.store.alert.silences import Silences
from app.store.receive.inbox import deployments
from app.store.rq import jobqueue
from app.store.rq.enqueue import enqueue
from app.store.steps import note_swept, swept_at

log = structlog.get_logger(__name__)
#: A notification this much behind its time has lost its job.
_OVERDUE: Final = timedelta(seconds=30)


def sweep(connection: "redis.Redis", config: Config) -> None:
    """Re-queue overdue notifications and evaluate every deployment; doing it twice changes nothing.

    Whoever waited longest comes first: a deployment that takes all of the job's time cannot keep the others from ever
    getting theirs.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    known = deployments(connection) or [config.settings.deployment]
    last = swept_at(connection, known)
    for deployment in sorted(known, key=lambda name: last[name]):
        note_swept(connection, deployment, clock.now())
        _sweep(connection, config, deployment)
    watch_refusals(connection, config)
    connection.hset(keys.MARKS, "last_sweep_at", clock.now().timestamp())


def _sweep(connection: "redis.Redis", config: Config, deployment: str) -> None:
    steps = SweepSteps(connection, deployment)
    at = (connection, config, deployment)
    steps.perform("send again", _send_again, Outbox(connection, deployment), deployment)
    steps.perform("retire", retire, *at)
    meters: list[str] = []
    steps.perform("find meters", lambda: meters.extend(active_meters(*at)))
    # Without the entitlements there is still what is counted here.
    for meter in meters or [AWB]:
        steps.perform(f"warn {meter}", warn, *at, meter)
        steps.perform(f"foresee {meter}", foresee, *at, meter)
    steps.perform("watch scopes", watch_scopes, *at)
    steps.perform("watch bursts", watch_bursts, *at)
    steps.perform("report", report, *at)
    steps.perform("escalate", escalate, *at)
    steps.perform("forget", _forget, connection, deployment, config.settings.keep_days)
    steps.forget()


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
    """Recount every deployment, and note for which list only then: a crash before the note repeats it.

    Raises:
        ExceptionGroup: some deployments could not be recounted; the others were.
    """

    def recount_one(deployment: str) -> None:
        change = recount(connection, config, deployment)
        log.info("recounted", deployment=deployment, change=change)
        warn(connection, config, deployment, AWB)

    each({name: name for name in deployments(connection)}, recount_one)
    connection.hset(keys.MARKS, "ai_templates", fingerprint)


def templates_fingerprint(config: Config) -> str:
    return hashlib.blake2s("\n".join(sorted(config.ai_templates)).encode(), digest_size=8).hexdigest()
