"""Words for notices (app/core/alert/notice.py)."""

from datetime import UTC, datetime

from app.core.alert.alert import Alert, AlertKind
from app.core.alert.decision import Reason
from app.core.alert.notice import Notice
from app.core.count.meter import AWB
from app.core.wording.context import Context, links


def notice_alert(notice: Notice, name: str, deployment: str, context: Context, now: datetime) -> Alert:
    """Put a notice into the form that notifiers send."""
    return Alert(
        name=name,
        kind=AlertKind.NOTICE,
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
        links=links(context),
        footer=f"Deployment {deployment} · {now.astimezone(UTC):%Y-%m-%d %H:%M} UTC · said once while it holds",
    )
