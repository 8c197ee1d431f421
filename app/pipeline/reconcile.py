"""Reconcile: find the builds that no notification told of, by listing what Coder has and verifying what changed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

import redis
import structlog

from app import clock
from app.coderapi import CoderApi, CoderApiError, Failure
from app.core.coder import HAS_TASK, Workspace
from app.core.meter import AWB
from app.pipeline.verify import Progress
from app.store.coderstate import CoderState
from app.store.ledger import Ledger

log = structlog.get_logger(__name__)
_BATCH: Final = 200
# Listings of the past begin so long before the last pass.
_USE_NOTED_LATE: Final = timedelta(days=1)
_CLOCKS_DIFFER: Final = timedelta(hours=1)
_FIRST_LOOK_BACK: Final = timedelta(days=400)
_DENIED: Final = frozenset({Failure.FORBIDDEN, Failure.NOT_FOUND, Failure.REJECTED, Failure.UNAUTHORIZED})


@dataclass(frozen=True, slots=True)
class Listed:
    """What the listings of a pass showed.

    Attributes:
        listed: workspaces that Coder listed.
        asked: workspaces that are to be verified.
        failure: what stopped it; the next pass begins anew, and nothing found so far is lost.
    """

    listed: int
    asked: int
    failure: CoderApiError | None = None


def list_changes(
    connection: "redis.Redis",
    api: CoderApi,
    deployment: str,
    *,
    full: bool = False,
    since: datetime | None = None,
    progress: Progress = lambda _listed, _asked: None,
) -> Listed:
    """List what Coder has and note what is to be verified; `verify_due` does it and ends the pass.

    Workspaces are noted as they are found, and the pass as begun once the listings are complete: if we die here, the
    next pass repeats the listings, and what was found is verified meanwhile.

    Args:
        connection: Redis.
        api: the deployment's API.
        deployment: its name.
        full: verify every listed workspace, changed or not.
        since: how far back to look for deleted workspaces, instead of the last pass.
        progress: told after every batch.
    """
    state, ledger = CoderState(connection, deployment), Ledger(connection, deployment, AWB)
    started = clock.now().timestamp()
    counter = _Pass(state, ledger, full=full, progress=progress)
    try:
        hear(state, api)
        counter.listing(api.workspaces("has-ai-task:true"))
        counter.tasks(api)
        counter.unlisted()
        seen = counter.deleted(api, since or _look_back(state, _USE_NOTED_LATE))
        seen = seen or counter.audit(api, since or _look_back(state, _CLOCKS_DIFFER))
        state.note(sees_deleted=1 if seen else None)
    except CoderApiError as error:
        state.failed(str(error), clock.now())
        log.warning("reconcile failed", deployment=deployment, why=error.kind.value, error=str(error))
        return Listed(counter.listed, counter.asked, error)
    state.answered()
    state.note(pass_begun_at=started)
    log.info("reconciled listings", deployment=deployment, listed=counter.listed, asked=counter.asked)
    return Listed(counter.listed, counter.asked)


def hear(state: CoderState, api: CoderApi) -> None:
    """Ask for version and entitlements; every logged-in user may."""
    info = api.build_info()
    try:
        entitlements = api.entitlements()
    except CoderApiError as error:
        if error.kind is not Failure.NOT_FOUND:
            raise
        entitlements = None
    state.heard(entitlements, info, clock.now())


def _look_back(state: CoderState, overlap: timedelta) -> datetime:
    last = state.moment("reconciled_at")
    return last - overlap if last else clock.now() - _FIRST_LOOK_BACK


class _Pass:
    """One pass over Coder's listings; keeps ids only, so its memory does not grow with what a listing holds."""

    def __init__(self, state: CoderState, ledger: Ledger, *, full: bool, progress: Progress) -> None:
        self.state = state
        self.ledger = ledger
        self.full = full
        self.progress = progress
        self.seen: set[str] = set()
        self.listed = self.asked = 0

    def listing(self, workspaces: Iterable[Workspace]) -> None:
        """Ask for the workspaces of a listing whose latest build is not proved yet."""
        for batch in _batches(workspaces):
            known = self.ledger.known([workspace.id for workspace in batch])
            self.ledger.name(
                {
                    w.id: {**known[w.id].names, **w.names}
                    for w in batch
                    if not w.names.items() <= known[w.id].names.items()
                }
            )
            self._ask([w.id for w in batch if self.full or _has_news(w, known[w.id].last_proved)])
            self.seen.update(workspace.id for workspace in batch)
            self.listed += len(batch)
            self.progress(self.listed, self.asked)

    def tasks(self, api: CoderApi) -> None:
        """Ask for workspaces of tasks that the listing missed: their latest build may be running or have failed."""
        tasks = [task for task in api.tasks() or [] if task.workspace_id]
        known = self.ledger.known([task.workspace_id for task in tasks])
        self.ledger.name(
            {
                task.workspace_id: {**known[task.workspace_id].names, HAS_TASK: "yes"}
                for task in tasks
                if HAS_TASK not in known[task.workspace_id].names
            }
        )
        self._ask(
            [
                task.workspace_id
                for task in tasks
                if task.workspace_id not in self.seen
                and (self.full or (task.workspace_build_number or 0) > known[task.workspace_id].last_proved)
            ]
        )
        self.seen.update(task.workspace_id for task in tasks)

    def unlisted(self) -> None:
        """Look once more at workspaces that are in no listing any more: deleted, or their task is."""
        gone = sorted(self.state.open_workspaces() - self.seen)
        self.state.close(gone)
        self._ask(gone)

    def deleted(self, api: CoderApi, since: datetime) -> bool:
        """Ask for deleted workspaces that nobody told of; False where Coder does not list them.

        A deleted task's last build does not say that it was one, so the listing cannot ask for tasks. Newer versions of
        Coder refuse the key `deleted` (coderd/searchquery/search.go).
        """
        query = f'deleted:true last_used_after:"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"'
        try:
            for batch in _batches(api.workspaces(query)):
                known = self.ledger.known([workspace.id for workspace in batch])
                self._ask([w.id for w in batch if w.id not in self.seen and _has_news(w, known[w.id].last_proved)])
                self.seen.update(workspace.id for workspace in batch)
        except CoderApiError as error:
            if error.kind not in _DENIED:
                raise
            return False
        return True

    def audit(self, api: CoderApi, since: datetime) -> bool:
        """Ask for workspaces that only the audit log remembers; False where the token may not read it."""
        try:
            newest: dict[str, int] = {}
            for entry in api.audit_builds(since):
                if entry.workspace_id and entry.workspace_id not in self.seen:
                    newest[entry.workspace_id] = max(newest.get(entry.workspace_id, 1), entry.build_number or 1)
        except CoderApiError as error:
            if error.kind not in _DENIED:
                raise
            return False
        known = self.ledger.known(list(newest))
        self._ask([workspace_id for workspace_id, number in newest.items() if number > known[workspace_id].last_proved])
        return True

    def _ask(self, workspace_ids: list[str]) -> None:
        self.state.ask(workspace_ids, clock.now().timestamp())
        self.asked += len(workspace_ids)


def _has_news(workspace: Workspace, last_proved: int) -> bool:
    latest = workspace.latest_build
    return latest is None or latest.build_number > last_proved


def _batches(items: Iterable[Workspace]) -> Iterator[list[Workspace]]:
    iterator = iter(items)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
