"""Sample alerts, and snapshots of the resulting messages."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from app.core.alert.alert import Alert, Notification
from app.core.alert.decision import AlertState, Decision, Reason
from app.core.count.meter import AWB, Mode, Usage
from app.core.limit.limits import Limit
from app.core.limit.period import Period
from app.core.wording.context import Context
from app.core.wording.threshold import describe

SNAPSHOTS = Path(__file__).parent / "snapshots"
NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
BIDI_AND_CONTROLS = "\u202e\u2066\u200f\x00\x1b\r\n\u2028\x85"


def alert(*, used: int = 912, level: str = "90%", reason: Reason = Reason.FIRST) -> Alert:
    usage = Usage(
        deployment="prod",
        meter=AWB,
        period=Period(date(2026, 1, 1), date(2027, 1, 1)),
        limit=Limit(1000),
        counted=used,
        provisional=0,
        mode=Mode.VERIFIED,
        as_of=NOW,
        by_user=(("ada", used // 2), ("john_doe", used // 3), ("grace", used // 6), ("linus", used // 100)),
        by_template=(("docker", used - used // 3), ("k8s & gpu", used // 3)),
    )
    decision = Decision(
        reason, level, "", "No threshold is reached any more." if not level else "Usage moved.", AlertState()
    )
    return describe(decision, usage, Context(coder_url="https://coder.example.com"))


def charted(
    *, used: int = 912, level: str = "90%", limit: int | None = 1000, breach: date | None = date(2026, 6, 2)
) -> Alert:
    """Return an alert with a burn-up chart of four months that flattens towards its end."""
    days = (NOW.date() - date(2026, 1, 1)).days
    burn_up = tuple(
        (date(2026, 1, 1) + timedelta(days=n), used * n * (2 * days - n) // days**2) for n in range(days + 1)
    )
    facts = (
        *alert(used=used).facts,
        ("Forecast", "at the pace of the last 28 days the limit is reached on 2 June 2026"),
    )
    return replace(alert(used=used, level=level), facts=facts, used=used, limit=limit, burn_up=burn_up, breach=breach)


def notification(of: Alert | None = None, identity: str = "awb-prod-90") -> Notification:
    return Notification(id=identity, receiver="test", decided_at=NOW, alert=of or alert())


def with_text_everywhere(text: str) -> Alert:
    """Return an alert with `text` in every place that may hold data."""
    return replace(
        alert(),
        group_key=text,
        deployment=text,
        level=text,
        headline=text,
        summary=text,
        facts=((text, text), ("Top users", text)),
        meaning=text,
        links=((text, "https://coder.example.com/"), ("Bad", text)),
        footer=text,
        scope=text,
        actor=text,
    )
