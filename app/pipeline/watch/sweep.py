"""The sweep, every minute: it completes what a crash or a lost job left, and evaluates what time alone can change."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Final

import redis
import structlog

from app import clock
from app.config.load import Config
from app.config.settings import Settings
from app.core.count.meter import AWB
from app.pipeline import watch as room
from app.pipeline.count.count import recount
from app.pipeline.usage import active_meters
from app.pipeline.watch.budget import keep_within
from app.pipeline.watch.escalate import escalate
from app.pipeline.watch.forecasts import check_forecast
from app.pipeline.watch.losses import examine, is_held, watch_loss
from app.pipeline.watch.refusals import watch_refusals
from app.pipeline.watch.retire import retire
from app.pipeline.watch.steps import SweepSteps, each
from app.pipeline.watch.warn import warn
from app.store import keys
from app.store.receive.inbox import deployments
from app.store.rq import plainjob
from app.store.rq.enqueue import enqueue
from app.store.server.commands import commands
from app.store.server.lease import Fence
from app.store.steps import note_swept, swept_at
from app.store.store import Store

log = structlog.get_logger(__name__)
#: A notification that is overdue by this much has lost its job.
_OVERDUE: Final = timedelta(seconds=30)
#: Until then, a rollback to the previous version shows a delivery as before.
_PACKED_AFTER: Final = timedelta(days=1)


def sweep(connection: "redis.Redis", config: Config) -> None:
    """Queue overdue notifications again and evaluate every deployment; running it twice changes nothing.

    The deployment that has waited longest comes first, so that one that takes all of the job's time cannot block the
    others.

    Raises:
        redis.exceptions.RedisError: Redis is unavailable.
    """
    examine(connection, config)
    known = deployments(connection) or [config.settings.deployment]
    last = swept_at(connection, known)
    for deployment in sorted(known, key=lambda name: last[name]):
        note_swept(connection, deployment, clock.now())
        _sweep(Store(connection, deployment), config.of(deployment))
    keep_within(connection, config)
    watch_refusals(connection, config)
    connection.hset(keys.MARKS, "last_sweep_at", clock.now().timestamp())


def _sweep(store: Store, config: Config) -> None:
    steps = SweepSteps(store)
    steps.perform("send again", _send_again, store)
    steps.perform("watch loss", watch_loss, store, config)
    if not is_held(store, config):
        _evaluate(steps, store, config)
    steps.perform("pack", _pack, store, config.settings.keep_days)
    steps.perform("forget", _forget, store, config.settings)
    steps.forget()


def _evaluate(steps: SweepSteps, store: Store, config: Config) -> None:
    steps.perform("retire", retire, store, config)
    meters: list[str] = []
    steps.perform("find meters", lambda: meters.extend(active_meters(store, config)))
    # Without entitlements, the meter that is counted here is evaluated anyway.
    for meter in meters or [AWB]:
        steps.perform(f"warn {meter}", warn, store, config, meter)
        steps.perform(f"foresee {meter}", check_forecast, store, config, meter)
    for name, watch in watchers().items():
        steps.perform(f"watch {name}", watch, store, config)
    steps.perform("escalate", escalate, store, config)


@cache
def watchers() -> Mapping[str, Callable[[Store, Config], object]]:
    """Return the `watch` function of every module of this package that has one, by the module's name."""
    modules = {name: import_module(f"{room.__name__}.{name}") for _, name, _ in iter_modules(room.__path__)}
    return {name: module.watch for name, module in modules.items() if hasattr(module, "watch")}


def _send_again(store: Store) -> None:
    for notification_id in store.outbox.overdue(clock.now() - _OVERDUE):
        if store.outbox.enqueue_again(notification_id):
            log.warning("notification queued again", deployment=store.deployment, notification_id=notification_id)


def _pack(store: Store, keep_days: int) -> None:
    now = clock.now()
    store.packs.pack((now - _PACKED_AFTER).timestamp(), keep_days * 86_400)


def _forget(store: Store, settings: Settings) -> None:
    """Delete data that is older than the configured retention of its kind."""
    now = clock.now()
    messages = now - timedelta(days=settings.keep_message_days)
    store.packs.forget((now - timedelta(days=settings.keep_days)).timestamp())
    store.outbox.forget(messages.timestamp())
    store.alerts.forget_events(messages.timestamp())
    store.silences.forget(messages)
    store.relayviews.forget((now - timedelta(days=settings.keep_relay_days)).timestamp())
    store.audit.forget(now - timedelta(days=settings.keep_audit_days))


def recount_if_templates_changed(connection: "redis.Redis", config: Config, fence: Fence | None = None) -> bool:
    """Queue a recount if the list of AI templates differs from that of the last recount."""
    fingerprint = templates_fingerprint(config)
    last = commands(connection).hget(keys.MARKS, "ai_templates")
    if last is not None and last.decode() == fingerprint:
        return False
    return enqueue(connection, plainjob.recount_job(fingerprint), fence=fence)


def recount_all(connection: "redis.Redis", config: Config, fingerprint: str) -> None:
    """Recount every deployment, then store the list's fingerprint; after a crash in between, the recount is repeated.

    Raises:
        ExceptionGroup: some deployments could not be recounted; the others were.
    """

    def recount_one(deployment: str) -> None:
        own = config.of(deployment)
        change = recount(Store(connection, deployment), own)
        log.info("recounted", deployment=deployment, change=change)
        warn(Store(connection, deployment), own, AWB)

    each({name: name for name in deployments(connection)}, recount_one)
    connection.hset(keys.MARKS, "ai_templates", fingerprint)


def templates_fingerprint(config: Config) -> str:
    """Return what changes with any deployment's list."""
    text = "\n".join(sorted(config.ai_templates))
    for name in sorted(config.settings.deployment_settings):
        own = config.of(name).ai_templates
        # A table that leaves the list as it is changes nothing.
        if own != config.ai_templates:
            text += f"\n[{name}]\n" + "\n".join(sorted(own))
    return hashlib.blake2s(text.encode(), digest_size=8).hexdigest()
