"""The source of each metric: the read models of the store, as for pages and the API."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import Any, Final

import redis

from app import clock
from app.answers.health import vitals
from app.config.load import Config
from app.core.alert.alert import AlertKind
from app.core.alert.refusal import Refusal
from app.core.count.meter import AWB, METERS, Mode, Usage
from app.core.finding import Result
from app.core.health.verdict import judge
from app.core.limit.drift import growth
from app.core.limit.threshold import fixed_levels, further_levels
from app.notifiers.base import FailureReason
from app.notifiers.receivers import receiver_slug, receivers
from app.pipeline.count.intake import IntakeOutcome
from app.pipeline.outlook import outlook
from app.pipeline.usage import active_meters, current_usage
from app.store.alert.tallies import error_field, outcome_field, sent_at_field
from app.store.receive.refusals import RefusalCounters
from app.store.rq.jobqueue import QUEUES
from app.store.rq.queues import Queues
from app.store.server.budget import read_budget
from app.store.store import Store
from app.web.metrics.families import Sheet

#: The outcomes of notifications (app/store/alert/outbox.py, app/core/alert/dispatch.py).
OUTCOMES: Final = ("sent", "failed", "silenced", "superseded", "dry-run")
RELAY_OUTCOMES: Final = ("sent", "failed")
#: The states of workers (app/store/rq/queues.py).
WORKER_STATES: Final = ("started", "idle", "busy", "suspended", "dead")
REGISTRIES: Final = ("started", "deferred", "scheduled", "failed")
MOST_USERS: Final = 50
_HEALTH: Final = (Result.OK, Result.WARNING, Result.ERROR)


def put_usage(sheet: Sheet, store: Store, config: Config) -> None:
    """Add usage, limit, thresholds, announced level and forecast of every active meter."""
    alerts = store.alerts
    for meter in active_meters(store, config):
        usage = current_usage(store, config, meter, top=False)
        at = (store.deployment, meter)
        _put_numbers(sheet, usage)
        levels = _levels(config, usage)
        announced = alerts.state(meter)[1].level
        for level, count in levels.items():
            sheet.put("awb_threshold_usage", count, *at, level)
        for level in dict.fromkeys([*levels, *([announced] if announced else [])]):
            sheet.put("awb_alert_level", level == announced, *at, level)
        _put_forecast(sheet, store, usage)
        if config.settings.metrics_user_names and METERS[meter].counted_here:
            today = usage.as_of.date()
            for user, units in store.snapshot(meter).names("user", usage.period, today, MOST_USERS):
                sheet.put("awb_user_usage", units, *at, user)


def put_health(sheet: Sheet, store: Store, config: Config) -> None:
    """Add the verdict on health, and the outcome of each check."""
    found = judge(vitals(store, config))
    sheet.put("awb_health", _HEALTH.index(found.result), store.deployment)
    for check in found.checks:
        sheet.put("awb_health_check", _HEALTH.index(found.of(check)), store.deployment, check)


def _put_numbers(sheet: Sheet, usage: Usage) -> None:
    at = (usage.deployment, usage.meter)
    limit = usage.limit
    sheet.put("awb_usage", usage.used, *at)
    sheet.put("awb_usage_counted", usage.counted, *at)
    sheet.put("awb_usage_provisional", usage.provisional, *at)
    sheet.put("awb_usage_ratio", usage.used / limit.count if limit.count else None, *at)
    sheet.put("awb_limit", limit.count, *at)
    sheet.put("awb_limit_unlimited", limit.unlimited, *at)
    sheet.put("awb_soft_limit", limit.soft, *at)
    sheet.put("awb_coder_actual", usage.coder_actual, *at)
    sheet.put("awb_drift", usage.drift, *at)
    for mode in Mode:
        sheet.put("awb_mode", mode is usage.mode, *at, mode.value)
    sheet.put("awb_period_start_timestamp_seconds", _seconds(usage.period.starts_at), *at)
    sheet.put("awb_period_end_timestamp_seconds", _seconds(usage.period.ends_at), *at)


def _levels(config: Config, usage: Usage) -> dict[str, float]:
    """Return the units at which each configured level is reached, without levels that do not apply."""
    fixed = fixed_levels(usage.limit, config.thresholds)
    first = further_levels(0, usage.limit, config.thresholds, ahead=1)
    return {level.name: float(level.at) for level in (*fixed, *first)}


def _put_forecast(sheet: Sheet, store: Store, usage: Usage) -> None:
    expected = outlook(store, usage).forecast
    if expected is None:
        return
    at = (usage.deployment, usage.meter)
    breach = datetime.combine(expected.breach, time(), UTC) if expected.breach else None
    sheet.put("awb_forecast_confident", expected.confident, *at)
    sheet.put("awb_forecast_units_per_day", expected.pace, *at)
    sheet.put("awb_forecast_usage", expected.projected, *at)
    sheet.put("awb_forecast_usage_low", expected.low, *at)
    sheet.put("awb_forecast_usage_high", expected.high, *at)
    sheet.put("awb_forecast_breach_timestamp_seconds", _seconds(breach), *at)
    sheet.put("awb_forecast_breach_in_period", expected.in_period(), *at)


def put_deliveries(sheet: Sheet, deployment: str, stats: Mapping[str, float]) -> None:
    for outcome in IntakeOutcome:
        sheet.put("awb_deliveries_total", stats.get(outcome.value, 0), deployment, outcome.value)
    sheet.put("awb_last_delivery_timestamp_seconds", stats.get("last_delivery_at", 0), deployment)


def put_refusals(sheet: Sheet, connection: "redis.Redis") -> None:
    """Add posts that the webhook refused. They belong to no deployment, because anybody can name any."""
    runs = RefusalCounters(connection).runs()
    for reason in Refusal:
        sheet.put("awb_refused_posts_total", runs[reason].total if reason in runs else 0, reason.value)


def put_notifications(sheet: Sheet, config: Config, deployment: str, stats: Mapping[str, float]) -> None:
    """Add the counters of every configured receiver. Addresses are never used as labels."""
    for receiver in receivers(config.settings):
        at = (deployment, receiver.partition(":")[0], receiver_slug(receiver))
        for outcome in OUTCOMES:
            ended = stats.get(outcome_field(outcome, receiver), 0)
            sheet.put("awb_notifications_total", ended, *at, outcome)
        for reason in FailureReason:
            erred = stats.get(error_field(reason.value, receiver), 0)
            sheet.put("awb_notification_errors_total", erred, *at, reason.value)
        last = stats.get(sent_at_field(receiver), 0)
        sheet.put("awb_last_notification_timestamp_seconds", last, *at)


def put_alerts(sheet: Sheet, store: Store) -> None:
    """Add alerts, silences and the outbox."""
    now = clock.now()
    firing = Counter(AlertKind.of_name(name) for name in store.alerts.firing())
    for kind in (kind for kind in AlertKind if kind.fires):
        sheet.put("awb_alerts_firing", firing[kind], store.deployment, kind.value)
    sheet.put("awb_silences_active", len(store.silences.active(now)), store.deployment)
    backlog = store.gauges.backlog()
    sheet.put("awb_outbox_pending", backlog.pending, store.deployment)
    sheet.put("awb_outbox_oldest_age_seconds", _age(now, backlog.oldest), store.deployment)
    sheet.put("awb_outbox_overdue_seconds", _age(now, backlog.next_attempt), store.deployment)


def put_coder(sheet: Sheet, store: Store, config: Config) -> None:
    """Add the state of Coder's API, and of the drift from its number."""
    configured = config.verifying(store.deployment)
    sheet.put("awb_coder_api_configured", configured, store.deployment)
    if not configured:
        return
    state = store.coder
    failing_since = _seconds(state.moment("failing_since"))
    answers = failing_since is None and state.mark("heard_at") is not None
    sheet.put("awb_coder_api_up", answers, store.deployment)
    sheet.put("awb_coder_api_failing_since_timestamp_seconds", failing_since or 0, store.deployment)
    sheet.put("awb_coder_workspaces_due", state.due_count(clock.now().timestamp()), store.deployment)
    sheet.put("awb_last_reconcile_timestamp_seconds", _seconds(state.moment("reconciled_at")) or 0, store.deployment)
    sheet.put("awb_reconcile_interval_seconds", config.settings.reconcile_minutes * 60, store.deployment)
    usage = current_usage(store, config, AWB, top=False)
    if usage.gone:
        return
    edges = store.gauges.drift_edges(usage.period.starts_at)
    sheet.put("awb_drift_growth", growth(edges, usage.period.starts_at), store.deployment, AWB)


def put_relays(sheet: Sheet, store: Store) -> None:
    """Add relayed messages by target; there are few targets, because they are configured."""
    now, counters = clock.now(), store.relayviews.counters()
    for row in store.relayviews.targets():
        at = (store.deployment, row.target)
        for outcome in RELAY_OUTCOMES:
            sheet.put("awb_relay_messages_total", counters.get(f"{row.target} {outcome}", 0), *at, outcome)
        for reason in (*FailureReason, "mistake"):
            sheet.put("awb_relay_errors_total", counters.get(f"{row.target} error {reason}", 0), *at, str(reason))
        sheet.put("awb_relay_pending", row.pending, *at)
        sheet.put("awb_relay_oldest_age_seconds", _age(now, row.oldest), *at)


def put_queues(sheet: Sheet, connection: "redis.Redis") -> None:
    """Add queues and workers, which serve all deployments."""
    workers, queues = Queues(connection).workers_and_queues()
    for queue in queues:
        sheet.put("awb_queue_length", queue.length, queue.name)
        sheet.put("awb_queue_oldest_age_seconds", queue.oldest_age or 0, queue.name)
        sheet.put("awb_queue_paused", queue.paused, queue.name)
        for registry in REGISTRIES:
            sheet.put("awb_queue_jobs", getattr(queue, registry), queue.name, registry)
    found = Counter((worker.queue, worker.state) for worker in workers)
    for name in QUEUES:
        for state in WORKER_STATES:
            sheet.put("awb_workers", found[name, state], name, state)


def put_redis(sheet: Sheet, info: Mapping[str, Any]) -> None:
    """Add the state of Redis; `info` is its INFO."""
    sheet.put("awb_redis_memory_used_bytes", info.get("used_memory"))
    sheet.put("awb_redis_memory_limit_bytes", info.get("maxmemory"))
    sheet.put("awb_redis_aof_enabled", info.get("aof_enabled"))
    written = [info.get(name, "ok") for name in ("aof_last_write_status", "aof_last_bgrewrite_status")]
    sheet.put("awb_redis_persistence_ok", set(written) == {"ok"}, "aof")
    sheet.put("awb_redis_persistence_ok", info.get("rdb_last_bgsave_status", "ok") == "ok", "rdb")


def put_budget(sheet: Sheet, connection: "redis.Redis", budget: int) -> None:
    """Put the memory budget, and what was deleted because of it."""
    state = read_budget(connection) if budget else None
    sheet.put("awb_redis_budget_bytes", budget)
    sheet.put("awb_redis_budget_kept_since_timestamp_seconds", (state.kept_since if state else None) or 0)


def _age(now: datetime, then: float | None) -> float:
    return 0.0 if then is None else max(now.timestamp() - then, 0.0)


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
