"""The usage of past periods."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

from app.config.load import Config
from app.core.count.meter import Usage
from app.core.limit.period import Period, PeriodKind, PeriodRule
from app.store.store import Store

_SHOWN: Final = 60
_EPOCH: Final = date(1970, 1, 1)
_YEAR_DAYS: Final = (365, 366)
_MONTH_DAYS: Final = (28, 29, 30, 31)


class UnknownPeriodError(LookupError):
    """There is no period with records for the day."""


def usage_of(store: Store, config: Config, present: Usage, wanted: date) -> Usage:
    """Return the usage of the period that contains a day.

    Raises:
        UnknownPeriodError: there is none.
    """
    if present.period.contains(wanted):
        return present
    oldest = store.records(present.meter).oldest()
    period = _before(present.period, _past_rule(config, present.period), wanted)
    if period is None or oldest is None or period.end is None or period.end <= oldest:
        raise UnknownPeriodError("There is no period with records for this day; /periods lists all periods.")
    return _past(store, present, period)


def past_usages(store: Store, config: Config, present: Usage) -> Iterator[Usage]:
    """Yield the usage of past periods, newest first, as far back as there are records."""
    oldest = store.records(present.meter).oldest()
    rule, first = _past_rule(config, present.period), present.period.start
    for _ in range(_SHOWN):
        period = _before(present.period, rule, first - timedelta(days=1))
        if period is None or oldest is None or first <= oldest:
            return
        yield _past(store, present, period)
        first = period.start


def _past(store: Store, present: Usage, period: Period) -> Usage:
    """Return the usage of a past period, compared with today's limit."""
    snapshot = store.snapshot(present.meter)
    return replace(snapshot.usage(period, present.limit, present.as_of), mode=present.mode, gone=present.gone)


def _past_rule(config: Config, present: Period) -> PeriodRule:
    """Return how past periods repeated: as configured, or as the current period's length suggests."""
    if config.period_rule.at(present.start) == present or present.end is None:
        return config.period_rule
    days = (present.end - present.start).days
    if days in _YEAR_DAYS:
        return PeriodRule(PeriodKind.YEARLY, present.start.month, present.start.day)
    return PeriodRule(PeriodKind.MONTHLY, day=present.start.day) if days in _MONTH_DAYS else config.period_rule


def _before(present: Period, rule: PeriodRule, wanted: date) -> Period | None:
    """Return the past period that contains a day; the last of them ends where the current one begins."""
    if not _EPOCH <= wanted < present.start:
        return None
    found = rule.at(wanted)
    ends = present.start if found.end is None else min(found.end, present.start)
    return Period(found.start, ends) if found.start <= wanted else None
