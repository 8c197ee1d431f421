"""The forecast: pace, projection with a range, and the day on which the limit is reached.

Method and measured errors are in docs/forecast.md; `python -m bench.forecast` measures them again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from app.core.limit.limits import Limit
from app.core.limit.pace import MONTH, WEEK, History, learn
from app.core.limit.period import Period
from app.core.text.lines import short_day

#: For an endless period: a breach within this many days, including today, is close enough for a warning.
HORIZON: Final = 30
#: The minimum for a warning: whole days of counting, and builds in the last 28 of them.
ENOUGH_DAYS: Final = 7
ENOUGH_BUILDS: Final = 10

#: A breach more than three years away is ignored.
_FAR: Final = 3 * 365 + 1
#: Quantiles of the standard normal distribution: for 10 and 90%, and for odds of three to one.
_EDGE: Final = 1.2816
_ODDS: Final = 0.6745
_DOUBT: Final = "Whether the limit is reached in time is still too uncertain for a warning."


@dataclass(frozen=True, slots=True)
class Forecast:
    """Pace, projection with a range, and the day on which the limit is reached.

    Attributes:
        pace_period: builds a day since counting began in this period, by whole days; on the first day, that day's
            builds.
        pace_28: builds a day over the last 28 whole days; None with fewer days. The same holds for `pace_7`.
        pace: builds a day used for the projection, averaged over a week.
        projected: usage at the end of the period, with an 80% range from `low` to `high`; None for an endless period.
        breach: UTC day on which the limit is reached, possibly after the period. None if there is no limit, if it is
            `reached` already, or if the day is more than three years away. The same holds for each end of its range.
        elapsed_percent: share of the period that has passed; None for an endless period.
        used_percent: share of the limit that is used; None without a positive limit.
        unlimited, reached: whether there is no limit; whether the limit is reached, or zero.
        until: the first day after the period; for an endless one, after the HORIZON.
        enough: whether there are enough days and builds for any forecast.
        confident: whether it is reliable enough for a warning. For a breach in the period this also needs odds of three
            to one.
        why: the reason for being confident or not, as a sentence.
    """

    pace_period: float
    pace_28: float | None
    pace_7: float | None
    pace: float
    projected: int | None
    low: int | None
    high: int | None
    breach: date | None
    breach_earliest: date | None
    breach_latest: date | None
    elapsed_percent: float | None
    used_percent: float | None
    unlimited: bool
    reached: bool
    until: date
    enough: bool
    confident: bool
    why: str

    def in_period(self) -> bool:
        """Return whether the breach falls in the period, or in the HORIZON for an endless one."""
        return self.breach is not None and self.breach < self.until

    def exceeds(self) -> bool:
        """Return whether thresholds with `if projected` are crossed as far as the projection goes.

        True with too little data, because an unnecessary warning is the smaller error. For an endless period the
        HORIZON is used, as in `in_period`.
        """
        return self.reached or not self.enough or (self.confident and self.in_period())

    def words(self) -> str:
        """Return the forecast as one or two sentences."""
        said = f"{self._outlook()}." if self.enough else "No forecast yet."
        return said if self.confident else f"{said} {self.why}"

    def _outlook(self) -> str:
        total = self._total()
        if self.breach is not None and (self.projected is None or self.in_period()):
            reached = f"At this pace you will reach the limit on {short_day(self.breach)} ({self._edges(self.breach)})"
            return f"{reached} and use {total}" if total else reached
        if self.reached or self.unlimited:
            before = "The limit is reached. " if self.reached else ""
            if not total:
                return f"{before}The pace is {self.pace:,.1f} a day"
            return f"{before}At this pace, {self.pace:,.1f} a day, you will use {total}"
        if not total:
            return f"At this pace, {self.pace:,.1f} a day, the limit is out of sight"
        return f"At this pace you will use {total}; {self._not_reached()}"

    def _edges(self, breach: date) -> str:
        first, last = self.breach_earliest or breach, self.breach_latest
        if last is None or (self.projected is not None and last >= self.until):
            return f"{short_day(first, breach)} at the earliest"
        return f"likely {short_day(first, breach)} – {short_day(last, breach)}"

    def _not_reached(self) -> str:
        if self.breach_earliest is None or self.breach_earliest >= self.until:
            return "the limit will not be reached in this period"
        return f"the limit will probably not be reached, {short_day(self.breach_earliest)} at the earliest"

    def _total(self) -> str:
        """Return the usage by the end of the period in words; empty for an endless one."""
        if self.projected is None:
            return ""
        range_ = "" if self.in_period() else f" (likely {self.low:,} – {self.high:,})"
        return f"about {self.projected:,} by {short_day(self.until - timedelta(days=1), self.breach)}{range_}"


def forecast(days: Sequence[tuple[date, int]], used: int, limit: Limit, period: Period, now: datetime) -> Forecast:
    """Forecast the usage of a period.

    Args:
        days: UTC days with their builds; days without usage are left out. Counting began with the first of them. Days
            before the period are allowed and only affect the pace.
        used: the current usage, which may differ from the sum of the days.
        limit: the limit.
        period: the current period.
        now: the current time; its UTC day is incomplete and does not affect the pace.
    """
    today = now.astimezone(UTC).date()
    history = History.of(days, today)
    model = learn(history, now.astimezone(UTC))
    left = -1 if period.end is None else (period.end - today).days - 1
    low, projected, high = (used + model.builds(left, edge) for edge in (-_EDGE, 0.0, _EDGE))
    horizon = min(_FAR, date.max.toordinal() - today.toordinal())
    until = period.end or today + timedelta(days=min(HORIZON, horizon))
    missing = None if limit.count is None or used >= limit.count else limit.count - used
    breach, earliest, latest, likely = (
        model.day(missing, today, horizon, edge) for edge in (0.0, _EDGE, -_EDGE, -_ODDS)
    )
    doubtful = breach is not None and breach < until and (likely is None or likely >= until)
    lacking = _lacking(history)
    return Forecast(
        pace_period=_pace_of_period(days, period, today),
        pace_28=history.pace(MONTH),
        pace_7=history.pace(WEEK),
        pace=model.pace,
        projected=None if period.end is None else projected,
        low=None if period.end is None else low,
        high=None if period.end is None else high,
        breach=breach,
        breach_earliest=earliest,
        breach_latest=latest,
        elapsed_percent=_elapsed(period, now),
        used_percent=limit.percent(used),
        unlimited=limit.unlimited,
        reached=limit.count is not None and missing is None,
        until=until,
        enough=not lacking,
        confident=not lacking and not doubtful,
        why=lacking or (_DOUBT if doubtful else _evidence(history)),
    )


def _pace_of_period(days: Sequence[tuple[date, int]], period: Period, today: date) -> float:
    mine = [(day, builds) for day, builds in days if period.start <= day]
    if not mine:
        return 0.0
    whole = (today - min(day for day, _ in mine)).days
    if whole <= 0:
        return float(sum(builds for _, builds in mine))
    return sum(builds for day, builds in mine if day < today) / whole


def _elapsed(period: Period, now: datetime) -> float | None:
    if period.ends_at is None:
        return None
    whole, gone = period.ends_at - period.starts_at, now - period.starts_at
    return min(max(gone / whole * 100, 0.0), 100.0) if whole else 100.0


def _lacking(history: History) -> str:
    """Return a sentence on what is missing for a forecast; empty if nothing is."""
    days, builds = len(history.counts), history.recent
    if days < ENOUGH_DAYS:
        return f"A forecast needs {ENOUGH_DAYS} whole days of counting; there {_are(days, 'day')} so far."
    if builds < ENOUGH_BUILDS:
        return f"A forecast needs {ENOUGH_BUILDS} builds in the last {MONTH} days; there {_are(builds, 'build')}."
    return ""


def _evidence(history: History) -> str:
    seen = min(len(history.counts), MONTH)
    return f"There {_are(history.recent, 'build')} in the last {seen} days to base the pace on."


def _are(number: int, noun: str) -> str:
    return f"is 1 {noun}" if number == 1 else f"are {f'{number:,}' if number else 'no'} {noun}s"
