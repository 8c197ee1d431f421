"""The content of the overview of a period, read once and put into words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta

from flask import abort, request

from app.answers.past import UnknownPeriodError, usage_of
from app.config.load import Config
from app.core.count.meter import AWB, Usage
from app.core.limit.forecast import Forecast
from app.core.limit.period import Period
from app.core.limit.trend import WEEK, Trend, trend
from app.core.text.lines import day_text
from app.core.wording.consequence import consequence
from app.core.wording.usagestatus import UsageStatus, usage_status
from app.pipeline.outlook import is_projected, outlook
from app.pipeline.usage import coder_version, current_allowance, current_usage
from app.store.store import Store
from app.web.pages.axes import Mark
from app.web.pages.burnup import BurnUp, burn_up
from app.web.pages.charts import MeterBar, meter_bar
from app.web.pages.frame import day_of
from app.web.pages.tops import Tops, tops
from app.web.pages.window import DayWindow, day_window


@dataclass(frozen=True, slots=True)
class Overview:
    """A period: the current one, or a past one."""

    usage: Usage
    present: bool
    last_day: date
    status: UsageStatus
    meaning: str
    forecast: Forecast | None
    bar: MeterBar | None
    burn: BurnUp
    days: Sequence[tuple[date, int]]

    @property
    def today(self) -> date:
        return self.usage.as_of.astimezone(UTC).date()

    @property
    def days_left(self) -> int | None:
        return self.usage.period.days_left(self.today)

    @property
    def bar_label(self) -> str:
        """The bar in words, for screen readers."""
        marks = ", ".join(f"{mark.text} {'reached' if mark.crossed else 'not reached'}" for mark in self._marks())
        return f"{self.usage.used:,} of {self.usage.limit.count or 0:,} used. Thresholds: {marks}."

    @property
    def burn_label(self) -> str:
        """The burn-up chart in words."""
        usage = self.usage
        limit = "unlimited" if usage.limit.count is None else f"{usage.limit.count:,}"
        held = "" if usage.gone else f"; the limit is {limit}"
        begin, end = day_text(usage.period.start), day_text(self.last_day)
        said = f"Usage rose to {usage.used:,} between {begin} and {end}{held}."
        return f"{said} {self.forecast.words()}" if self.forecast and self.forecast.enough else said

    def _marks(self) -> Sequence[Mark]:
        return self.bar.marks if self.bar else ()


@dataclass(frozen=True, slots=True)
class Details:
    """A period by day and by name; `trend` compares this week with last week, only in the current period."""

    window: DayWindow
    tops: Tops
    trend: Trend | None


def overview(store: Store, config: Config) -> Overview:
    """Collect the data of the period in the URL; 404 for a period that does not exist."""
    now_usage = current_usage(store, config, AWB, top=False)
    usage = asked_usage(store, config, now_usage)
    present = usage.period == now_usage.period
    today = usage.as_of.astimezone(UTC).date()
    seen = outlook(store, usage)
    forecast = seen.forecast if present else None
    projected = not present or is_projected(store, config, usage)
    status = usage_status(usage, config.thresholds, projected=projected)
    last_day = min(today, usage.period.last or today)
    return Overview(
        usage=usage,
        present=present,
        last_day=last_day,
        status=status,
        meaning=_meaning(store, config, usage) if present else "",
        forecast=forecast,
        bar=meter_bar(usage, config.thresholds, projected=projected),
        burn=burn_up(seen.days, usage, forecast, today),
        days=seen.days,
    )


def details(store: Store, seen: Overview) -> Details:
    """Collect what only the usage page shows, and a wall display does not."""
    usage, today = seen.usage, seen.today
    bounds = (usage.period.start, seen.last_day)
    return Details(
        window=day_window(seen.days, bounds, today, usage.used, split=store.snapshot(usage.meter)),
        tops=tops(store, usage, present=seen.present, today=today),
        trend=_trend(store, usage, today) if seen.present and not usage.gone else None,
    )


def asked_usage(store: Store, config: Config, now_usage: Usage) -> Usage:
    """Return the usage of the period in the URL, by default the current one; 404 for a period that does not exist."""
    text = request.args.get("period", "")
    if not text:
        return now_usage
    day = day_of(text)
    if day is None:
        abort(404, f"“{text[:40]}” is not a day; a period is identified by its first day, such as 2026-01-31.")
    try:
        return usage_of(store, config, now_usage, day)
    except UnknownPeriodError:
        abort(404, f"No usage period contains {day.isoformat()}.")


def _trend(store: Store, usage: Usage, today: date) -> Trend:
    # If the period began within these days, the days before it are still included.
    weeks = Period(today - timedelta(days=2 * WEEK), today)
    return trend(store.snapshot(usage.meter).by_day(weeks, today), today)


def _meaning(store: Store, config: Config, usage: Usage) -> str:
    state, verifying = store.coder, config.verifying(usage.deployment)
    found = current_allowance(config, state.entitlements() if verifying else None, usage.meter)
    return consequence(usage, found.licence, coder_version(store, config))
