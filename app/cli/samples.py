"""Sample messages of every kind, with this configuration's limit, period and links, and made-up numbers."""

from dataclasses import replace
from datetime import UTC, date, timedelta
from importlib import import_module
from typing import Final

from app import clock
from app.config.load import Config
from app.core.alert.alert import Alert, AlertKind
from app.core.count.meter import AWB, Usage
from app.core.limit.forecast import forecast
from app.core.limit.limits import INCLUDED_BUILDS, Limit
from app.core.limit.threshold import Threshold, ThresholdKind
from app.core.wording.scene import Scene
from app.pipeline.outlook import bare_context, burn_up

_USERS: Final = (("ci-pipeline", 42), ("ada", 21), ("grace", 13))
_TEMPLATES: Final = (("claude-code", 61), ("aider", 15))
_DAYS: Final = 42
_SATURDAY: Final = 5


def sample(config: Config, kind: AlertKind, level: str) -> Alert:
    """Return a message of a kind in the built-in texts.

    Args:
        config: deployment, limit, period and links.
        kind: the kind of alert.
        level: the threshold that is reached, such as `90%` or `900 builds`.

    Raises:
        ValueError: the level is invalid.
    """
    # The texts of each kind are in the module of the same name.
    words = import_module(f"app.core.wording.{kind.value}")
    made: Alert = words.sample(_scene(config, level))
    return made


def every_sample(config: Config) -> list[Alert]:
    """Return one message of every kind, to test an admin's own texts."""
    return [sample(config, kind, "90%") for kind in AlertKind]


def _scene(config: Config, level: str) -> Scene:
    threshold, limit, now = Threshold.parse(level), config.limit, clock.now()
    if not limit.count:
        # Percentages need a positive limit.
        limit = Limit(INCLUDED_BUILDS)
    percent = threshold.value + (100 if threshold.kind is ThresholdKind.FURTHER else 0)
    absolute = threshold.kind is ThresholdKind.ABSOLUTE
    used = threshold.value if absolute else -(-(limit.count or 0) * percent // 100)
    today = now.astimezone(UTC).date()
    period = config.period_rule.at(today)
    usage = Usage(config.settings.deployment, AWB, period, limit, used, 0, now, by_user=_USERS, by_template=_TEMPLATES)
    days = _days(today, used)
    expected = forecast(days, used, limit, period, now)
    context = replace(
        bare_context(config),
        forecast=expected.words(),
        breach=expected.breach,
        burn_up=burn_up(days, used),
    )
    level = str(threshold) if absolute else f"{percent}%"
    return Scene(now.astimezone(config.zone), usage, level, context, config.settings.burst)


def _days(today: date, used: int) -> list[tuple[date, int]]:
    """Distribute usage over the last weeks, with less at weekends."""
    listed = [today - timedelta(days=ago) for ago in range(_DAYS, 0, -1)]
    weights = [1 if day.weekday() >= _SATURDAY else 4 for day in listed]
    return [(day, used * weight // sum(weights)) for day, weight in zip(listed, weights, strict=True)]
