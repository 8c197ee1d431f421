"""Dispatch: whether a notification goes out now, waits, or never goes, and why."""

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
    #: Someone silenced it, and what it says needs no saying later.
    SILENCED = "silenced"
    #: Something newer about the same alert is on its way to the same receiver, or there already.
    SUPERSEDED = "superseded"
    #: Dry run: decided and recorded, never sent.
    DRY_RUN = "dry-run"


@dataclass(frozen=True, slots=True)
class Dispatch:
    """What is to be done with a notification now.

    Attributes:
        why: for the history; empty when it is sent.
        until: when to look again, for HOLD.
    """

    step: Step
    why: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the decision depends on, apart from the notification.

    Attributes:
        held: it waited before for the end of quiet hours or of a silence.
        newest: nothing newer about the same alert is meant for the same receiver.
        overtaken: something newer has reached the receiver already.
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
    """Decide about one notification.

    Silences and quiet hours delay messages; when they end, the latest state is sent if it still applies. A test is
    always sent: somebody waits for it.
    """
    if about.dry_run and alert.kind is not AlertKind.TEST:
        return Dispatch(Step.DRY_RUN, "A dry run sends nothing.")
    if alert.kind is AlertKind.TEST or alert.reason is Reason.ACKNOWLEDGED:
        return Dispatch(Step.SEND)
    if about.overtaken or (about.held and not about.newest):
        return Dispatch(Step.SUPERSEDED, "Something newer about the same alert took its place.")
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
