"""Texts for notices (app/core/alert/notice.py)."""

from datetime import datetime, timedelta

from app.core.alert.alert import Alert, AlertKind
from app.core.alert.decision import Reason
from app.core.alert.notice import Notice
from app.core.alert.severity import Severity
from app.core.count.meter import AWB
from app.core.text.lines import moment_text
from app.core.wording.context import Context, links
from app.core.wording.scene import Scene


def notice_alert(notice: Notice, name: str, deployment: str, context: Context, now: datetime) -> Alert:
    """Convert a notice to an alert."""
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
        links=links(context, contact=notice.contact),
        footer=f"Deployment {deployment} · {moment_text(now, context.zone)} · sent once until resolved",
    )


def sample(scene: Scene) -> Alert:
    since, deployment = f"{scene.utc - timedelta(days=1):%Y-%m-%d %H:%M} UTC", scene.usage.deployment
    notice = Notice(
        key="api-away",
        severity=Severity.WARNING,
        headline="Coder's API has not answered for a day",
        summary=f"The API of Coder deployment “{deployment}” has failed since {since}.",
        meaning="Until it answers, the number is an estimate from notifications. Run `awb coder check` for details.",
    )
    return notice_alert(notice, "notice-api-away", deployment, scene.links_only, scene.now)
