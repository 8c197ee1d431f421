"""The alert that the pictures of messages show: a deployment near the end of its year, with a real forecast."""

from datetime import UTC, date, datetime, timedelta
from typing import Final

from app.core.alert.alert import Alert
from app.core.alert.decision import AlertState, evaluate
from app.core.count.meter import AWB, Usage
from app.core.limit.forecast import forecast
from app.core.limit.limits import Limit
from app.core.limit.period import PeriodRule
from app.core.limit.threshold import Threshold
from app.core.wording.context import Context
from app.core.wording.threshold import describe
from app.pipeline.outlook import burn_up

NOW: Final = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
_START: Final = date(2026, 3, 1)
_USED: Final = 912


def alert() -> Alert:
    days = _days()
    usage = Usage(
        deployment="prod",
        meter=AWB,
        period=PeriodRule.parse("yearly:03-01").at(NOW.date()),
        limit=Limit(1000),
        counted=_USED,
        provisional=_USED,
        as_of=NOW,
        by_user=[("dana", 311), ("ci-bot", 268), ("amir", 97)],
        by_template=[("claude-code", 702), ("aider-ci", 210)],
    )
    decision = evaluate(AlertState("75%", usage.period.start, NOW, NOW), usage, [Threshold.parse("90%")], NOW)
    expected = forecast(days, usage.used, usage.limit, usage.period, NOW)
    context = Context(
        "https://coder.example.com",
        "https://awb.example.com",
        version=(2, 33, 1),
        forecast=expected.words(),
        breach=expected.breach,
        burn_up=burn_up(days, usage.used),
    )
    return describe(decision, usage, context)


def _days() -> list[tuple[date, int]]:
    """Return the builds of each day: fewer at weekends, and a little more every month."""
    number = (NOW.date() - _START).days
    listed = [_START + timedelta(days=n) for n in range(number + 1)]
    paces = [(1 + n / number) * (0.3 if day.weekday() > 4 else 1) for n, day in enumerate(listed)]
    sums = [round(_USED * sum(paces[: n + 1]) / sum(paces)) for n in range(number + 1)]
    return [(day, after - before) for day, before, after in zip(listed, [0, *sums], sums, strict=False)]
