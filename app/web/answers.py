"""What the HTTP API and `--json` answer, as plain values."""

from datetime import UTC, date, datetime
from typing import Any, Final

import redis

from app.config import Config
from app.core.drift import known_causes
from app.core.meter import AWB, METERS, UsageRecord
from app.pipeline.usage import active_meters, current_allowance, current_usage
from app.store.alerts import Alerts
from app.store.coderstate import CoderState
from app.store.snapshot import Snapshot

#: Features of the AI Governance Add-On (codersdk/deployment.go).
_ADD_ON: Final = {"ai_bridge": "aibridge", "agent_boundaries": "boundary", "add_on": "ai_governance_user_limit"}
_DRIFT_SHOWN: Final = 200


def usage_answer(connection: "redis.Redis", config: Config, deployment: str) -> dict[str, Any]:
    """Return the usage of the present period, as `/api/v1/usage` and `awb status --json` give it."""
    usage = current_usage(connection, config, deployment, AWB, top=False)
    breakdown = Snapshot(connection, deployment, AWB).breakdown(usage.period, usage.as_of)
    _version, state = Alerts(connection, deployment).state(AWB)
    return {
        "deployment": deployment,
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
        "period": {"start": _moment(usage.period.starts_at), "end": _moment(usage.period.ends_at)},
        "alert": {"state": state.status.value, "level": state.level or None, "since": _moment(state.since)},
        "by_user": _rows(breakdown.by_user),
        "by_template": _rows(breakdown.by_template),
        "by_day": [{"day": _day(day), "used": used} for day, used in breakdown.by_day],
        "as_of": _moment(usage.as_of),
    }


def record_answer(record: UsageRecord) -> dict[str, Any]:
    """Return a record as the API gives it, times in ISO 8601."""
    return {**record.as_json(), "at": _moment(datetime.fromtimestamp(record.at, UTC))}


def coder_answer(connection: "redis.Redis", config: Config, deployment: str) -> dict[str, Any]:
    """Return what Coder's API last said: version, licence, add-on, other meters, drift, and since when it fails."""
    state = CoderState(connection, deployment)
    entitlements, info = state.entitlements(), state.build_info()
    found = current_allowance(config, entitlements, AWB)
    history = state.drift()
    version = info.number if info else None
    sees_deleted = state.mark("sees_deleted") is not None
    features = entitlements.features if entitlements else {}
    return {
        "deployment": deployment,
        "configured": config.verifying(deployment),
        "version": info.version if info else None,
        "licence": found.standing.value,
        "features": {
            name: {"entitlement": feature.entitlement, "enabled": feature.enabled} if feature else None
            for name, feature in ((name, features.get(key)) for name, key in _ADD_ON.items())
        },
        "meters": [
            _meter_answer(connection, config, deployment, meter)
            for meter in active_meters(connection, config, deployment)
            if not METERS[meter].counted_here
        ],
        "warnings": entitlements.warnings if entitlements else [],
        "errors": entitlements.errors if entitlements else [],
        "refreshed_at": _moment(entitlements.refreshed_at) if entitlements else None,
        "reconciled_at": _moment(state.moment("reconciled_at")),
        "failing_since": _moment(state.moment("failing_since")),
        "failure": state.mark("failure"),
        "drift": [
            {"at": _moment(point.at), "counted": point.counted, "actual": point.actual, "drift": point.drift}
            for point in history[-_DRIFT_SHOWN:]
        ],
        "drift_causes": known_causes(history[-1].drift, version, sees_deleted=sees_deleted) if history else [],
    }


def _meter_answer(connection: "redis.Redis", config: Config, deployment: str, meter: str) -> dict[str, Any]:
    usage = current_usage(connection, config, deployment, meter, top=False)
    return {
        "meter": meter,
        "name": METERS[meter].name,
        "used": usage.used,
        "limit": usage.limit.count,
        "percent": usage.percent,
        "period": {"start": _moment(usage.period.starts_at), "end": _moment(usage.period.ends_at)},
    }


def _rows(rows: Any) -> list[dict[str, Any]]:
    return [{"name": name or None, "used": used} for name, used in rows]


def _day(day: date) -> str:
    return day.isoformat()


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
