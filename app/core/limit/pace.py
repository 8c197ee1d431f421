"""The pace: what past days say about the days to come. docs/forecast.md explains the method.

It is computed from the whole days before today, weighted by age and relative to the weekday's usual share: a quiet
weekend does not lower it, and a few busy days after a quiet month raise it soon.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from math import sqrt
from operator import mul
from typing import Final

WEEK: Final = 7
MONTH: Final = 28
#: The pace uses the last year; the weekdays' shares use the last eight weeks.
_MEMORY: Final = 365
_PROFILE: Final = 56

# All constants below were tuned on other simulated worlds than those that the documentation reports on.
#: A day has half the weight of one that is this many days later.
_HALF_LIFE: Final = 21.0
#: Prior share of each weekday, starting on Monday, and the weight of the prior in weeks.
_USUAL_WEEK: Final = (1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5)
_USUAL_WEEKS: Final = 2.0
#: The prior variance of a day relative to its mean is 1 + pace; this is its weight in days.
_USUAL_NOISE_DAYS: Final = 14.0
#: Prior squared relative change from one 28-day span to the next, with the weight of one observation.
_USUAL_CHANGE: Final = 0.01
#: Factor for the uncertainty of the pace from such changes, and from the last week's difference to the three before.
_DRIFT: Final = 2.0
_SPLIT: Final = 0.5
#: Upper bound of the pace's relative variance: beyond it the lower edge would fall from day to day.
_CAP: Final = 0.5
#: Smallest value of a day's mean in divisions.
_LEAST: Final = 0.1

Day = tuple[int, int]


@dataclass(frozen=True, slots=True)
class History:
    """Builds of each whole day since counting began, oldest first and ending yesterday, and today's so far."""

    counts: list[int]
    present: int

    @classmethod
    def of(cls, days: Sequence[tuple[date, int]], today: date) -> "History":
        """Build a history without gaps. Days after today, which differing clocks can cause, count as today."""
        ages = [((today - day).days, builds) for day, builds in days]
        counts = [0] * min(max((age for age, _ in ages), default=0), _MEMORY)
        for age, builds in ages:
            if 0 < age <= len(counts):
                counts[-age] += builds
        return cls(counts, sum(builds for age, builds in ages if age <= 0))

    @property
    def recent(self) -> int:
        """Builds in the last 28 whole days."""
        return sum(self.counts[-MONTH:])

    def pace(self, days: int) -> float | None:
        return sum(self.counts[-days:]) / days if len(self.counts) >= days else None


@dataclass(frozen=True, slots=True)
class Model:
    """The expected usage.

    Attributes:
        rates: expected builds by weekday, starting with today's.
        today_left: share of today that remains.
        noise: variance of a day's builds relative to their mean.
        doubt, drift: relative variance of the pace, and what each further day adds to it.
    """

    rates: tuple[float, ...]
    today_left: float
    noise: float
    doubt: float
    drift: float

    @property
    def pace(self) -> float:
        return sum(self.rates) / WEEK

    def builds(self, days: int, edge: float) -> int:
        """Return the builds from now to the end of a later day, at a number of standard deviations from the mean.

        The result never decreases with the day or the deviations. The distribution is approximated as a gamma
        distribution (Wilson and Hilferty).
        """
        weeks, rest = divmod(max(days, 0), WEEK)
        mean = self.today_left * self.rates[0] + weeks * sum(self.rates) + sum(self.rates[1 : rest + 1])
        if mean <= 0 or days < 0:
            return 0
        variance = self.noise / mean + min(self.doubt + self.drift * mean / self.pace, _CAP)
        value = mean * max(1 - variance / 9 + edge * sqrt(variance) / 3, 0) ** 3
        return int((min if edge < 0 else max)(mean, value) + 0.5) if edge else int(mean + 0.5)

    def day(self, missing: int | None, today: date, horizon: int, edge: float) -> date | None:
        """Return the day on which a number of further builds is reached."""
        if missing is None or self.builds(horizon, edge) < missing:
            return None
        ahead = bisect_left(range(horizon), missing, key=lambda days: self.builds(days, edge))
        return today + timedelta(days=ahead)


def learn(history: History, now: datetime) -> Model:
    """Fit the model to the whole days, or to today if it is the only day.

    Args:
        history: the counted builds.
        now: the current time, in UTC.
    """
    midnight = datetime.combine(now.date(), time(), now.tzinfo)
    after = now.weekday() if history.counts else now.weekday() + 1
    counts = history.counts or [history.present]
    # From here on newest first: (builds, weekday).
    days = [(builds, (after - age) % WEEK) for age, builds in enumerate(reversed(counts), 1)]
    profile = _profile(days[:_PROFILE])
    level, certainty = _level(days, profile)
    noise = _noise(days[:_PROFILE], profile, level)
    doubt = noise / max(level, _LEAST) / certainty + _SPLIT * _split(days, profile, level) ** 2
    return Model(
        rates=tuple(level * profile[(now.weekday() + ahead) % WEEK] for ahead in range(WEEK)),
        today_left=1 - (now - midnight) / timedelta(days=1),
        noise=noise,
        doubt=doubt,
        drift=_DRIFT * _change(counts, noise) / (2 * MONTH),
    )


def _profile(days: Sequence[Day]) -> list[float]:
    """Return the relative share of each weekday, averaging one: observations plus two usual weeks."""
    seen, builds = [0.0] * WEEK, [0.0] * WEEK
    for number, weekday in days:
        seen[weekday] += 1
        builds[weekday] += number
    pace = sum(builds) / sum(map(mul, seen, _USUAL_WEEK))
    blended = [
        (builds[day] + _USUAL_WEEKS * pace * _USUAL_WEEK[day]) / (seen[day] + _USUAL_WEEKS) for day in range(WEEK)
    ]
    whole = sum(blended)
    return [WEEK * value / whole for value in blended] if whole else [1.0] * WEEK


def _level(days: Sequence[Day], profile: Sequence[float]) -> tuple[float, float]:
    """Return the pace with exponentially decreasing weights, and the effective number of days."""
    fade, weight = 0.5 ** (1 / _HALF_LIFE), 1.0
    builds = usual = squares = 0.0
    for number, weekday in days:
        builds += weight * number
        usual += weight * profile[weekday]
        squares += weight * weight * profile[weekday]
        weight *= fade
    return (builds / usual, usual * usual / squares) if usual else (0.0, 1.0)


def _noise(days: Sequence[Day], profile: Sequence[float], level: float) -> float:
    """Return the variance of a day's builds relative to their mean; at least that of pure chance."""
    total = (1 + level) * _USUAL_NOISE_DAYS
    for number, weekday in days:
        mean = max(level * profile[weekday], _LEAST)
        total += (number - mean) ** 2 / mean
    return max(total / (len(days) + _USUAL_NOISE_DAYS), 1.0)


def _split(days: Sequence[Day], profile: Sequence[float], level: float) -> float:
    """Return the difference between the last week and up to three weeks before it, relative to the pace."""
    last, before = days[:WEEK], days[WEEK:MONTH]
    usual = [sum(profile[weekday] for _, weekday in part) for part in (last, before)]
    if len(before) < WEEK or not level or not all(usual):
        return 0.0
    paces = [sum(number for number, _ in part) / whole for part, whole in zip((last, before), usual, strict=True)]
    return (paces[0] - paces[1]) / level


def _change(counts: Sequence[int], noise: float) -> float:
    """Return the mean squared relative change between 28-day spans, beyond what noise explains."""
    paces = [sum(counts[end - MONTH : end]) / MONTH for end in range(len(counts), MONTH - 1, -MONTH)]
    changes = [_USUAL_CHANGE]
    for newer, older in pairwise(paces):
        mean = (newer + older) / 2
        if mean:
            changes.append(max(((newer - older) / mean) ** 2 - 2 * noise / (MONTH * mean), 0.0))
    return sum(changes) / len(changes)
