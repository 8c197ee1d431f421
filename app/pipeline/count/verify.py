"""Verify: prove every workspace that is due, and complete the pass that requested it."""

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final, TypeVar

import redis
import structlog

from app import clock
from app.coder.api import CoderApi, CoderApiError, Failure
from app.config.load import Config
from app.core.count.meter import AWB
from app.core.limit.drift import DriftPoint
from app.pipeline.count.ask import Shown, ask
from app.pipeline.count.prove import BY_NAME, verify_workspace, verify_workspaces
from app.pipeline.usage import current_usage
from app.store.coder.state import CoderState, Due
from app.store.count.ledger import Ledger
from app.store.count.storedworkspace import ReconciledWorkspace
from app.store.store import Store

T = TypeVar("T")
log = structlog.get_logger(__name__)
#: Concurrent requests to Coder.
AT_ONCE: Final = 4
_BATCH: Final = 64
_AFTER_FAILURE, _LONGEST_AFTER_FAILURE = 60.0, 1800.0
# The number of consecutive failures after which no more requests are sent.
_RUN: Final = 8
# Some failures affect every workspace, and a time-out takes minutes.
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
    """The result of verifying.

    Attributes:
        workspaces: the number of workspaces for which Coder answered.
        change: the change in units.
        failure: the error of the API as a whole; None if it answers.
        left: the number of workspaces for which Coder did not answer; they are retried.
    """

    workspaces: int
    change: int
    failure: CoderApiError | None = None
    left: int = 0


class _Breaker:
    """Counts consecutive failures over all threads: a series of them stops the requests, a single one does not."""

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
    store: Store,
    config: Config,
    api: CoderApi,
    *,
    seconds: float = math.inf,
    progress: Progress = lambda _looked, _left: None,
) -> Verified:
    """Verify every workspace that is due, up to four at a time, and complete the pass that requested it.

    If the process dies here, unverified workspaces stay due. Deliveries that arrive meanwhile make theirs due again.

    Args:
        store: the deployment's data.
        config: the configuration in effect.
        api: the deployment's API.
        seconds: stop after about this long; the rest stays due.
        progress: called after every batch with the number checked and the number left.
    """
    state = store.coder
    all_done = False
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="verify") as pool:
        work = _Work(state, store.ledger(AWB), api, clock.now().timestamp() + seconds, pool)
        while not work.over:
            batch = state.due(now := clock.now().timestamp(), _BATCH)
            if not batch:
                all_done = True
                break
            work.verify(batch)
            progress(work.looked, state.due_count(now))
    failure = _failure(state, api, work.breaker)
    if failure is None:
        state.stumbled({workspace_id: str(error) for workspace_id, error in work.failed.items()}, clock.now())
    # While the API fails, the pass stays open, even if nothing is due at the moment.
    if all_done and state.mark("failing_since") is None:
        end_pass(store.redis, config, state)
    return Verified(work.looked, work.change, failure, len(work.failed))


class _Work:
    """Verifies batches of workspaces until there is a reason to stop. Threads ask Coder; one reads and writes Redis."""

    def __init__(
        self, state: CoderState, ledger: Ledger, api: CoderApi, stop_at: float, pool: ThreadPoolExecutor
    ) -> None:
        self.state = state
        self.ledger = ledger
        self.api = api
        self.stop_at = stop_at
        self.pool = pool
        self.breaker = _Breaker()
        self.looked = self.change = 0
        self.failed: dict[str, CoderApiError] = {}

    @property
    def over(self) -> bool:
        return self.breaker.open or clock.now().timestamp() >= self.stop_at

    def verify(self, batch: Sequence[Due]) -> None:
        """Verify a batch. After a failure a workspace is retried with growing delays: no listing may show it again."""
        dues = {due.workspace_id: due for due in batch}
        named = [due for due in batch if due.workspace_id.startswith(BY_NAME)]
        changes = verify_workspaces(
            self.state,
            self.ledger,
            [due for due in batch if due not in named],
            lambda asked: self._ask_all(dues, asked),
        )
        for due in named:
            for change in self._attempt(due, verify_workspace, due):
                changes[due.workspace_id] = change
                if change is not None:
                    self.breaker.succeeded()
        self.looked += len(changes)
        self.change += sum(change or 0 for change in changes.values())
        for workspace_id in changes:
            self.failed.pop(workspace_id, None)

    def _ask_all(self, dues: Mapping[str, Due], asked: Mapping[str, ReconciledWorkspace]) -> dict[str, Shown]:
        def ask_one(workspace_id: str) -> list[Shown]:
            found = self._attempt(dues[workspace_id], ask, workspace_id, asked[workspace_id])
            if any(shown.builds is not None for shown in found):
                self.breaker.succeeded()
            return found

        return {
            workspace_id: shown
            for workspace_id, found in zip(asked, self.pool.map(ask_one, asked), strict=True)
            for shown in found
        }

    def _attempt(self, due: Due, step: Callable[..., T], *args: Any) -> list[T]:
        """Return the result of one step that asks Coder; nothing if it failed, or if there is a reason to stop."""
        if self.over:
            return []
        try:
            return [step(self.state, self.ledger, self.api, *args)]
        except CoderApiError as error:
            log.warning("workspace not verified", workspace_id=due.workspace_id, why=error.kind.value, error=str(error))
            wait = min(_AFTER_FAILURE * 2 ** self.state.times_failed(due.workspace_id), _LONGEST_AFTER_FAILURE)
            self.state.verified(due, clock.now().timestamp() + max(wait, error.retry_after or 0.0))
            self.breaker.failed(error)
            # Each thread has other workspaces.
            self.failed[due.workspace_id] = error
            return []


def _failure(state: CoderState, api: CoderApi, breaker: _Breaker) -> CoderApiError | None:
    """Return the error of the API as a whole, and store it; only a successful answer ends the failure.

    If some workspaces failed, one more request shows whether only these are affected.
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
    """Record that a pass is complete and, if Coder counts, both numbers for the same builds."""
    begun = state.mark("pass_begun_at")
    if begun is None:
        return
    entitlements = state.entitlements()
    usage = current_usage(Store(connection, state.deployment), config, AWB, top=False)
    if entitlements and entitlements.refreshed_at and usage.coder_actual is not None:
        counted = usage.counted - usage.since_refresh
        state.add_drift(DriftPoint(entitlements.refreshed_at.astimezone(UTC), counted, usage.coder_actual))
    if state.mark("first_reconciled_at") is None:
        state.note(first_reconciled_at=begun)
    state.note(reconciled_at=begun, pass_begun_at=None)
