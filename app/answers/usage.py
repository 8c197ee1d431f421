"""What the HTTP API, the pages and `--json` answer about usage, as plain values; times in ISO 8601."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

import redis

from app import clock
from app.answers.past import past_usages, usage_of
from app.answers.plain import iso_day, moment, period_value
from app.config.load import Config
from app.core.coder.history import SOURCE_WORDS
from app.core.coder.passes import Phase, describe
from app.core.count.era import NO_LONGER_COUNTED
from app.core.count.meter import AWB, METERS, Mode, Usage, UsageRecord
from app.core.limit.drift import DriftPoint, known_causes
from app.core.limit.forecast import forecast
from app.core.limit.period import Period
from app.pipeline.outlook import outlook
from app.pipeline.usage import active_meters, current_allowance, current_usage
from app.store.coder.passes import Passes
from app.store.coder.state import CoderState
from app.store.store import Store

#: Features of the AI Governance Add-On (codersdk/deployment.go).
_ADD_ON: Final = {"ai_bridge": "aibridge", "agent_boundaries": "boundary", "add_on": "ai_governance_user_limit"}
_DRIFT_SHOWN: Final = 200
_TOP: Final = 10
_ESTIMATE: Final = "An estimate from notifications alone: usually too low, in some cases too high."
_LIMIT_OF_TODAY: Final = "The limit is the one of today; what it was then is not kept."


def usage_answer(store: Store, config: Config, period: date | None = None) -> dict[str, Any]:
    """Return the usage of a period, as `/api/v1/usage` and `awb status --json` give it.

    Args:
        store: the deployment's data.
        config: limit and period, where no licence tells them.
        period: any day of the period, its first for example; None for the present one.

    Raises:
        UnknownPeriodError: no period holds the day.
    """
    present = current_usage(store, config, AWB, top=False)
    usage = present if period is None else usage_of(store, config, present, period)
    snapshot = store.snapshot(AWB)
    breakdown = snapshot.breakdown(usage.period, usage.as_of)
    return {
        "deployment": store.deployment,
        "meter": AWB,
        "used": usage.used,
        "limit": usage.limit.count,
        "soft_limit": usage.limit.soft,
        "percent": usage.percent,
        "counted": usage.counted,
        "provisional": usage.provisional,
        "coder_actual": usage.coder_actual,
        "drift": usage.drift,
        "mode": usage.mode.value,
        "gone": usage.gone,
        "period": period_value(usage.period),
        "alert": _alert(store) if usage.period == present.period and not usage.gone else None,
        "by_user": _rows(breakdown.by_user),
        "by_template": _rows(breakdown.by_template),
        "by_organization": _rows(snapshot.names("organization", usage.period, usage.as_of.date(), _TOP)),
        "by_day": [{"day": day.isoformat(), "used": used} for day, used in breakdown.by_day],
        "notes": _notes(usage, present.period),
        "as_of": moment(usage.as_of),
    }


def periods_answer(store: Store, config: Config) -> dict[str, Any]:
    """Return the present usage period and those before it, as far back as there are records, newest first."""
    present = current_usage(store, config, AWB, top=False)
    listed = [present, *past_usages(store, config, present)]
    return {
        "deployment": store.deployment,
        "meter": AWB,
        "periods": [
            {
                **period_value(usage.period),
                "present": usage.period == present.period,
                "used": usage.used,
                "provisional": usage.provisional,
                "limit": usage.limit.count,
                "percent": usage.percent,
            }
            for usage in listed
        ],
        "notes": [NO_LONGER_COUNTED] if present.gone else [_LIMIT_OF_TODAY] if len(listed) > 1 else [],
    }


def forecast_answer(store: Store, config: Config) -> dict[str, Any]:
    """Return pace, projection and the expected day of the breach (app/core/limit/forecast.py says what each means)."""
    usage = current_usage(store, config, AWB, top=False)
    # Of a meter that is gone nothing is to be expected: the projection of nothing has the same shape.
    found = outlook(store, usage).forecast or forecast((), 0, usage.limit, usage.period, usage.as_of)
    expected = {
        "words": NO_LONGER_COUNTED if usage.gone else found.words(),
        "confident": found.confident,
        "enough": found.enough,
        "why": found.why,
        "reached": found.reached,
        "pace": found.pace,
        "pace_period": found.pace_period,
        "pace_28": found.pace_28,
        "pace_7": found.pace_7,
        "projected": found.projected,
        "low": found.low,
        "high": found.high,
        "breach": iso_day(found.breach),
        "breach_earliest": iso_day(found.breach_earliest),
        "breach_latest": iso_day(found.breach_latest),
        "breach_in_period": found.in_period(),
        "until": iso_day(found.until),
        "elapsed_percent": None if found.elapsed_percent is None else round(found.elapsed_percent, 1),
        "used_percent": found.used_percent,
    }
    return {
        "deployment": store.deployment,
        "meter": AWB,
        "used": usage.used,
        "limit": usage.limit.count,
        "period": period_value(usage.period),
        **expected,
        "as_of": moment(usage.as_of),
    }


def record_answer(record: UsageRecord) -> dict[str, Any]:
    """Return a record as the API gives it, times in ISO 8601."""
    return {**record.as_json(), "at": moment(record.at)}


def coder_answer(store: Store, config: Config) -> dict[str, Any]:
    """Return what Coder's API last said: version, licence, add-on, other meters, drift, and since when it fails."""
    state = store.coder
    entitlements, info = state.entitlements(), state.build_info()
    found = current_allowance(config, entitlements, AWB)
    history = state.drift()
    version = info.number if info else None
    sees_deleted = state.sees_deleted
    features = entitlements.features if entitlements else {}
    return {
        "deployment": store.deployment,
        "configured": config.verifying(store.deployment),
        "version": info.version if info else None,
        "licence": found.standing.value,
        "features": {
            name: {"entitlement": feature.entitlement, "enabled": feature.enabled} if feature else None
            for name, feature in ((name, features.get(key)) for name, key in _ADD_ON.items())
        },
        "meters": [
            _meter_answer(store, config, meter)
            for meter in active_meters(store, config)
            if not METERS[meter].counted_here
        ],
        "warnings": entitlements.warnings if entitlements else [],
        "errors": entitlements.errors if entitlements else [],
        "refreshed_at": moment(entitlements.refreshed_at) if entitlements else None,
        "reconciled_at": moment(state.moment("reconciled_at")),
        "failing_since": moment(state.moment("failing_since")),
        "failure": state.mark("failure"),
        **_pass(store.redis, state),
        "drift": [_drift(point) for point in history[-_DRIFT_SHOWN:]],
        "drift_causes": known_causes(history[-1].drift, version, sees_deleted=sees_deleted) if history else [],
    }


def reconcile_answer(store: Store, config: Config) -> dict[str, Any]:
    """Return the last pass over Coder's API, what waits to be verified, and the newest drift."""
    state = store.coder
    info, history = state.build_info(), state.drift()
    newest = history[-1] if history else None
    causes = known_causes(
        newest.drift if newest else 0,
        info.number if info else None,
        sees_deleted=state.sees_deleted,
    )
    return {
        "deployment": store.deployment,
        "configured": config.verifying(store.deployment),
        "reconciled_at": moment(state.moment("reconciled_at")),
        "pass_begun_at": moment(state.moment("pass_begun_at")),
        "due": state.due_count(clock.now().timestamp()),
        **_pass(store.redis, state),
        "failing_since": moment(state.moment("failing_since")),
        "failure": state.mark("failure"),
        "drift": _drift(newest) if newest else None,
        "drift_causes": causes,
    }


def _pass(connection: "redis.Redis", state: CoderState) -> dict[str, Any]:
    """Return the pass that is under way, what fails for itself, and what tells of deleted workspaces."""
    _version, now = Passes(connection, state.deployment).load()
    source = state.history_source()
    return {
        "pass_progress": None
        if now is None or now.phase is Phase.DONE
        else {
            "phase": now.phase.value,
            "words": describe(now),
            "begun_at": moment(clock.at(now.begun)),
            "listed": now.listed,
            "asked": now.asked,
            "read_back_to": None if now.back_to is None else moment(clock.at(now.back_to)),
        },
        "failing_workspaces": state.failing_count(),
        "deleted_source": None if source is None else source.value,
        "deleted_words": "" if source is None else SOURCE_WORDS[source],
    }


def _drift(point: DriftPoint) -> dict[str, Any]:
    return {"at": moment(point.at), "counted": point.counted, "actual": point.actual, "drift": point.drift}


def _meter_answer(store: Store, config: Config, meter: str) -> dict[str, Any]:
    usage = current_usage(store, config, meter, top=False)
    return {
        "meter": meter,
        "name": METERS[meter].name,
        "used": usage.used,
        "limit": usage.limit.count,
        "percent": usage.percent,
        "period": period_value(usage.period),
    }


def _notes(usage: Usage, present: Period) -> list[str]:
    """Say what has to be known to read the numbers rightly."""
    if usage.gone:
        return [NO_LONGER_COUNTED]
    notes = [_ESTIMATE] if usage.mode is Mode.WEBHOOK_ONLY else []
    return notes if usage.period == present else [*notes, _LIMIT_OF_TODAY]


def _alert(store: Store) -> dict[str, Any]:
    _version, state = store.alerts.state(AWB)
    return {"state": state.status.value, "level": state.level or None, "since": moment(state.since)}


def _rows(rows: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    return [{"name": name or None, "used": used} for name, used in rows]
