"""What the overview of a period shows, read once and put into words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from typing import Any, Final

from flask import abort, request

from app.answers.past import UnknownPeriodError, usage_of
from app.config.load import Config
from app.core.alert.severity import Severity
from app.core.count.meter import AWB, Usage
from app.core.limit.forecast import Forecast
from app.core.limit.period import Period
from app.core.limit.threshold import highest_level
from app.core.text.lines import day_text
from app.core.wording.consequence import consequence
from app.core.wording.context import spoken_level
from app.pipeline.outlook import outlook
from app.pipeline.usage import coder_version, current_allowance, current_usage
from app.store.store import Store
from app.web.pages.axes import Mark
from app.web.pages.burnup import BurnUp, burn_up
from app.web.pages.charts import DayBars, MeterBar, day_bars, meter_bar
from app.web.pages.frame import day_of, to
from app.web.pages.tables import Column, Row, Table

DAYS_SHOWN: Final = 42
_TOP: Final = 10
DIMENSIONS: Final = {"user": "Users", "template": "Templates", "organization": "Organizations"}
SPANS: Final = {"period": "This period", "month": "This month", "week": "Last 7 days"}
_DAY_COLUMNS: Final = (
    Column("day", "Day"),
    Column("builds", "Builds", "count"),
    Column("total", "Used up to its end", "count"),
)


@dataclass(frozen=True, slots=True)
class Top:
    """Who or what used most in a span.

    Attributes:
        rows: name, units, per cent of all that was counted in the span, per cent of the first row, and a link.
    """

    dimension: str
    title: str
    rows: Sequence[tuple[str, int, float, float, str]]

    def table(self) -> Table:
        columns = (Column("name", self.title[:-1]), Column("builds", "Builds", "count"), Column("percent", "Per cent"))
        rows = [Row({"name": name, "builds": units, "percent": share}) for name, units, share, _, _ in self.rows]
        return Table(f"{self.dimension}s", columns, rows)


@dataclass(frozen=True, slots=True)
class Tops:
    """The tops of one span.

    Attributes:
        span: one of SPANS; `first` and `last` are its days.
    """

    span: str
    first: date
    last: date
    listed: Sequence[Top]


@dataclass(frozen=True, slots=True)
class DayWindow:
    """The days that the bars show, and the last days of the windows beside it; None at the ends."""

    chart: DayBars
    table: Table
    first: date
    last: date
    earlier: date | None
    later: date | None


@dataclass(frozen=True, slots=True)
class Overview:
    """A period: the present one, or one that is over."""

    usage: Usage
    present: bool
    last_day: date
    severity: Severity
    words: str
    meaning: str
    forecast: Forecast | None
    bar: MeterBar | None
    burn: BurnUp
    days: Sequence[tuple[date, int]]
    window: DayWindow
    tops: Tops

    @property
    def period_last(self) -> date | None:
        """The last day that belongs to the period; None where it never ends."""
        return self.usage.period.end and self.usage.period.end - timedelta(days=1)

    @property
    def days_left(self) -> int | None:
        return self.usage.period.days_left(self.usage.as_of.astimezone(UTC).date())

    @property
    def bar_label(self) -> str:
        """The bar in words, for those who do not see it."""
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


def overview(store: Store, config: Config) -> Overview:
    """Gather the period that the address asks for; 404 for one that never was."""
    now_usage = current_usage(store, config, AWB, top=False)
    usage = _asked(store, config, now_usage)
    present = usage.period == now_usage.period
    today = usage.as_of.astimezone(UTC).date()
    seen = outlook(store, usage)
    forecast = seen.forecast if present else None
    severity, words = standing(usage, config)
    last_day = today if usage.period.end is None else min(today, usage.period.end - timedelta(days=1))
    return Overview(
        usage=usage,
        present=present,
        last_day=last_day,
        severity=severity,
        words=words,
        meaning=_meaning(store, config, usage) if present else "",
        forecast=forecast,
        bar=meter_bar(usage, config.thresholds),
        burn=burn_up(seen.days, usage, forecast, today),
        days=seen.days,
        window=_window(seen.days, usage, last_day, today),
        tops=_tops(store, usage, present=present, today=today),
    )


def standing(usage: Usage, config: Config) -> tuple[Severity, str]:
    """Say in a few words how usage stands to its limit."""
    used, count = usage.used, usage.limit.count
    if count is None:
        return Severity.OK, "No longer counted" if usage.gone else "Unlimited"
    if count == 0:
        return (Severity.CRITICAL, "Over: nothing is included") if used else (Severity.WARNING, "Nothing is included")
    if used > count:
        return Severity.CRITICAL, f"Over the limit by {used - count:,}"
    if used == count:
        return Severity.CRITICAL, "The limit is reached"
    level = highest_level(used, usage.limit, config.thresholds)
    if level is None:
        return Severity.OK, "Below every threshold"
    return Severity.WARNING, f"Past {'the ' if level.name[0].isalpha() else ''}{spoken_level(level.name)}"


def days_table(days: Sequence[tuple[date, int]], used: int) -> Table:
    """Return the days with usage, newest first; totals end at what is shown as used."""
    total = used - sum(units for _, units in days)
    rows = []
    for day, units in days:
        total += units
        values = {"day": day, "builds": units, "total": max(total, 0)}
        rows.append(Row(values, {"day": to(f"/days/{day.isoformat()}")}))
    return Table("days", _DAY_COLUMNS, rows[::-1])


def _asked(store: Store, config: Config, now_usage: Usage) -> Usage:
    text = request.args.get("period", "")
    if not text:
        return now_usage
    day = day_of(text)
    if day is None:
        abort(404, f"“{text[:40]}” is no day; a period is named by its first one, such as 2026-01-31.")
    try:
        return usage_of(store, config, now_usage, day)
    except UnknownPeriodError:
        abort(404, f"No usage period holds {day.isoformat()}.")


def _meaning(store: Store, config: Config, usage: Usage) -> str:
    state, verifying = store.coder, config.verifying(usage.deployment)
    found = current_allowance(config, state.entitlements() if verifying else None, usage.meter)
    return consequence(usage, found.standing, coder_version(store, config))


def _window(days: Sequence[tuple[date, int]], usage: Usage, last_day: date, today: date) -> DayWindow:
    """Show six weeks up to the day that the address asks for."""
    begin = usage.period.start
    asked = day_of(request.args.get("until", "")) or last_day
    last = max(min(asked, last_day), begin)
    first = max(last - timedelta(days=DAYS_SHOWN - 1), begin)
    shown = [(day, units) for day, units in days if first <= day <= last]
    later = sum(units for day, units in days if day > last)
    oldest = days[0][0] if days else begin
    return DayWindow(
        chart=day_bars(days, first, last, today),
        table=days_table(shown, usage.used - later),
        first=first,
        last=last,
        earlier=first - timedelta(days=1) if first > oldest else None,
        later=min(last + timedelta(days=DAYS_SHOWN), last_day) if last < last_day else None,
    )


def _tops(store: Store, usage: Usage, *, present: bool, today: date) -> Tops:
    """Rank users, templates and organizations over the period, its last month, or its last week."""
    asked = request.args.get("tops", "period")
    span = asked if asked in SPANS and present else "period"
    tomorrow = today + timedelta(days=1)
    start = {"month": today.replace(day=1), "week": today - timedelta(days=6)}.get(span, usage.period.start)
    period = usage.period if span == "period" else Period(max(start, usage.period.start), tomorrow)
    first, last = period.start, today if period.end is None else min(period.end - timedelta(days=1), today)
    snapshot = store.snapshot(usage.meter)
    counted = snapshot.usage(period, usage.limit, usage.as_of).counted if span != "period" else usage.counted
    listed = []
    for dimension, heading in DIMENSIONS.items():
        found = snapshot.names(dimension, period, today, _TOP)
        most = max((units for _, units in found), default=0)
        rows = [
            (name, units, _share(units, counted), _share(units, most), _link(dimension, name, first, last))
            for name, units in found
        ]
        listed.append(Top(dimension, heading, rows))
    return Tops(span, first, last, listed)


def _share(units: int, whole: int) -> float:
    return round(units / whole * 100, 1) if whole else 0.0


def _link(dimension: str, name: str, first: date, last: date) -> str:
    """Lead to the records of a name; nothing filters for one that no delivery told."""
    if not name:
        return ""
    filters: dict[str, Any] = {dimension: name, "from": first.isoformat(), "to": last.isoformat()}
    return to("/records", **filters)
