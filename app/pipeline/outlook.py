"""Outlook: the forecast of a meter, and what else alerts show besides usage."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from app.config.load import Config
from app.core.count.meter import Usage, meter_of
from app.core.limit.forecast import Forecast, forecast
from app.core.limit.period import Period
from app.core.limit.threshold import needs_projection
from app.core.wording.context import Context
from app.pipeline.usage import coder_version, current_allowance
from app.store.store import Store

_MOST_POINTS: Final = 120
_BEFORE: Final = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Outlook:
    """The expected development of a meter.

    Attributes:
        days: (UTC day, units) of the period, oldest first, without days without usage.
    """

    usage: Usage
    days: Sequence[tuple[date, int]]
    forecast: Forecast | None


def outlook(store: Store, usage: Usage) -> Outlook:
    """Return the forecast for the usage's period; None if Coder no longer has the meter, or there are no records."""
    if not meter_of(usage.meter).counted_here:
        return Outlook(usage, (), None)
    # Earlier days count for the pace, though not for usage: early in a month there are no others.
    known = Period(usage.period.start - _BEFORE, usage.period.end)
    days = store.snapshot(usage.meter).by_day(known, usage.as_of.date())
    expected = forecast(days, usage.used, usage.limit, usage.period, usage.as_of)
    shown = [row for row in days if row[0] >= usage.period.start]
    return Outlook(usage, shown, None if usage.gone else expected)


def is_projected(store: Store, config: Config, usage: Usage) -> bool:
    """Return whether thresholds with `if projected` are crossed as far as the projection goes; True if there are none.

    The days are read only if the highest crossed level depends on the projection.
    """
    if not needs_projection(usage.used, usage.limit, config.thresholds):
        return True
    expected = outlook(store, usage).forecast
    return expected is None or expected.exceeds()


def context_of(store: Store, config: Config, seen: Outlook) -> Context:
    """Return what the text of an alert needs besides usage."""
    usage, expected = seen.usage, seen.forecast
    entitlements = store.coder.entitlements() if config.verifying(store.deployment) else None
    found = current_allowance(config, entitlements, usage.meter)
    return Context(
        coder_url=config.settings.coder_url,
        status_url=_page_url(config),
        version=coder_version(store, config),
        licence=found.licence,
        forecast=expected.words() if expected and expected.enough else "",
        breach=expected.breach if expected and expected.confident else None,
        burn_up=burn_up(seen.days, usage.used),
        zone=config.zone,
    )


def bare_context(config: Config) -> Context:
    """Return a context with links only, for texts without numbers."""
    return Context(coder_url=config.settings.coder_url, status_url=_page_url(config), zone=config.zone)


def _page_url(config: Config) -> str:
    """Return the URL of the deployment's first page; empty without a public URL."""
    url, deployment = config.settings.public_url, config.settings.deployment
    if not url or deployment == config.default_deployment:
        return url
    return f"{url}/?deployment={deployment}"


def burn_up(days: Sequence[tuple[date, int]], used: int) -> tuple[tuple[date, int], ...]:
    """Return cumulative usage by day, thinned to the points of a small chart; the last is the usage shown."""
    total, points = 0, []
    for day, units in days:
        total += units
        points.append((day, total))
    step = len(points) // _MOST_POINTS + 1
    thin = points[::-1][::step][::-1]
    # Coder's own number may differ from our days by a constant, so the curve is shifted to end at the number shown.
    shift = used - total
    return tuple((day, max(units + shift, 0)) for day, units in thin)
