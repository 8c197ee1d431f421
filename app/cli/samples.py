"""Sample messages of every kind, with this configuration's limit, period and links, and numbers made up."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

from app import clock
from app.config.load import Config
from app.core.alert.alert import Alert, AlertKind
from app.core.alert.decision import AlertState, Decision, Reason
from app.core.alert.digest import due_digest
from app.core.alert.notice import Notice
from app.core.alert.scope import BurstRule, ScopeRule, ScopeUsage
from app.core.alert.severity import Severity
from app.core.count.meter import AWB, Usage
from app.core.limit.forecast import forecast
from app.core.limit.limits import INCLUDED_BUILDS, Limit
from app.core.limit.threshold import Threshold, ThresholdKind
from app.core.wording.burst import burst_alert
from app.core.wording.context import Context
from app.core.wording.digest import DigestFacts, digest_alert
from app.core.wording.forecast import forecast_alert
from app.core.wording.notice import notice_alert
from app.core.wording.scope import scope_alert
from app.core.wording.threshold import describe
from app.core.wording.trial import trial_alert
from app.pipeline.outlook import bare_context, burn_up

_USERS: Final = (("ci-pipeline", 42), ("ada", 21), ("grace", 13))
_TEMPLATES: Final = (("claude-code", 61), ("aider", 15))
_DAYS: Final = 42
_SATURDAY: Final = 5


@dataclass(frozen=True, slots=True)
class _Scene:
    """What a sample is made of."""

    config: Config
    now: datetime
    usage: Usage
    level: str
    context: Context

    @property
    def decision(self) -> Decision:
        return Decision(Reason.FIRST, self.level, "", f"Usage reached {self.level}.", AlertState(level=self.level))


def sample(config: Config, kind: AlertKind, level: str) -> Alert:
    """Return a message of a kind in the built-in words.

    Args:
        config: deployment, limit, period and links.
        kind: any.
        level: of the threshold that is reached, such as `90%` or `900 builds`.

    Raises:
        ValueError: the level is none.
    """
    return _KINDS[kind](_scene(config, level))


def every_sample(config: Config) -> list[Alert]:
    """Return one message of every kind, to try an admin's own words on."""
    return [sample(config, kind, "90%") for kind in AlertKind]


def _scene(config: Config, level: str) -> _Scene:
    threshold, limit, now = Threshold.parse(level), config.limit, clock.now()
    if not limit.count:
        # Shares of nothing, or of no limit, cannot be shown.
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
    return _Scene(config, now, usage, str(threshold) if absolute else f"{percent}%", context)


def _days(today: date, used: int) -> list[tuple[date, int]]:
    """Spread what is used over the last weeks, with quiet weekends."""
    listed = [today - timedelta(days=ago) for ago in range(_DAYS, 0, -1)]
    weights = [1 if day.weekday() >= _SATURDAY else 4 for day in listed]
    return [(day, used * weight // sum(weights)) for day, weight in zip(listed, weights, strict=True)]


def _forecast(scene: _Scene) -> Alert:
    breach = scene.context.breach or scene.now.astimezone(UTC).date() + timedelta(days=20)
    return forecast_alert(scene.usage, Reason.FIRST, replace(scene.context, breach=breach))


def _scope(scene: _Scene) -> Alert:
    user, used = _USERS[0]
    rule = ScopeRule(by="user", name="*", limit=used * 10 // 9)
    usage = replace(scene.usage, limit=Limit(rule.limit), counted=used, by_user=(), by_template=())
    return scope_alert(scene.decision, ScopeUsage(rule, user, used), usage, bare_context(scene.config))


def _burst(scene: _Scene) -> Alert:
    rule = scene.config.settings.burst
    rule = rule if rule.builds else BurstRule(builds=40)
    user, deployment = _USERS[0][0], scene.usage.deployment
    return burst_alert(deployment, AWB, user, rule.builds, rule, scene.now, bare_context(scene.config))


def _notice(scene: _Scene) -> Alert:
    since = f"{scene.now - timedelta(days=1):%Y-%m-%d %H:%M} UTC"
    notice = Notice(
        key="api-away",
        severity=Severity.WARNING,
        headline="Coder's API has not answered for a day",
        summary=f"Coder deployment “{scene.usage.deployment}” could not be asked since {since}.",
        meaning="The number is an estimate from notifications until it answers again. `awb coder check` says more.",
    )
    return notice_alert(notice, "notice-api-away", scene.usage.deployment, bare_context(scene.config), scene.now)


def _digest(scene: _Scene) -> Alert:
    span = due_digest("weekly", scene.now.astimezone(scene.config.zone))
    facts = DigestFacts(76, 60, _USERS, _TEMPLATES, ("AWB reached 75 %.",))
    return digest_alert(span, facts, scene.usage, scene.context)


def _trial(scene: _Scene) -> Alert:
    return trial_alert(scene.usage.deployment, "slack", bare_context(scene.config), scene.now)


_KINDS: Final[Mapping[AlertKind, Callable[[_Scene], Alert]]] = {
    AlertKind.THRESHOLD: lambda scene: describe(scene.decision, scene.usage, scene.context),
    AlertKind.FORECAST: _forecast,
    AlertKind.SCOPE: _scope,
    AlertKind.BURST: _burst,
    AlertKind.NOTICE: _notice,
    AlertKind.DIGEST: _digest,
    AlertKind.TEST: _trial,
}
