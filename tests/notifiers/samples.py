"""Alerts to send, and the snapshots of what they look like."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from app.core.alert import Alert, Notification, describe
from app.core.limits import Limit
from app.core.meter import AWB, Mode, Usage
from app.core.period import Period
from app.core.threshold import AlertState, Decision, Reason

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
    return describe(decision, usage, "https://coder.example.com")


def notification(of: Alert | None = None, identity: str = "awb-prod-90") -> Notification:
    return Notification(id=identity, receiver="test", decided_at=NOW, alert=of or alert())


def with_text_everywhere(text: str) -> Alert:
    """Return an alert in which every place that may hold data holds `text`."""
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
    )
