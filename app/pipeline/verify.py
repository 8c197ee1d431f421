"""Verify: a workspace's builds, from Coder's API, take the place of what notifications hinted at."""

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC
from typing import Final

import redis
import structlog

from app import clock
from app.coderapi import CoderApi, CoderApiError, Failure
from app.config import Config
from app.core.coder import HAS_TASK, Build
from app.core.drift import DriftPoint
from app.core.meter import AWB, UsageRecord
from app.core.proof import counting, proved_records, settled_prefix
from app.core.versions import FLAG_MEANS_TEMPLATE
from app.pipeline.usage import current_usage
from app.store.coderstate import CoderState, Due
from app.store.ledger import Known, Ledger, Settlement

log = structlog.get_logger(__name__)
#: Requests to Coder at once.
AT_ONCE: Final = 4
_BATCH: Final = 64
_ROUNDS: Final = 5
# A running build is looked at again after half of its age so far, within these bounds.
_SOONEST_LOOK, _LATEST_LOOK = 10.0, 600.0
_AFTER_FAILURE, _LONGEST_AFTER_FAILURE = 60.0, 1800.0
# Failures in a row, without a success between them, after which no more is asked.
_RUN: Final = 8
# Some failures concern every workspace, and a time-out takes minutes.
_WEIGHTS: Final = {
    Failure.UNAUTHORIZED: _RUN,
    Failure.TLS: _RUN,
    Failure.REDIRECTED: _RUN,
    Failure.TIMEOUT: _RUN // 2,
}


#: Called with the number of workspaces done so far, and of those still to do.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Verified:
    """What verifying did.

    Attributes:
        workspaces: how many Coder answered for.
        change: in units.
        failure: what the API as a whole failed with; None while it answers.
        left: how many workspaces Coder did not answer for; they come again.
    """

    workspaces: int
    change: int
    failure: CoderApiError | None = None
    left: int = 0


class _Breaker:
    """Counts failures in a row over all threads, so that a run of them stops the asking and a single one does not."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._run = 0
        self.answers = 0
        self.last: CoderApiError | None = None

    def succeeded(self) -> None:
        with self._lock:
            self._run = 0
            self.answers += 1

    def failed(self, error: CoderApiError) -> None:
        with self._lock:
            self._run += _WEIGHTS.get(error.kind, 1)
            self.last = error

    @property
    def open(self) -> bool:
        return self._run >= _RUN


def verify_due(
    connection: "redis.Redis",
    config: Config,
    api: CoderApi,
    deployment: str,
    *,
    seconds: float = math.inf,
    progress: Progress = lambda _looked, _left: None,
) -> Verified:
    """Verify every workspace that is due, at most four at once, and end the pass that made them due.

    If we die here, what is not verified stays due. Deliveries that come meanwhile make their workspace due anew.

    Args:
        connection: Redis.
        config: the configuration in force.
        api: the deployment's API.
        deployment: its name.
        seconds: stop after about this long; the rest stays due.
        progress: told after every batch how many were looked at and how many are left.
    """
    state = CoderState(connection, deployment)
    ledger = Ledger(connection, deployment, AWB)
    breaker = _Breaker()
    stop_at = clock.now().timestamp() + seconds

    def verify_one(due: Due) -> int | CoderApiError | None:
        if breaker.open or clock.now().timestamp() >= stop_at:
            return None
        return _verify(state, ledger, api, due, breaker)

    looked = change = 0
    failed: dict[str, CoderApiError] = {}
    all_done = False
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="verify") as pool:
        while not breaker.open and clock.now().timestamp() < stop_at:
            batch = state.due(now := clock.now().timestamp(), _BATCH)
            if not batch:
                all_done = True
                break
            outcomes = list(zip(batch, pool.map(verify_one, batch), strict=True))
            moved = [outcome for _, outcome in outcomes if isinstance(outcome, int)]
            failed |= {due.workspace_id: error for due, error in outcomes if isinstance(error, CoderApiError)}
            looked += len(moved)
            change += sum(moved)
            progress(looked, state.due_count(now))
    failure = _failure(state, api, breaker)
    if failure is None:
        state.stumbled({workspace_id: str(error) for workspace_id, error in failed.items()}, clock.now())
    # While the API fails, the pass goes on, though nothing may be due at the moment.
    if all_done and state.mark("failing_since") is None:
        end_pass(connection, config, state)
    return Verified(looked, change, failure, len(failed))


def _failure(state: CoderState, api: CoderApi, breaker: _Breaker) -> CoderApiError | None:
    """Return what the API as a whole fails with, and note it; only a real answer ends the time in which it fails.

    Where some workspaces failed, one more question tells whether it is theirs alone.
    """
    failure = breaker.last
    if failure is not None and not breaker.open:
        try:
            api.me()
            failure = None
        except CoderApiError as error:
            failure = error
    elif failure is None and not breaker.answers:
        return None
    if failure is None:
        state.answered()
    else:
        state.failed(str(failure), clock.now())
    return failure


def end_pass(connection: "redis.Redis", config: Config, state: CoderState) -> None:
    """Note a pass whose workspaces are all verified and, where Coder counts, both numbers for the same builds."""
    begun = state.mark("pass_begun_at")
    if begun is None:
        return
    entitlements = state.entitlements()
    usage = current_usage(connection, config, state.deployment, AWB, top=False)
    if entitlements and entitlements.refreshed_at and usage.coder_actual is not None:
        counted = usage.counted - usage.since_refresh
        state.add_drift(DriftPoint(entitlements.refreshed_at.astimezone(UTC), counted, usage.coder_actual))
    if state.mark("first_reconciled_at") is None:
        state.note(first_reconciled_at=begun)
    state.note(reconciled_at=begun, pass_begun_at=None)


def _verify(state: CoderState, ledger: Ledger, api: CoderApi, due: Due, breaker: _Breaker) -> int | CoderApiError:
    try:
        moved = verify_workspace(state, ledger, api, due)
    except CoderApiError as error:
        log.warning("workspace not verified", workspace_id=due.workspace_id, why=error.kind.value, error=str(error))
        # It comes again after a while, later and later: no listing may show it again.
        wait = min(_AFTER_FAILURE * 2 ** state.times_failed(due.workspace_id), _LONGEST_AFTER_FAILURE)
        state.verified(due, clock.now().timestamp() + max(wait, error.retry_after or 0.0))
        breaker.failed(error)
        return error
    if moved is None:
        return 0
    breaker.succeeded()
    return moved


def verify_workspace(state: CoderState, ledger: Ledger, api: CoderApi, due: Due) -> int | None:
    """Settle one workspace with its builds and return the change in units; None where Coder does not show it.

    Raises:
        CoderApiError: Coder did not answer; nothing was changed.
    """
    workspace_id = due.workspace_id
    if workspace_id.startswith("name:"):
        return _resolve_name(state, ledger, api, due)
    for _ in range(_ROUNDS):
        version, evidence = ledger.read([workspace_id])[workspace_id]
        known = ledger.known([workspace_id])[workspace_id]
        builds = _builds(api, workspace_id, known.last_proved)
        if builds is None:
            break
        ended = settled_prefix(builds)
        names = _names(state, ledger, api, workspace_id, known, builds)
        has_task = evidence.task or HAS_TASK in names
        records = proved_records(ended, evidence, names) if has_task else ()
        newest = ended[-1].build_number if ended else known.last_proved
        settlement = Settlement(
            workspace_id, version, evidence.consumed(), (), _latest(records), proved=records, last_proved=newest
        )
        moved, conflicts = ledger.settle([settlement])
        if conflicts:
            continue
        running = builds[len(ended) :]
        # Failed and cancelled builds do not tell whether there is a task, so a later one may still count.
        untold = bool(builds) and all(build.has_ai_task is None for build in builds)
        # Asked of the ledger too: if we died behind settling, these builds are no news any more.
        is_task = has_task or untold or ledger.has_proved(workspace_id)
        state.settled(workspace_id, is_task=is_task, ended=not running)
        state.verified(due, _look_again(running))
        log.info("workspace verified", workspace_id=workspace_id, builds=len(ended), proved=len(records), change=moved)
        return moved
    else:
        state.verified(due, clock.now().timestamp() + _SOONEST_LOOK)
        return 0
    state.settled(workspace_id, is_task=False, ended=True)
    state.verified(due, None)
    log.info("workspace cannot be verified", workspace_id=workspace_id, why="Coder does not show it to this token")
    return None


def _builds(api: CoderApi, workspace_id: str, last: int) -> list[Build] | None:
    """Return the builds after the last proved one; None when Coder does not show the workspace to this token.

    Its evidence then stands as the estimate that it is. No workspace is without builds, so none at all show nothing.
    """
    try:
        return api.builds(workspace_id, since_number=last) or (None if last == 0 else [])
    except CoderApiError as error:
        if error.kind in (Failure.NOT_FOUND, Failure.FORBIDDEN):
            return None
        raise


def _names(
    state: CoderState, ledger: Ledger, api: CoderApi, workspace_id: str, known: Known, builds: Sequence[Build]
) -> Mapping[str, str]:
    """Return what a workspace's records need besides its builds; Coder is asked once, if no listing has told of it.

    Where Coder does not say whether there is a task, the flag of its builds is all there is to go by, if this version
    does not flag builds by their template.
    """
    if not counting(builds) or {"template", "organization", HAS_TASK} <= known.names.keys():
        return known.names
    try:
        workspace = api.workspace(workspace_id)
    except CoderApiError as error:
        if error.kind not in (Failure.NOT_FOUND, Failure.FORBIDDEN):
            raise
        return _trusting_flags(state, known.names)
    names = {**known.names, **workspace.names}
    if names != known.names:
        ledger.name({workspace_id: names})
    return names if workspace.tells_task else _trusting_flags(state, names)


def _trusting_flags(state: CoderState, names: Mapping[str, str]) -> Mapping[str, str]:
    info = state.build_info()
    doubtful = FLAG_MEANS_TEMPLATE.holds(info.number if info else None)
    return names if doubtful else {HAS_TASK: "yes", **names}


def _resolve_name(state: CoderState, ledger: Ledger, api: CoderApi, due: Due) -> int | None:
    """Find the id of a workspace that old payloads only name, and let its own verification count it.

    Where Coder shows none of that name to this token, or no longer, the evidence stands as the estimate that it is. It
    is given up only once the workspace itself is verified; if we die before that, the name is still due.
    """
    owner, _, name = due.workspace_id.removeprefix("name:").partition("/")
    found = {w.id: w.names for w in api.workspaces(f"owner:{owner} name:{name}") if w.name.lower() == name}
    now = clock.now().timestamp()
    state.ask(found, now)
    ledger.name(found)
    changes = [verify_workspace(state, ledger, api, Due(workspace_id, now)) for workspace_id in found]
    if not changes or None in changes:
        state.verified(due, None)
        return None
    version, evidence = ledger.read([due.workspace_id])[due.workspace_id]
    moved, conflicts = ledger.settle([Settlement(due.workspace_id, version, evidence.consumed(), (), 0)])
    state.verified(due, now + _SOONEST_LOOK if conflicts else None)
    return moved + sum(change for change in changes if change is not None)


def _look_again(running: Sequence[Build]) -> float | None:
    if not running:
        return None
    now = clock.now()
    age = (now - running[0].created_at).total_seconds() if running[0].created_at else 0.0
    return now.timestamp() + min(max(age / 2, _SOONEST_LOOK), _LATEST_LOOK)


def _latest(records: Sequence[UsageRecord]) -> float:
    return max((record.at for record in records), default=0.0)
