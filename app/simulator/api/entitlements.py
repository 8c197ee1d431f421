"""GET /entitlements: the features, their warnings, and the errors.

The texts are those of enterprise/coderd/license/license.go, because clients match on them.
"""

from typing import Any, Final

from app.simulator.api.views import moment
from app.simulator.deployment import Deployment
from app.simulator.licence import UNLIMITED, AgentHours, Licence, Seats
from app.simulator.versions import Behaviour

_NEARLY: Final = 0.75
_SEATS_NEARLY: Final = 90
_EXCEEDED: Final = "You have built more workspaces with managed agents than your license allows."
_BLOCKED: Final = " Further managed agent builds will be blocked."
_APPROACHING: Final = (
    "You are approaching the managed agent limit in your license. Please refer to the Deployment Licenses page for"
    " more information."
)
_HOURS_USED: Final = (
    "Your deployment has used {used} of the {limit} Coder Agent runtime hours included in the current license term."
)
_HOURS_NEARLY: Final = (
    "Your deployment is approaching its Coder Agent runtime hours allocation: {used} of the {limit} hours included in"
    " the current license term are used, at or above the advisory soft limit of {soft} hours."
)
_SEATS_OVER: Final = "Your organization is using {used} of {limit} AI Governance add-on seats ({over} over the limit)."
_HOUR_MS: Final = 3_600_000


def entitlements(world: Deployment) -> dict[str, Any]:
    """Return the answer to GET /entitlements."""
    licence, at = world.licence, world.refreshed_at
    valid = licence is not None and not licence.expired(at)
    features: dict[str, Any] = {
        "audit_log": _feature(valid),
        "user_limit": _feature(valid, **({"limit": 100} if valid else {}), actual=len(world.users)),
        "managed_agent_limit": _feature(False),
    }
    warnings: list[str] = []
    errors: list[str] = []
    if licence is not None and not valid:
        errors.append(f"Invalid license ({world.id}) parsing claims: token is expired")
    if licence is not None and valid:
        features["managed_agent_limit"] = _managed_agents(world, licence)
        warnings += _awb_warnings(world, licence)
        if world.agent_hours and world.does(Behaviour.AGENT_HOURS):
            features["agent_runtime_hours"] = _hours(world.agent_hours, licence)
            warnings += _hour_warnings(world.agent_hours)
        if world.ai_seats:
            seats = world.ai_seats
            features["ai_governance_user_limit"] = _feature(True, limit=seats.limit, actual=seats.used)
            warnings += _seat_warnings(seats)
    return {
        "features": features,
        "warnings": warnings,
        "errors": errors,
        "has_license": valid,
        "trial": False,
        "require_telemetry": False,
        "refreshed_at": moment(at),
    }


def _feature(entitled: bool, **more: Any) -> dict[str, Any]:
    return {"entitlement": "entitled" if entitled else "not_entitled", "enabled": entitled, **more}


def _managed_agents(world: Deployment, licence: Licence) -> dict[str, Any]:
    if not licence.entitled:
        return _feature(False)
    feature = _feature(True, limit=licence.limit, actual=world.actual, usage_period=_period(licence))
    feature["enabled"] = licence.enabled and licence.limit != 0
    if licence.soft_limit is not None:
        feature["soft_limit"] = licence.soft_limit
    return feature


def _awb_warnings(world: Deployment, licence: Licence) -> list[str]:
    actual = world.actual
    if actual is None or licence.limit == UNLIMITED or world.does(Behaviour.SILENT_LIMIT):
        return []
    if actual >= licence.limit:
        return [_EXCEEDED if world.does(Behaviour.ADVISORY_LIMIT) else _EXCEEDED + _BLOCKED]
    soft = licence.soft_limit or 0
    # The share of the range above the soft limit; of the whole limit if there is no soft limit or it equals the limit.
    base = 0 if soft == licence.limit else soft
    nearly = base + (licence.limit - base) * _NEARLY
    return [_APPROACHING] if actual >= nearly and not world.does(Behaviour.ADVISORY_LIMIT) else []


def _hours(hours: AgentHours, licence: Licence) -> dict[str, Any]:
    return _feature(
        True,
        limit=hours.limit,
        soft_limit=hours.soft_limit,
        hard_limit=hours.hard_limit,
        actual=hours.used_ms // _HOUR_MS,
        actual_ms=hours.used_ms,
        usage_period=_period(licence),
    )


def _hour_warnings(hours: AgentHours) -> list[str]:
    used = hours.used_ms // _HOUR_MS
    if hours.limit == UNLIMITED:
        return []
    if used >= hours.limit:
        return [_HOURS_USED.format(used=used, limit=hours.limit)]
    if used >= hours.soft_limit:
        return [_HOURS_NEARLY.format(used=used, limit=hours.limit, soft=hours.soft_limit)]
    return []


def _seat_warnings(seats: Seats) -> list[str]:
    if seats.used > seats.limit:
        return [_SEATS_OVER.format(used=seats.used, limit=seats.limit, over=seats.used - seats.limit)]
    percent = seats.used * 100 // seats.limit if seats.limit else 0
    return [f"You have used {percent}% of your AI Governance add-on seats."] if percent >= _SEATS_NEARLY else []


def _period(licence: Licence) -> dict[str, Any]:
    return {
        "issued_at": moment(licence.issued_at),
        "start": moment(licence.period_start),
        "end": moment(licence.period_end),
    }
