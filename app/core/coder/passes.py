"""The progress of a pass over Coder's API: small steps, each of which leads to a state that can be saved."""

from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict

from app.core.coder.history import HistorySource

#: Windows of the past that are kept apart; with more, the newest two become one.
_MOST_WINDOWS: Final = 16


class Phase(StrEnum):
    """What a pass does, in this order."""

    LISTING = "listing"
    TASKS = "tasks"
    GONE = "gone"
    HISTORY = "history"
    DONE = "done"


PHASE_WORDS: Final = {
    Phase.LISTING: "lists the workspaces of tasks",
    Phase.TASKS: "lists tasks",
    Phase.GONE: "looks for workspaces that are gone",
    Phase.HISTORY: "reads the builds of the past",
    Phase.DONE: "is done",
}


class Window(BaseModel):
    """A part of Coder's past that is still to be read, newest first.

    Attributes:
        since: its older end, in seconds since the epoch.
        to: its newer end.
        source: what it is read from; empty until that is found out.
        organization: whose provisioner jobs are read.
        read: entries of the audit log, or jobs, that are read already.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    since: float
    to: float
    source: HistorySource | None = None
    organization: str = ""
    read: int = 0


class PassState(BaseModel):
    """Where a pass is, and what is left of the past from it and those before it.

    Attributes:
        begun: when the pass began, in seconds since the epoch.
        moved: when it last took a step.
        offset: workspaces listed so far, as the next page's offset.
        full: whether every workspace is verified, changed or not.
        listed: workspaces that Coder listed.
        asked: workspaces to verify.
        windows: what is still to be read of the past, oldest first; it outlives the pass.
        until: the past is read up to here, but for the windows; None before the first pass.
        back_to: the oldest moment read so far in the window that is being read.
        source: what reports deleted workspaces; None until this pass knows.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    begun: float
    moved: float
    phase: Phase = Phase.LISTING
    offset: int = 0
    full: bool = False
    listed: int = 0
    asked: int = 0
    windows: tuple[Window, ...] = ()
    until: float | None = None
    back_to: float | None = None
    source: HistorySource | None = None

    def with_window(self, window: Window) -> "PassState":
        """Add a newer part of the past to what is to be read."""
        windows = (*self.windows, window)
        if len(windows) > _MOST_WINDOWS:
            older, newer = windows[-2:]
            joined = Window(since=min(older.since, newer.since), to=max(older.to, newer.to))
            windows = (*windows[:-2], joined)
        return self.model_copy(update={"windows": windows})

    def instead(self, *windows: Window) -> "PassState":
        """Put windows, maybe none, in place of the newest one."""
        return self.model_copy(update={"windows": (*self.windows[:-1], *windows)})


def begin(former: PassState | None, at: float, *, since: float, full: bool) -> PassState:
    """Begin a pass; what the former one has left of the past is read by this one.

    Args:
        former: the pass before, ended or not.
        at: this moment.
        since: how far back the past is to be read.
        full: verify every workspace that is listed.
    """
    begun = PassState(
        begun=at, moved=at, full=full, windows=former.windows if former else (), until=former.until if former else None
    )
    return begun.with_window(Window(since=since, to=at)).model_copy(update={"until": at})


def describe(state: PassState) -> str:
    """Say how far a pass has come, as the end of a sentence that begins with it."""
    words = PHASE_WORDS[state.phase]
    if state.phase is Phase.LISTING:
        words += f", {state.listed:,} so far"
    return words
