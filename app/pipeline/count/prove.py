"""Proving: a workspace's builds from Coder's API replace the estimate from notifications."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import structlog

from app import clock
from app.coder.api import CoderApi, CoderApiError, Failure
from app.core.coder.shapes import HAS_TASK, Build
from app.core.coder.versions import FLAG_MEANS_TEMPLATE
from app.core.count.meter import UsageRecord
from app.core.count.proof import counting, ended_prefix, proved_records
from app.pipeline.count.naming import Names
from app.store.coder.state import CoderState, Due
from app.store.conflicts import ConflictError, retry_conflicts
from app.store.count.ledger import Ledger, RecordUpdate
from app.store.count.naming import Naming
from app.store.count.storedworkspace import ReconciledWorkspace

log = structlog.get_logger(__name__)
# Each round asks Coder again.
_ROUNDS: Final = 5
# A running build is checked again after half of its age, within these bounds.
_SOONEST_CHECK, _LATEST_CHECK = 10.0, 600.0


def verify_workspace(state: CoderState, ledger: Ledger, api: CoderApi, due: Due) -> int | None:
    """Verify one workspace by its builds, and return the change in units; None if Coder does not show it.

    Raises:
        CoderApiError: Coder did not answer, and nothing was changed.
    """
    workspace_id = due.workspace_id
    if workspace_id.startswith("name:"):
        return _resolve_name(state, ledger, api, due)
    moved: int | None = None

    def attempt(waiting: Collection[str]) -> Collection[str]:
        nonlocal moved
        moved, conflict = _prove(state, ledger, api, due)
        return waiting if conflict else ()

    try:
        retry_conflicts({workspace_id: None}, attempt, _ROUNDS)
    except ConflictError:
        state.verified(due, clock.now().timestamp() + _SOONEST_CHECK)
        return 0
    return moved


def _prove(state: CoderState, ledger: Ledger, api: CoderApi, due: Due) -> tuple[int | None, bool]:
    """Try once; the second value is true if another process changed the workspace meanwhile."""
    workspace_id = due.workspace_id
    version, evidence, known = ledger.examine(workspace_id)
    builds = _builds(api, workspace_id, known.last_proved)
    if builds is None:
        state.answered_for(due, None, is_task=False, ended=True)
        log.info("workspace cannot be verified", workspace_id=workspace_id, why="Coder does not show it to this token")
        return None, False
    ended = ended_prefix(builds)
    names = _names(state, ledger, api, workspace_id, known, builds)
    has_task = evidence.task or HAS_TASK in names
    records = proved_records(ended, evidence, names) if has_task else ()
    newest = ended[-1].build_number if ended else known.last_proved
    if not version and _without_task(builds):
        # The workspace was found in the history, and nothing about it needs to be stored.
        state.answered_for(due, None, is_task=False, ended=True)
        return 0, False
    update = RecordUpdate(workspace_id, version, evidence.consumed(), (), _latest(records), records, newest)
    moved, conflicts = ledger.update_records([update])
    if conflicts:
        return 0, True
    running = builds[len(ended) :]
    # The ledger is asked too: if the process died after the update, these builds are no longer new.
    is_task = has_task or _undecided(builds) or ledger.has_proved(workspace_id)
    state.answered_for(due, _next_check(running), is_task=is_task, ended=not running)
    log.info("workspace verified", workspace_id=workspace_id, builds=len(ended), proved=len(records), change=moved)
    return moved, False


def _undecided(builds: Sequence[Build]) -> bool:
    """Return whether no build shows if there is a task: failed and cancelled ones do not, and a later one may count."""
    return bool(builds) and all(build.has_ai_task is None for build in builds)


def _without_task(builds: Sequence[Build]) -> bool:
    """Return whether all builds of a workspace have ended and none belongs, or may belong, to a task."""
    flags = {build.has_ai_task for build in builds}
    return False in flags and True not in flags and all(build.ended for build in builds)


def _builds(api: CoderApi, workspace_id: str, last: int) -> list[Build] | None:
    """Return the builds after the last proved one; None if Coder does not show the workspace to this token.

    The workspace then keeps its estimate. Every workspace has builds, so an empty list means that it is not shown.
    """
    try:
        return api.builds(workspace_id, since_number=last) or (None if last == 0 else [])
    except CoderApiError as error:
        if error.kind in (Failure.NOT_FOUND, Failure.FORBIDDEN):
            return None
        raise


def _names(
    state: CoderState,
    ledger: Ledger,
    api: CoderApi,
    workspace_id: str,
    known: ReconciledWorkspace,
    builds: Sequence[Build],
) -> Mapping[str, str]:
    """Return the names for a workspace's records, and ask Coder for them if no listing has contained the workspace.

    If Coder does not report whether there is a task, the flag of its builds decides, unless this version sets the flag
    by template.
    """
    if not counting(builds) or {"template", "organization", HAS_TASK} <= known.names.keys():
        return known.names
    try:
        workspace = api.workspace(workspace_id)
    except CoderApiError as error:
        if error.kind not in (Failure.NOT_FOUND, Failure.FORBIDDEN):
            raise
        return _trusting_flags(state, _names_of_job(state, ledger, workspace_id, known, builds))
    names = {**known.names, **workspace.names}
    if names != known.names:
        Names(state.connection, state.deployment).learn([workspace])
    return names if workspace.has_task_field else _trusting_flags(state, names)


def _names_of_job(
    state: CoderState, ledger: Ledger, workspace_id: str, known: ReconciledWorkspace, builds: Sequence[Build]
) -> Mapping[str, str]:
    """Return the known names of a workspace that is not shown, with its builds' organization; mark the gaps."""
    naming = Naming(state.connection, state.deployment, ledger.meter)
    naming.lack_names([workspace_id])
    identity = ("organization", builds[-1].job.organization_id)
    return {"organization": naming.newest([identity]).get(identity, ""), **known.names}


def _trusting_flags(state: CoderState, names: Mapping[str, str]) -> Mapping[str, str]:
    info = state.build_info()
    doubtful = FLAG_MEANS_TEMPLATE.holds(info.number if info else None)
    return names if doubtful else {HAS_TASK: "yes", **names}


def _resolve_name(state: CoderState, ledger: Ledger, api: CoderApi, due: Due) -> int | None:
    """Find the id of a workspace that old payloads only name, and have it verified.

    If Coder no longer shows a workspace with that name to this token, the estimate stays. It is replaced only once the
    workspace itself is verified; if the process dies before that, the name is still due.
    """
    owner, _, name = due.workspace_id.removeprefix("name:").partition("/")
    found = {w.id: w.names for w in api.workspaces(f"owner:{owner} name:{name}") if w.name.lower() == name}
    now = clock.now().timestamp()
    state.request_verification(found, now)
    ledger.name(found)
    changes = [verify_workspace(state, ledger, api, Due(workspace_id, now)) for workspace_id in found]
    if not changes or None in changes:
        state.verified(due, None)
        return None
    version, evidence = ledger.read([due.workspace_id])[due.workspace_id]
    moved, conflicts = ledger.update_records([RecordUpdate(due.workspace_id, version, evidence.consumed(), (), 0)])
    state.verified(due, now + _SOONEST_CHECK if conflicts else None)
    return moved + sum(change for change in changes if change is not None)


def _next_check(running: Sequence[Build]) -> float | None:
    if not running:
        return None
    now = clock.now()
    age = (now - running[0].created_at).total_seconds() if running[0].created_at else 0.0
    return now.timestamp() + min(max(age / 2, _SOONEST_CHECK), _LATEST_CHECK)


def _latest(records: Sequence[UsageRecord]) -> float:
    return max((record.at for record in records), default=0.0)
