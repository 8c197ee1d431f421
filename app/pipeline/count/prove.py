"""Proving: a workspace's builds from Coder's API replace the estimate from notifications."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from app import clock
from app.coder.api import CoderApi
from app.core.coder.shapes import HAS_TASK, Build
from app.core.count.evidence import Evidence
from app.core.count.proof import ended_prefix, proved_records
from app.pipeline.count.ask import Shown, ask
from app.store.coder.state import Checked, CoderState, Due
from app.store.conflicts import ConflictError, retry_conflicts
from app.store.count.ledger import Ledger, RecordUpdate
from app.store.count.storedworkspace import ReconciledWorkspace

log = structlog.get_logger(__name__)
#: Begins what stands for a workspace's id if old payloads only name it.
BY_NAME: Final = "name:"
# Each round asks Coder again.
_ROUNDS: Final = 5
# A running build is checked again after half of its age, within these bounds.
_SOONEST_CHECK, _LATEST_CHECK = 10.0, 600.0

#: Asks Coder about workspaces, given the results of earlier passes, and returns the answers that there are.
AskAll = Callable[[Mapping[str, ReconciledWorkspace]], Mapping[str, Shown]]


def verify_workspaces(state: CoderState, ledger: Ledger, dues: Sequence[Due], ask_all: AskAll) -> dict[str, int | None]:
    """Verify workspaces by their builds, with three round trips to Redis for all of them.

    Args:
        state: which workspaces are due.
        ledger: the records.
        dues: workspaces with ids.
        ask_all: asks Coder, again for those that another process changed meanwhile.

    Returns:
        The change in units of each workspace for which there was an answer; None if Coder does not show it.
    """
    changes: dict[str, int | None] = {}

    def attempt(waiting: Mapping[str, Due]) -> Collection[str]:
        found, conflicts = _prove(state, ledger, waiting, ask_all)
        changes.update(found)
        return conflicts

    try:
        retry_conflicts({due.workspace_id: due for due in dues}, attempt, _ROUNDS)
    except ConflictError as error:
        again_at = clock.now().timestamp() + _SOONEST_CHECK
        for due in dues:
            if due.workspace_id in error.names:
                state.verified(due, again_at)
                changes[due.workspace_id] = 0
    return changes


def verify_workspace(state: CoderState, ledger: Ledger, api: CoderApi, due: Due) -> int | None:
    """Verify one workspace, which may have a name instead of an id; None if Coder does not show it.

    Raises:
        CoderApiError: Coder did not answer, and nothing was changed.
    """
    if due.workspace_id.startswith(BY_NAME):
        return _resolve_name(state, ledger, api, due)
    changes = verify_workspaces(
        state, ledger, [due], lambda asked: {one: ask(state, ledger, api, one, known) for one, known in asked.items()}
    )
    return changes[due.workspace_id]


def _prove(
    state: CoderState, ledger: Ledger, waiting: Mapping[str, Due], ask_all: AskAll
) -> tuple[dict[str, int | None], list[str]]:
    """Try once, and return the changes and the workspaces that another process changed meanwhile.

    If the process dies between the records and the list of what is due, the workspaces are verified again.
    """
    stored = ledger.examine(list(waiting))
    shown = ask_all({workspace_id: known for workspace_id, (_, _, known) in stored.items()})
    proofs = [_proof(waiting[one], *stored[one], answer) for one, answer in shown.items()]
    updates = [proof.update for proof in proofs if proof.update]
    written = ledger.update_each(updates) if updates else {}
    done = [proof for proof in proofs if not proof.update or written[proof.update.workspace_id] is not None]
    state.answered_for([proof.checked(ledger) for proof in done])
    changes: dict[str, int | None] = {}
    for proof in done:
        workspace_id = proof.due.workspace_id
        if proof.shown.builds is None:
            changes[workspace_id] = None
            why = "Coder does not show it to this token"
            log.info("workspace cannot be verified", workspace_id=workspace_id, why=why)
        elif proof.update is None:
            changes[workspace_id] = 0
        else:
            change = changes[workspace_id] = written[workspace_id]
            proved = len(proof.update.proved)
            log.info("workspace verified", workspace_id=workspace_id, builds=proof.ended, proved=proved, change=change)
    return changes, [workspace_id for workspace_id, change in written.items() if change is None]


@dataclass(frozen=True, slots=True)
class _Proof:
    """What follows from an answer of Coder's.

    Attributes:
        ended: the number of builds that have ended, before the first that has not.
        update: None if nothing needs to be stored.
    """

    due: Due
    shown: Shown
    ended: int = 0
    has_task: bool = False
    update: RecordUpdate | None = None

    def checked(self, ledger: Ledger) -> Checked:
        if self.update is None or self.shown.builds is None:
            return Checked(self.due)
        running = self.shown.builds[self.ended :]
        # The ledger is asked too: if the process died after the update, these builds are no longer new.
        is_task = self.has_task or _undecided(self.shown.builds) or ledger.has_proved(self.due.workspace_id)
        return Checked(self.due, _next_check(running), is_task, not running)


def _proof(due: Due, version: int, evidence: Evidence, known: ReconciledWorkspace, shown: Shown) -> _Proof:
    if shown.builds is None or (not version and _without_task(shown.builds)):
        # In the second case, the workspace was found in the history.
        return _Proof(due, shown)
    ended = ended_prefix(shown.builds)
    has_task = evidence.task or HAS_TASK in shown.names
    records = proved_records(ended, evidence, shown.names) if has_task else ()
    newest = ended[-1].build_number if ended else known.last_proved
    update = RecordUpdate(due.workspace_id, version, evidence.consumed(), (), records, newest)
    return _Proof(due, shown, len(ended), has_task, update)


def _undecided(builds: Sequence[Build]) -> bool:
    """Return whether no build shows if there is a task: failed and cancelled ones do not, and a later one may count."""
    return bool(builds) and all(build.has_ai_task is None for build in builds)


def _without_task(builds: Sequence[Build]) -> bool:
    """Return whether all builds of a workspace have ended and none belongs, or may belong, to a task."""
    flags = {build.has_ai_task for build in builds}
    return False in flags and True not in flags and all(build.ended for build in builds)


def _resolve_name(state: CoderState, ledger: Ledger, api: CoderApi, due: Due) -> int | None:
    """Find the id of a workspace that old payloads only name, and have it verified.

    If Coder no longer shows a workspace with that name to this token, the estimate stays. It is replaced only once the
    workspace itself is verified; if the process dies before that, the name is still due.
    """
    owner, _, name = due.workspace_id.removeprefix(BY_NAME).partition("/")
    found = {w.id: w.names for w in api.workspaces(f"owner:{owner} name:{name}") if w.name.lower() == name}
    now = clock.now().timestamp()
    state.request_verification(found, now)
    ledger.name(found)
    changes = [verify_workspace(state, ledger, api, Due(workspace_id, now)) for workspace_id in found]
    if not changes or None in changes:
        state.verified(due, None)
        return None
    version, evidence = ledger.read([due.workspace_id])[due.workspace_id]
    moved, conflicts = ledger.update_records([RecordUpdate(due.workspace_id, version, evidence.consumed(), ())])
    state.verified(due, now + _SOONEST_CHECK if conflicts else None)
    return moved + sum(change for change in changes if change is not None)


def _next_check(running: Sequence[Build]) -> float | None:
    if not running:
        return None
    now = clock.now()
    age = (now - running[0].created_at).total_seconds() if running[0].created_at else 0.0
    return now.timestamp() + min(max(age / 2, _SOONEST_CHECK), _LATEST_CHECK)
