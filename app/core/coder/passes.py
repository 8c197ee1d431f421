"""The progress of a pass over Coder's API: small steps, each ending in a state that can be saved."""

from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict

from app.core.coder.history import HistorySource

#: The maximum number of separate windows; beyond it, the newest two are merged.
_MOST_WINDOWS: Final = 16


class Phase(StrEnum):
    """The phases of a pass, in order."""

    LISTING = "listing"
    TASKS = "tasks"
    GONE = "gone"
    HISTORY = "history"
    DONE = "done"


PHASE_WORDS: Final = {
    Phase.LISTING: "lists the workspaces of tasks",
    Phase.TASKS: "lists tasks",
    Phase.GONE: "looks for deleted workspaces",
    Phase.HISTORY: "reads past builds",
    Phase.DONE: "is done",
}


class Window(BaseModel):
    """A part of Coder's history that has not been read yet. Reading goes from newest to oldest.

    Attributes:
        since: its start, in seconds since the epoch.
        to: its end.
        source: where it is read from; None until that is known.
        organization: the organization whose provisioner jobs are read.
        read: the number of audit log entries that have been read, or of jobs that do not reach back far enough.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    since: float
    to: float
    source: HistorySource | None = None
    organization: str = ""
    read: int = 0


class PassState(BaseModel):
    """The position of a pass, and the parts of history that are still to be read.

    Attributes:
        begun: when the pass began, in seconds since the epoch.
        moved: when it last took a step.
        offset: the workspaces listed so far, which is the offset of the next page.
        full: whether every workspace is verified, even if unchanged.
        listed: workspaces that Coder listed.
        asked: workspaces to verify.
        windows: the parts of history to read, oldest first; they outlive the pass.
        until: history has been read up to this time, except for the windows; None before the first pass.
        back_to: the oldest time read so far in the current window.
        source: the source of deleted workspaces; None until this pass knows it.
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
        """Add a newer part of history to read."""
        windows = (*self.windows, window)
        if len(windows) > _MOST_WINDOWS:
            older, newer = windows[-2:]
            joined = Window(since=min(older.since, newer.since), to=max(older.to, newer.to))
            windows = (*windows[:-2], joined)
        return self.model_copy(update={"windows": windows})

    def instead(self, *windows: Window) -> "PassState":
        """Replace the newest window with the given ones, if any."""
        return self.model_copy(update={"windows": (*self.windows[:-1], *windows)})


def begin(former: PassState | None, at: float, *, since: float, full: bool) -> PassState:
    """Begin a pass, which also reads the history that the previous one left.

    Args:
        former: the previous pass, finished or not.
        at: the current time.
        since: how far back history is to be read.
        full: whether to verify every listed workspace.
    """
    begun = PassState(
        begun=at, moved=at, full=full, windows=former.windows if former else (), until=former.until if former else None
    )
    return begun.with_window(Window(since=since, to=at)).model_copy(update={"until": at})


def describe(state: PassState) -> str:
    """Describe the progress of a pass, as the rest of a sentence whose subject is the pass."""
    words = PHASE_WORDS[state.phase]
    if state.phase is Phase.LISTING:
        words += f", {state.listed:,} so far"
    return words
