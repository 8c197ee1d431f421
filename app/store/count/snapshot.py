"""The read model: usage of a period, for pages, the API, commands, metrics and alerts.

Totals are kept by UTC day and by UTC month, so a period is the sum of at most 62 days and its whole months. The cost
does not grow with the number of records, and a changed period needs no recount.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import redis

from app.core.count.meter import Usage
from app.core.limit.limits import Limit
from app.core.limit.period import Period
from app.store import keys
from app.store.server.commands import commands

#: The number of names listed in messages.
TOP: Final = 10


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Usage of a period by name and by day; a name is empty if the deliveries did not contain it."""

    by_user: Sequence[tuple[str, int]]
    by_template: Sequence[tuple[str, int]]
    by_day: Sequence[tuple[date, int]]


class Snapshot:
    """Reads one meter of one deployment."""

    def __init__(self, connection: "redis.Redis", deployment: str, meter: str) -> None:
        self.redis = commands(connection)
        self.deployment = deployment
        self.meter = meter

    def usage(self, period: Period, limit: Limit, now: datetime, *, top: bool = False) -> Usage:
        """Return the usage of a period, optionally with the top users and templates."""
        spans = list(_spans(period, now.date()))
        fields = [f"{kind}:{span}" for kind, span in spans] + [f"p{kind}:{span}" for kind, span in spans]
        numbers = self.redis.hmget(keys.totals(self.deployment, self.meter), fields) if fields else []
        values = [int(number or 0) for number in numbers]
        counted, provisional = sum(values[: len(spans)]), sum(values[len(spans) :])
        return Usage(
            deployment=self.deployment,
            meter=self.meter,
            period=period,
            limit=limit,
            counted=counted,
            provisional=provisional,
            as_of=now,
            by_user=self.top("user", spans, TOP) if top else (),
            by_template=self.top("template", spans, TOP) if top else (),
        )

    def breakdown(self, period: Period, now: datetime, most: int | None = None) -> Breakdown:
        """Return usage by user and template, highest first and limited to `most` names, and by day."""
        spans, today = list(_spans(period, now.date())), now.date()
        return Breakdown(self.top("user", spans, most), self.top("template", spans, most), self.by_day(period, today))

    def top(self, dimension: str, spans: Iterable[tuple[str, str]], most: int | None = None) -> list[tuple[str, int]]:
        prefix = keys.top_prefix(self.deployment, self.meter)
        found = self.redis.zunion([f"{prefix}:{dimension}:{span}" for _kind, span in spans], withscores=True)
        ordered = sorted(((name.decode(), int(score)) for name, score in found), key=lambda row: (-row[1], row[0]))
        return ordered[:most]

    def names(self, dimension: str, period: Period, today: date, most: int | None = None) -> list[tuple[str, int]]:
        """Return units by user, template or organization in a period, highest first and limited to `most`."""
        return self.top(dimension, list(_spans(period, today)), most)

    def units_of(self, dimension: str, name: str, period: Period, today: date) -> int:
        """Return the units of one user, template or organization in a period."""
        prefix = keys.top_prefix(self.deployment, self.meter)
        with self.redis.pipeline(transaction=False) as pipe:
            for _kind, span in _spans(period, today):
                pipe.zscore(f"{prefix}:{dimension}:{span}", name)
            return sum(int(score or 0) for score in pipe.execute())

    def daily(self, dimension: str, names: Sequence[str], days: Sequence[date]) -> list[list[int]]:
        """Return the units of each name on each UTC day, as one list for each day, in one round trip."""
        if not names:
            return [[] for _ in days]
        prefix = keys.top_prefix(self.deployment, self.meter)
        with self.redis.pipeline(transaction=False) as pipe:
            for day in days:
                pipe.zmscore(f"{prefix}:{dimension}:{keys.day_of(day)}", list(names))
            return [[int(score or 0) for score in scores] for scores in pipe.execute()]

    def by_day(self, period: Period, today: date) -> list[tuple[date, int]]:
        """Return the days of the period with usage, oldest first."""
        last = min(period.end or date.max, today + timedelta(days=2))
        days = [period.start + timedelta(days=n) for n in range((last - period.start).days)]
        if not days:
            return []
        numbers = self.redis.hmget(keys.totals(self.deployment, self.meter), [f"d:{day.isoformat()}" for day in days])
        return [(day, int(number)) for day, number in zip(days, numbers, strict=True) if number]


def _spans(period: Period, today: date) -> Iterable[tuple[str, str]]:
    """Split the period into whole months and remaining days, up to the end of tomorrow's month (clocks differ)."""
    tomorrow = today + timedelta(days=1)
    end = min(period.end or date.max, _month_after(tomorrow))
    day = period.start
    while day < end:
        following = _month_after(day)
        if day.day == 1 and following <= end:
            yield "m", keys.month_of(day)
            day = following
        else:
            yield "d", keys.day_of(day)
            day += timedelta(days=1)


def _month_after(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)
