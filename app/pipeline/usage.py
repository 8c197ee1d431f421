"""The current usage of a meter: which period and limit apply, and which numbers are known."""

from dataclasses import replace
from datetime import UTC, date

from app import clock
from app.config.load import Config
from app.core.coder.shapes import Entitlements, Feature
from app.core.coder.versions import Version
from app.core.count.era import is_gone
from app.core.count.meter import METERS, Mode, Usage, meter_of
from app.core.limit.entitlement import Allowance, allowance
from app.core.limit.limits import Limit
from app.core.limit.period import Period
from app.store.store import Store


def current_usage(store: Store, config: Config, meter: str, *, top: bool) -> Usage:
    """Return the usage of the current period, optionally with the top users and templates."""
    now = clock.now()
    state = store.coder
    entitlements = state.entitlements() if config.verifying(store.deployment) else None
    found = current_allowance(config, entitlements, meter)
    today = now.date()
    licensed = _extended(found.period, today) if found.period and found.period.start <= today else None
    period = licensed or config.period_rule.at(today)
    # Seats are not a counter: their feature has no period, and Coder's number is the current one.
    actual = found.actual if licensed or found.period is None else None
    if not meter_of(meter).counted_here:
        return Usage(store.deployment, meter, period, found.limit, actual or 0, 0, now, actual, mode=Mode.VERIFIED)
    reconciled = config.verifying(store.deployment) and state.mark("reconciled_at") is not None
    verified = reconciled and meter_of(meter).proved
    mode = Mode.VERIFIED if verified else Mode.WEBHOOK_ONLY
    gone = is_gone(meter, coder_version(store, config))
    limit = Limit(None) if gone else found.limit
    usage = store.snapshot(meter).usage(period, limit, now, top=top)
    if gone:
        return replace(usage, mode=mode, gone=True)
    if actual is None or entitlements is None or entitlements.refreshed_at is None:
        return replace(usage, mode=mode)
    edge = max(entitlements.refreshed_at.astimezone(UTC), period.starts_at)
    since = store.ledger(meter).count_since(edge.timestamp())
    drift = usage.counted - since - actual if verified else None
    return replace(usage, coder_actual=actual, since_refresh=since, drift=drift, mode=mode)


def current_allowance(config: Config, entitlements: Entitlements | None, meter: str) -> Allowance:
    """Return the limit, the period and Coder's number, from the entitlements if there are any."""
    return allowance(entitlements, meter_of(meter).feature, config.limit)


def coder_version(store: Store, config: Config) -> Version | None:
    """Return the version that Coder's API last reported; None if no API is configured or none was reported yet."""
    info = store.coder.build_info() if config.verifying(store.deployment) else None
    return info.number if info else None


def _extended(period: Period, today: date) -> Period:
    """Extend the last period until Coder reports another one, so that every build belongs to a period."""
    return period if period.contains(today) else Period(period.start, None)


def active_meters(store: Store, config: Config) -> list[str]:
    """Return the meters of this deployment: the counted one unless Coder no longer has it, and those Coder reports."""
    entitlements = store.coder.entitlements() if config.verifying(store.deployment) else None
    features = entitlements.features if entitlements else {}
    version = coder_version(store, config)
    return [
        meter.id
        for meter in METERS.values()
        if not is_gone(meter.id, version) and (meter.counted_here or _reports(features.get(meter.feature)))
    ]


def _reports(feature: Feature | None) -> bool:
    return feature is not None and feature.actual is not None and feature.limit is not None
