"""Dispatch: whether a notification is sent now, held or dropped, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from app.core.alert.alert import Alert, AlertKind
from app.core.alert.decision import Reason
from app.core.alert.quiet import QuietSpan, quiet_until
from app.core.alert.routing import Route, quiet_spans
from app.core.alert.silence import Silence, silencing


class Step(StrEnum):
    SEND = "send"
    HOLD = "hold"
    #: It was silenced, and its content does not need to be sent later.
    SILENCED = "silenced"
    #: A newer message about the same alert is pending for the same receiver, or has been delivered.
    SUPERSEDED = "superseded"
    #: Dry run: the notification is decided and recorded, but not sent.
    DRY_RUN = "dry-run"


@dataclass(frozen=True, slots=True)
class Dispatch:
    """What to do with a notification now.

    Attributes:
        why: the reason, for the history; empty if it is sent.
        until: for HOLD, when to decide again.
    """

    step: Step
    why: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the decision depends on besides the notification.

    Attributes:
        held: whether it has already waited for the end of quiet hours or a silence.
        newest: whether it is the newest message about its alert for this receiver.
        overtaken: whether a newer one has already reached the receiver.
    """

    now: datetime
    zone: ZoneInfo
    routes: Sequence[Route]
    quiet: Sequence[QuietSpan]
    silences: Sequence[Silence]
    dry_run: bool = False
    held: bool = False
    newest: bool = True
    overtaken: bool = False


def dispatch(alert: Alert, receiver: str, about: Circumstances) -> Dispatch:
    """Decide what to do with one notification.

    Silences and quiet hours delay messages; when they end, the latest state is sent if it still applies. A test is
    always sent, because somebody is waiting for it.
    """
    if about.dry_run and alert.kind is not AlertKind.TEST:
        return Dispatch(Step.DRY_RUN, "A dry run sends nothing.")
    if alert.kind is AlertKind.TEST or alert.reason is Reason.ACKNOWLEDGED:
        return Dispatch(Step.SEND)
    if about.overtaken or (about.held and not about.newest):
        return Dispatch(Step.SUPERSEDED, "A newer message about the same alert replaced it.")
    silence = silencing(about.silences, alert.labels(receiver), about.now)
    if silence is not None:
        return _silenced(alert, silence)
    ways = quiet_spans(about.routes, alert.labels(receiver), receiver, about.quiet)
    ends = [quiet_until(spans, about.zone, about.now) for spans in ways]
    waits = [end for end in ends if end is not None]
    if len(waits) == len(ends):
        return Dispatch(Step.HOLD, "Quiet hours.", min(waits))
    return Dispatch(Step.SEND)


def _silenced(alert: Alert, silence: Silence) -> Dispatch:
    why = f"Silenced by {silence.author}" + (f": {silence.comment}" if silence.comment else ".")
    if alert.reason in (Reason.RESOLVED, Reason.REPEAT, Reason.SUMMARY):
        return Dispatch(Step.SILENCED, why)
    return Dispatch(Step.HOLD, why, silence.ends_at)
