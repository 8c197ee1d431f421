"""Asking: what Coder's API shows of one workspace."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.coder.api import CoderApi, CoderApiError, Failure
from app.core.coder.shapes import HAS_TASK, Build
from app.core.coder.versions import FLAG_MEANS_TEMPLATE
from app.core.count.proof import counting
from app.pipeline.count.naming import Names
from app.store.coder.state import CoderState
from app.store.count.ledger import Ledger
from app.store.count.naming import Naming
from app.store.count.storedworkspace import ReconciledWorkspace


@dataclass(frozen=True, slots=True)
class Shown:
    """What Coder shows of a workspace.

    Attributes:
        builds: those after the last proved one, in ascending order; None if Coder does not show the workspace.
        names: the names for its records.
    """

    builds: Sequence[Build] | None
    names: Mapping[str, str]


def ask(state: CoderState, ledger: Ledger, api: CoderApi, workspace_id: str, known: ReconciledWorkspace) -> Shown:
    """Ask Coder about a workspace.

    Raises:
        CoderApiError: Coder did not answer.
    """
    builds = _builds(api, workspace_id, known.last_proved)
    return Shown(builds, _names(state, ledger, api, workspace_id, known, builds) if builds else known.names)


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
