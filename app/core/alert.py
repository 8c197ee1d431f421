"""Alerts in neutral words: one Decision becomes one Notification per receiver, a snapshot that is never re-read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from app.core.meter import AWB, Mode, Usage, meter_of
from app.core.notice import Notice
from app.core.severity import Severity
from app.core.threshold import Decision, Reason

CONTACT_URL: Final = "https://coder.com/contact"


@dataclass(frozen=True, slots=True)
class Alert:
    """What there is to say, before any channel's markup. Every text may hold names that people chose: escape them.

    Attributes:
        group_key: identity of the thread that this alert belongs to: deployment, meter and period.
        headline: at most 150 characters.
        summary: one full sentence with number, limit and level, complete in itself.
        facts: (label, value) pairs, the most important first.
        meaning: what it means and what to do next.
        links: (label, URL) pairs; only URLs from the configuration or of coder.com.
        footer: where this comes from.
    """

    group_key: str
    deployment: str
    meter: str
    reason: Reason
    level: str
    severity: Severity
    headline: str
    summary: str
    facts: tuple[tuple[str, str], ...]
    meaning: str
    links: tuple[tuple[str, str], ...]
    footer: str

    def as_json(self) -> dict[str, Any]:
        return {
            "group_key": self.group_key,
            "deployment": self.deployment,
            "meter": self.meter,
            "reason": self.reason.value,
            "level": self.level,
            "severity": self.severity.value,
            "headline": self.headline,
            "summary": self.summary,
            "facts": [list(pair) for pair in self.facts],
            "meaning": self.meaning,
            "links": [list(pair) for pair in self.links],
            "footer": self.footer,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Alert":
        return cls(
            **{
                **value,
                "reason": Reason(value["reason"]),
                "severity": Severity(value["severity"]),
                "facts": tuple((label, text) for label, text in value["facts"]),
                "links": tuple((label, url) for label, url in value["links"]),
            }
        )


@dataclass(frozen=True, slots=True)
class Notification:
    """One message to one receiver.

    Attributes:
        id: stable over retries; letters, digits, `_` and `-`.
        receiver: configured destination, such as `slack` or `email:ops@example.com`.
        decided_at: when the decision fell, timezone-aware.
    """

    id: str
    receiver: str
    decided_at: datetime
    alert: Alert


def describe(decision: Decision, usage: Usage, coder_url: str) -> Alert:
    """Put a decision into words.

    Args:
        decision: any decision whose reason is not NONE.
        usage: the usage that led to it.
        coder_url: access URL of the deployment, for links; empty if not known.
    """
    name = meter_of(usage.meter).name
    used, limit = f"{usage.used:,}", _limit_text(usage)
    return Alert(
        group_key=group_key(usage),
        deployment=usage.deployment,
        meter=usage.meter,
        reason=decision.reason,
        level=decision.level,
        severity=_severity(decision, usage),
        headline=_headline(decision, usage, used, limit),
        summary=_summary(decision, usage, name, used, limit),
        facts=_facts(usage, used, limit),
        meaning=_meaning(usage, resolved=decision.reason is Reason.RESOLVED and not decision.level),
        links=_links(coder_url),
        footer=_footer(decision, usage),
    )


def notice_alert(notice: Notice, deployment: str, coder_url: str, now: datetime) -> Alert:
    """Put a notice into the form that notifiers send."""
    return Alert(
        group_key=f"{deployment}:notice:{notice.key}",
        deployment=deployment,
        meter=AWB,
        reason=Reason.FIRST,
        level="",
        severity=notice.severity,
        headline=notice.headline,
        summary=notice.summary,
        facts=(),
        meaning=notice.meaning,
        links=_links(coder_url),
        footer=f"Deployment {deployment} · {now.astimezone(UTC):%Y-%m-%d %H:%M} UTC · said once while it holds",
    )


def group_key(usage: Usage) -> str:
    """Return the identity of a thread: one per deployment, meter and period."""
    return f"{usage.deployment}:{usage.meter}:{usage.period.start.isoformat()}"


def spoken_level(level: str) -> str:
    """Write a level as people do: `90%` becomes `90 %`."""
    return level.replace("%", " %")


def _severity(decision: Decision, usage: Usage) -> Severity:
    if decision.reason is Reason.RESOLVED and not decision.level:
        return Severity.OK
    over = usage.limit.count is not None and usage.used >= usage.limit.count
    return Severity.CRITICAL if over else Severity.WARNING


def _headline(decision: Decision, usage: Usage, used: str, limit: str) -> str:
    short = meter_of(usage.meter).short
    if decision.reason is Reason.RESOLVED:
        news = f"back at {spoken_level(decision.level)}" if decision.level else "resolved"
        return f"{short} {news} – {used} of {limit} used"
    return f"{short} {_share(usage) or spoken_level(decision.level)} – {used} of {limit} used"


def _summary(decision: Decision, usage: Usage, name: str, used: str, limit: str) -> str:
    where = f"Coder deployment “{usage.deployment}”"
    if decision.reason is Reason.RESOLVED:
        return f"{where}: {decision.because} {used} of {limit} {name} are used in this period."
    share = f" ({_share(usage)})" if _share(usage) else ""
    verb = {Reason.REPEAT: "is still at"}.get(decision.reason, "has reached")
    return f"{where} {verb} {spoken_level(decision.level)}: {used} of {limit} {name} are used{share}."


def _facts(usage: Usage, used: str, limit: str) -> tuple[tuple[str, str], ...]:
    left = usage.limit.left(usage.used)
    facts = [("Used", used), ("Limit", limit)]
    if _share(usage):
        facts.append(("Share", _share(usage)))
    facts.append(("Left", "unlimited" if left is None else f"{left:,}"))
    facts.append(("Period", _period_text(usage)))
    if usage.by_user:
        facts.append(("Top users", _top(usage.by_user)))
    if usage.by_template:
        facts.append(("Top templates", _top(usage.by_template)))
    return tuple(facts)


def _meaning(usage: Usage, *, resolved: bool) -> str:
    if resolved:
        return "Nothing needs to be done."
    if usage.limit.count == 0:
        # https://github.com/coder/coder/pull/22210: with a licence whose limit is zero, task builds are refused.
        return (
            "No builds are included. With a licence that says so, Coder may refuse to start workspaces for tasks; "
            "everything else goes on working. Please contact your Coder account team."
        )
    over = usage.limit.count is not None and usage.used >= usage.limit.count
    if over:
        return (
            "Nothing is blocked: Coder Tasks and other AI features go on working over the limit. "
            "Please contact your Coder account team."
        )
    return (
        "Nothing is blocked, now or at the limit: Coder Tasks and other AI features go on working. "
        "Please talk to your Coder account team in time."
    )


def _links(coder_url: str) -> tuple[tuple[str, str], ...]:
    contact = ("Contact account team", CONTACT_URL)
    if not coder_url:
        return (contact,)
    return (("Open Licenses page", coder_url.rstrip("/") + "/deployment/licenses"), contact)


def _footer(decision: Decision, usage: Usage) -> str:
    verified = usage.mode is Mode.VERIFIED
    how = "verified with Coder's API" if verified else "estimate from notifications, a lower bound"
    as_of = usage.as_of.astimezone(UTC)
    return f"Deployment {usage.deployment} · {how} · {as_of:%Y-%m-%d %H:%M} UTC · reason: {decision.reason.value}"


def _share(usage: Usage) -> str:
    return "" if usage.percent is None else f"{usage.percent:g} %"


def _limit_text(usage: Usage) -> str:
    return "unlimited" if usage.limit.count is None else f"{usage.limit.count:,}"


def _period_text(usage: Usage) -> str:
    start, left = usage.period.start, usage.period.days_left(usage.as_of.astimezone(UTC).date())
    if usage.period.end is None:
        return f"since {_day(start)}, without end"
    days = "1 day left" if left == 1 else f"{left} days left"
    return f"{_day(start)} to {_day(date.fromordinal(usage.period.end.toordinal() - 1))}, {days}"


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _top(rows: Any) -> str:
    return ", ".join(f"{name or 'unknown'} {count:,}" for name, count in rows[:3])
