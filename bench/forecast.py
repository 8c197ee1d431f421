"""`python -m bench.forecast`: measure the forecast's error and its false alerts on simulated worlds.

The data are worlds of the simulator, and synthetic series of typical teams. Each is stopped at noon at a quarter, half
and three quarters of its period, and the forecast sees only what was counted until then.
"""

import math
import random
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from rich.console import Console
from rich.table import Table

from app.core.limit.forecast import Forecast, forecast
from app.core.limit.limits import Limit
from app.core.limit.period import Period
from app.simulator.month import random_month

KINDS: Final = ("steady", "weekdays", "world", "vacation", "bursty", "growing", "step")
#: The period within a world, and the number of known days before it.
SPANS: Final = {"a year": (365, 0), "a first month": (30, 0), "a third month": (30, 60)}
POINTS: Final = (0.25, 0.5, 0.75)
#: The constants of app/core/limit/pace.py were tuned on seeds from 1,000 on.
SEEDS: Final = range(60)
_SATURDAY: Final = 5
_SPREAD: Final = 0.15


@dataclass(frozen=True, slots=True)
class Series:
    """Builds of each day of a period, and of days before it."""

    span: str
    kind: str
    seed: int
    start: date
    builds: Sequence[int]
    before: Sequence[int]

    @property
    def period(self) -> Period:
        return Period(self.start, self.start + timedelta(days=len(self.builds)))

    @property
    def total(self) -> int:
        return sum(self.builds)

    def until(self, day: int) -> tuple[list[tuple[date, int]], int, datetime]:
        """Return the days with usage, the usage, and the time: noon, when half of the day's builds are counted."""
        seen = [*self.builds[:day], self.builds[day] // 2]
        numbered = enumerate([*self.before, *seen], -len(self.before))
        days = [(self.start + timedelta(days=n), builds) for n, builds in numbered if builds]
        return days, sum(seen), datetime.combine(self.start + timedelta(days=day), time(12), UTC)

    def reached(self, limit: int) -> int:
        """Return the day on which the limit is actually reached; the length if never."""
        used = 0
        for day, builds in enumerate(self.builds):
            used += builds
            if used >= limit:
                return day
        return len(self.builds)


@dataclass(frozen=True, slots=True)
class Error:
    """The errors of one forecast: total as a share of the truth, breach in days, and whether the range held."""

    total: float
    breach: int
    covered: bool


Method = Callable[[Sequence[tuple[date, int]], int, Limit, Period, datetime], Forecast]


def series(span: str, kind: str, seed: int) -> Series:
    """Return a team's period, which is the same for the same arguments."""
    length, before = SPANS[span]
    rng = random.Random(f"{kind} {seed} {length + before}")
    if kind == "world":
        start, builds = _world(seed, length + before, math.exp(rng.uniform(math.log(0.5), math.log(6))))
    else:
        start = date(2026, 1, 1) + timedelta(days=rng.randrange(365))
        builds = _synthetic(kind, rng, start, length + before)
    return Series(span, kind, seed, start + timedelta(days=before), builds[before:], builds[:before])


def _world(seed: int, length: int, tasks_per_day: float) -> tuple[date, list[int]]:
    """Return the first day with a build in a simulated world, and the builds from then on."""
    world = random_month(seed, days=length, tasks_per_day=tasks_per_day)
    counted = Counter(build.completed_at.date() for build in world.awbs if build.completed_at)
    start = min(counted)
    return start, [counted[start + timedelta(days=n)] for n in range(length)]


def _synthetic(kind: str, rng: random.Random, start: date, length: int) -> list[int]:
    pace = math.exp(rng.uniform(math.log(0.7), math.log(30)))
    weekend = 0.0 if kind == "weekdays" else rng.uniform(0.1, 0.6)
    factor = _factor(kind, rng, length)
    shares = [weekend if (start + timedelta(days=day)).weekday() >= _SATURDAY else 1.0 for day in range(length)]
    return [_chance(rng, pace * share * factor(day)) for day, share in enumerate(shares)]


def _factor(kind: str, rng: random.Random, length: int) -> Callable[[int], float]:
    """Return the factor of the pace by day: doubling in 90 to 300 days (30 to 100 in a month), a step, and so on."""
    if kind == "growing":
        doubling = rng.uniform(90, 300) / (1 if length > 100 else 3)
        return lambda day: 2 ** (day / doubling)
    if kind == "step":
        at, size = rng.uniform(0.15, 0.85) * length, rng.choice((0.4, 2.0, 3.0))
        return lambda day: size if day >= at else 1.0
    if kind == "vacation":
        at, days = rng.uniform(0.1, 0.85) * length, 14 if length > 60 else 6
        return lambda day: 0.05 if at <= day < at + days else 1.0
    if kind == "bursty":
        factors = [1.0] * length
        for day in range(length):
            if rng.random() < 1 / 14:
                days, size = rng.randint(1, 4), rng.uniform(3, 8)
                factors[day : day + days] = [size] * len(factors[day : day + days])
        return lambda day: factors[day]
    return lambda _day: 1.0


def _chance(rng: random.Random, mean: float) -> int:
    """Draw from a Poisson distribution whose mean itself varies from day to day."""
    if mean <= 0:
        return 0
    mean = rng.gammavariate(1 / _SPREAD, mean * _SPREAD)
    at, builds = rng.expovariate(1), 0
    while at < mean:
        at += rng.expovariate(1)
        builds += 1
    return builds


def worlds(seeds: Sequence[int], spans: Iterable[str] = SPANS, kinds: Sequence[str] = KINDS) -> Iterator[Series]:
    """Yield every period with enough data for a forecast."""
    for span in spans:
        for kind in kinds:
            for seed in seeds:
                made = series(span, kind, seed)
                if made.total >= 20:
                    yield made


def errors(made: Series, point: float, method: Method = forecast) -> Error:
    """Stop after a share of the period. The limit is 30 to 90% of the way from the usage then to that at the end."""
    day = int(len(made.builds) * point)
    days, used, now = made.until(day)
    way = random.Random(f"limit {made.seed}").uniform(0.3, 0.9)
    limit = used + max(1, round((made.total - used) * way))
    found = method(days, used, Limit(limit), made.period, now)
    if found.projected is None or found.low is None or found.high is None or made.period.end is None:
        raise AssertionError("a period with an end has a projection")
    breach = (min(found.breach or made.period.end, made.period.end) - made.start).days
    covered = found.low <= made.total <= found.high
    return Error(abs(found.projected - made.total) / made.total, abs(breach - made.reached(limit)), covered)


def warned(made: Series, limit: int) -> int | None:
    """Return the day of the first forecast alert before the limit is reached, looking once a day."""
    for day in range(made.reached(limit)):
        days, used, now = made.until(day)
        found = forecast(days, used, Limit(limit), made.period, now)
        if found.confident and found.in_period():
            return day
    return None


def tenth_worst(values: Sequence[float]) -> float:
    """Return the 90th percentile."""
    return statistics.quantiles(values, n=10, method="inclusive")[-1]


def main() -> None:
    console = Console(width=120)
    made = list(worlds(SEEDS))
    console.print(_error_table(made))
    console.print(_method_table(made))
    console.print(_alert_table(made))


def _error_table(made: Sequence[Series]) -> Table:
    table = Table("period", "kind", "at", "periods", "total: median", "90th", "breach, days: median", "90th", "covered")
    for span in SPANS:
        for kind in (*KINDS, "all"):
            of_kind = [one for one in made if one.span == span and kind in {one.kind, "all"}]
            for point in POINTS:
                found = [errors(one, point) for one in of_kind]
                total, breach = [error.total for error in found], [error.breach for error in found]
                table.add_row(
                    span, kind, f"{point:.0%}", str(len(found)),
                    f"{statistics.median(total):.0%}", f"{tenth_worst(total):.0%}",
                    f"{statistics.median(breach):.0f}", f"{tenth_worst(breach):.0f}",
                    f"{statistics.mean(error.covered for error in found):.0%}",
                )  # fmt: skip
    return table


def _method_table(made: Sequence[Series]) -> Table:
    """Compare with simpler methods, which see the same days."""
    table = Table("period", "method", "total: mean error", "90th", "breach, days: mean")
    for span in SPANS:
        for name, method in {"ours": forecast, **{name: _flat(days) for name, days in _FLAT.items()}}.items():
            found = [errors(one, point, method) for one in made if one.span == span for point in POINTS]
            total = [error.total for error in found]
            breach = statistics.mean(error.breach for error in found)
            table.add_row(span, name, f"{statistics.mean(total):.1%}", f"{tenth_worst(total):.0%}", f"{breach:.1f}")
    return table


_FLAT: Final = {"mean of the period": None, "mean of 28 days": 28, "mean of 7 days": 7}


def _flat(window: int | None) -> Method:
    """Return the forecast of a simple mean, as most budget alarms use it."""

    def method(days: Sequence[tuple[date, int]], used: int, limit: Limit, period: Period, now: datetime) -> Forecast:
        first, today = max(days[0][0], period.start if window is None else days[0][0]), now.date()
        since = first if window is None else max(first, today - timedelta(days=window))
        pace = sum(builds for day, builds in days if since <= day < today) / max((today - since).days, 1)
        even = [(today - timedelta(days=ago), 1) for ago in range(1, 8)]
        found = forecast(even, used, Limit(None), period, now)
        left = ((period.end or today) - today).days - 0.5
        projected = used + round(pace * left)
        ahead = (limit.left(used) or 0) / pace if pace else left + 1
        breach = now + timedelta(days=min(ahead, 10_000))
        return replace(found, projected=projected, low=projected, high=projected, breach=breach.date())

    return method


def _alert_table(made: Sequence[Series]) -> Table:
    table = Table("period", "limit against the total", "periods", "warned", "days before: median", "10th")
    few = [one for one in made if one.seed < 12]
    for span in SPANS:
        for share in (0.6, 0.8, 0.95, 1.05, 1.2, 1.5, 2.0):
            of_span = [one for one in few if one.span == span]
            ahead = []
            for one in of_span:
                limit = math.ceil(one.total * share)
                day = warned(one, limit)
                if day is not None:
                    ahead.append(one.reached(limit) - day)
            median = f"{statistics.median(ahead):.0f}" if ahead and share < 1 else ""
            tenth = f"{sorted(ahead)[len(ahead) // 10]}" if ahead and share < 1 else ""
            warnings = f"{len(ahead) / len(of_span):.0%}"
            table.add_row(span, f"{share:.0%}", str(len(of_span)), warnings, median, tenth)
    return table


if __name__ == "__main__":
    main()
