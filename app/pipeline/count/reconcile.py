"""Reconcile: find builds without a notification, by listing Coder's workspaces and verifying those that changed.

A pass is a series of small steps. Its state is stored in Redis after each step, so that a pass interrupted by the end
of a job's time, a failure or a crash can continue. Two processes may run steps in parallel: the slower one repeats its
step from the state that the faster one stored.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

import redis
import structlog

from app import clock
from app.coder.api import CoderApi, CoderApiError, Failure
from app.core.coder.history import HistorySource
from app.core.coder.passes import PassState, Phase, begin
from app.core.coder.shapes import HAS_TASK, Workspace
from app.core.count.meter import AWB
from app.pipeline.count.naming import Names
from app.pipeline.count.past import Past
from app.pipeline.count.verify import Progress
from app.store.coder.passes import Passes
from app.store.coder.state import CoderState
from app.store.count.ledger import Ledger
from app.store.store import Store

log = structlog.get_logger(__name__)
_PAGE: Final = 100
# History is read again from this long before the last pass: a job may have run for long, and clocks differ.
_OVERLAP: Final = 3600.0
_FIRST_LOOKBACK: Final = 400 * 86_400.0
# A pass that made no progress for this long starts over, because what it has seen is too old.
_STALE: Final = 3600.0
# No deployment has this many workspaces: the server ignores the offset.
_MOST: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Listed:
    """The result of a pass's listings.

    Attributes:
        listed: workspaces that Coder listed.
        asked: workspaces to verify.
        failure: the error that stopped it; nothing found so far is lost.
        complete: whether every listing was read to its end.
    """

    listed: int
    asked: int
    failure: CoderApiError | None = None
    complete: bool = True


def list_changes(
    store: Store,
    api: CoderApi,
    *,
    full: bool = False,
    since: datetime | None = None,
    restart: bool = True,
    seconds: float = math.inf,
    progress: Progress = lambda _listed, _asked: None,
) -> Listed:
    """List Coder's workspaces and mark those to verify; `verify_due` verifies them and completes the pass.

    Workspaces are marked as they are found, then the step is stored. The pass counts as begun once the listings are
    complete. If the process dies, the process that continues the pass repeats that step.

    Args:
        store: the deployment's data.
        api: the deployment's API.
        full: verify every listed workspace, even if unchanged.
        since: how far back to look for deleted workspaces, instead of the last pass.
        restart: begin a new pass even if one is in progress; otherwise continue that one.
        seconds: stop after about this long; the pass can be continued later.
        progress: called after every step.
    """
    stop_at = clock.now().timestamp() + seconds
    walk = _Walk(store.redis, api, store.deployment)
    now: PassState | None = None
    try:
        version, now = walk.start(restart=restart, full=full, since=since)
        while now.phase is not Phase.DONE:
            if clock.now().timestamp() >= stop_at:
                return Listed(now.listed, now.asked, complete=False)
            version, now = walk.step(version, now)
            progress(now.listed, now.asked)
    except CoderApiError as error:
        walk.state.failed(str(error), clock.now())
        log.warning("reconcile failed", deployment=store.deployment, why=error.kind.value, error=str(error))
        return Listed(now.listed if now else 0, now.asked if now else 0, error, complete=False)
    log.info("reconciled listings", deployment=store.deployment, listed=now.listed, asked=now.asked)
    return Listed(now.listed, now.asked)


def fetch_licence(state: CoderState, api: CoderApi) -> None:
    """Fetch and store Coder's version and entitlements; every user may read them."""
    info = api.build_info()
    try:
        entitlements = api.entitlements()
    except CoderApiError as error:
        if error.kind is not Failure.NOT_FOUND:
            raise
        entitlements = None
    state.save_licence(entitlements, info, clock.now())


class _Walk:
    """Runs the steps of a pass."""

    def __init__(self, connection: "redis.Redis", api: CoderApi, deployment: str) -> None:
        self.api = api
        self.state = CoderState(connection, deployment)
        self.ledger = Ledger(connection, deployment, AWB)
        self.passes = Passes(connection, deployment)
        self.names = Names(connection, deployment)
        self.past = Past(api, self.state, self.ledger, self.passes)
        self.phases: dict[Phase, Callable[[PassState], tuple[PassState, list[str]]]] = {
            Phase.LISTING: self._listing,
            Phase.TASKS: self._tasks,
            Phase.GONE: self._unlisted,
            Phase.HISTORY: self._history,
        }

    def start(self, *, restart: bool, full: bool, since: datetime | None) -> tuple[int, PassState]:
        """Return the pass in progress, or begin one."""
        version, former = self.passes.load()
        at = clock.now().timestamp()
        under_way = former is not None and former.phase is not Phase.DONE and at - former.moved < _STALE
        if former is not None and under_way and not restart:
            return version, former
        fetch_licence(self.state, self.api)
        while True:
            back = since.timestamp() if since else self._back_to(former, at)
            begun = begin(former, at, since=back, full=full)
            if self.passes.step(version, begun, restart=True):
                return version + 1, begun
            version, former = self.passes.load()

    def step(self, version: int, now: PassState) -> tuple[int, PassState]:
        """Run one step and store its result; if another process was faster, return the state it stored."""
        after, seen = self.phases[now.phase](now)
        if after.phase is Phase.DONE:
            source = after.source or HistorySource.NONE
            self.state.note(history_source=source.value, pass_begun_at=after.begun)
            self.state.answered()
        after = after.model_copy(update={"moved": clock.now().timestamp()})
        if self.passes.step(version, after, seen):
            return version + 1, after
        version, kept = self.passes.load()
        return version, kept or now

    def _back_to(self, former: PassState | None, at: float) -> float:
        if former and former.until:
            return former.until - _OVERLAP
        last = self.state.moment("reconciled_at")
        return last.timestamp() - _OVERLAP if last else at - _FIRST_LOOKBACK

    def _listing(self, now: PassState) -> tuple[PassState, list[str]]:
        """Request the verification of workspaces on one page whose latest build is not proved yet."""
        page = list(islice(self.api.workspaces("has-ai-task:true", _PAGE, now.offset), _PAGE))
        ids = [workspace.id for workspace in page]
        known = self.ledger.known(ids)
        self.names.learn(page)
        wanted = self._request([w.id for w in page if now.full or _has_news(w, known[w.id].last_proved)])
        last = len(page) < _PAGE or now.offset >= _MOST
        moved = {
            "phase": Phase.TASKS if last else Phase.LISTING,
            "offset": now.offset + len(page),
            "listed": now.listed + len(page),
            "asked": now.asked + wanted,
        }
        return now.model_copy(update=moved), ids

    def _tasks(self, now: PassState) -> tuple[PassState, list[str]]:
        """Request the verification of task workspaces that the listing missed, such as after a failed build."""
        tasks = [task for task in self.api.tasks() or [] if task.workspace_id]
        ids = [task.workspace_id for task in tasks]
        known = self.ledger.known(ids)
        self.ledger.name(
            {one: {**known[one].names, HAS_TASK: "yes"} for one in ids if HAS_TASK not in known[one].names}
        )
        unseen = set(self.passes.unseen(ids))
        wanted = self._request(
            [
                task.workspace_id
                for task in tasks
                if task.workspace_id in unseen
                and (now.full or (task.workspace_build_number or 0) > known[task.workspace_id].last_proved)
            ]
        )
        return now.model_copy(update={"phase": Phase.GONE, "asked": now.asked + wanted}), ids

    def _unlisted(self, now: PassState) -> tuple[PassState, list[str]]:
        """Request the verification of workspaces that are no longer listed: they or their tasks were deleted."""
        gone = self.passes.unseen_open()
        self.state.close(gone)
        return now.model_copy(update={"phase": Phase.HISTORY, "asked": now.asked + self._request(gone)}), gone

    def _history(self, now: PassState) -> tuple[PassState, list[str]]:
        """Request the verification of workspaces that are found only in the history."""
        if not now.windows:
            self._repair_names()
            return now.model_copy(update={"phase": Phase.DONE, "back_to": None}), []
        after, wanted = self.past.step(now, clock.now().timestamp())
        return after.model_copy(update={"asked": now.asked + len(wanted)}), wanted

    def _repair_names(self) -> None:
        """Search once for records without names, and in each pass ask Coder for some of those known to lack them."""
        if self.state.mark("names_checked") is None:
            self.names.find_missing_names()
            self.state.note(names_checked=1)
        self.names.repair(self.api)

    def _request(self, workspace_ids: list[str]) -> int:
        self.state.request_verification(workspace_ids, clock.now().timestamp())
        return len(workspace_ids)


def _has_news(workspace: Workspace, last_proved: int) -> bool:
    latest = workspace.latest_build
    return latest is None or latest.build_number > last_proved
