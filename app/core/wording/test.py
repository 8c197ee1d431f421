"""The text of a test message."""

from datetime import datetime

from app.core.alert.alert import Alert, AlertKind
from app.core.alert.decision import Reason
from app.core.alert.severity import Severity
from app.core.count.meter import AWB
from app.core.text.lines import moment_text
from app.core.wording.context import Context, links
from app.core.wording.scene import Scene


def trial_alert(deployment: str, receiver: str, context: Context, now: datetime) -> Alert:
    """Return the message that shows that a receiver works."""
    return Alert(
        name="test",
        kind=AlertKind.TEST,
        group_key=f"{deployment}:test:{now.isoformat()}",
        deployment=deployment,
        meter=AWB,
        reason=Reason.TEST,
        level="",
        severity=Severity.OK,
        headline="Test message of the Coder AWB meter",
        summary=f"Warnings about Coder deployment “{deployment}” will arrive here.",
        facts=(("Receiver", receiver),),
        meaning="Nothing needs to be done.",
        links=links(context),
        footer=f"Deployment {deployment} · {moment_text(now, context.zone)} · sent by hand",
    )


def sample(scene: Scene) -> Alert:
    return trial_alert(scene.usage.deployment, "slack", scene.links_only, scene.now)
