"""Coder's history, which leads to workspaces that were created and deleted between two passes.

Every edition shows provisioner jobs to owners and organization template admins. If the token may not read them, the
audit log is used, except on an AGPL server, where it is empty. Both also contain ordinary workspaces, so the builds
that have been checked are remembered.
"""

from datetime import UTC, datetime
from typing import Final

from app.coder.api import CoderApi, CoderApiError, Failure
from app.coder.history import AUDIT_PAGE
from app.core.coder.history import HistorySource
from app.core.coder.passes import PassState, Window
from app.store.coder.passes import Passes
from app.store.coder.state import CoderState
from app.store.count.ledger import Ledger
from app.store.count.naming import Naming

#: The numbers of jobs requested, one after the other, until the jobs reach back far enough. Each answer begins with the
#: newest job again, so those that will not suffice are skipped.
_LIMITS: Final = (200, 1000, 5000, 20_000, 50_000)
#: Checks from before the current windows need not be remembered.
_REMEMBERED: Final = 86_400.0
# A log with more entries than this is endless: the server ignores the offset.
_MOST_ENTRIES: Final = 5_000_000
_DENIED: Final = frozenset({Failure.FORBIDDEN, Failure.NOT_FOUND, Failure.REJECTED})


def available(api: CoderApi) -> HistorySource:
    """Return what shows deleted workspaces to this token, found with minimal requests.

    Raises:
        CoderApiError: Coder did not answer.
    """
    try:
        organizations = api.history.organizations()
        for organization in organizations:
            api.history.provisioner_jobs(organization.id, 1)
        if organizations:
            return HistorySource.PROVISIONER_JOBS
    except CoderApiError as error:
        if error.kind not in _DENIED:
            raise
    try:
        # Without entitlements this is an AGPL server, whose log is empty or outdated.
        api.entitlements()
        return HistorySource.AUDIT if api.history.keeps_audit_log() else HistorySource.NONE
    except CoderApiError as error:
        if error.kind not in _DENIED:
            raise
    return HistorySource.NONE


class Past:
    """Reads windows of history, one response of Coder's at a time.

    Workspaces found in a response are stored before the step is: if the process dies in between, it is read again.
    """

    def __init__(self, api: CoderApi, state: CoderState, ledger: Ledger, passes: Passes) -> None:
        self.api = api
        self.names = Naming(state.connection, state.deployment, ledger.meter)
        self.state = state
        self.ledger = ledger
        self.passes = passes

    def step(self, now: PassState, at: float) -> tuple[PassState, list[str]]:
        """Read one response for the newest window, and return the resulting state and the workspaces to verify.

        Raises:
            CoderApiError: Coder did not answer.
        """
        window = now.windows[-1]
        try:
            match window.source:
                case None:
                    return self._choose(now, window), []
                case HistorySource.PROVISIONER_JOBS:
                    return self._jobs(now, window, at)
                case _:
                    return self._audit(now, window, at)
        except CoderApiError as error:
            if error.kind not in _DENIED:
                raise
            return self._denied(now, window), []

    def _choose(self, now: PassState, window: Window) -> PassState:
        organizations = self.api.history.organizations()
        if not organizations:
            return self._denied(now, window)
        # If a name differs from the known one, a listing reports it and updates the records.
        named = {("organization", one.id): one.name for one in organizations if one.name}
        known = self.names.newest(named)
        self.names.keep({one: name for one, name in named.items() if one not in known})
        jobs = HistorySource.PROVISIONER_JOBS
        return now.instead(
            *(window.model_copy(update={"source": jobs, "organization": one.id}) for one in organizations)
        )

    def _denied(self, now: PassState, window: Window) -> PassState:
        """Continue with the audit log, once for all organizations, and after that without a source."""
        if window.source is HistorySource.AUDIT:
            return _source(now, window, HistorySource.NONE).instead()
        audit = Window(since=window.since, to=window.to, source=HistorySource.AUDIT)
        others = [one for one in now.windows[:-1] if one != audit]
        return now.model_copy(update={"windows": (audit, *others)})

    def _jobs(self, now: PassState, window: Window, at: float) -> tuple[PassState, list[str]]:
        limit = next(number for number in _LIMITS if number > window.read)
        jobs = self.api.history.provisioner_jobs(window.organization, limit)
        builds: dict[str, float] = {}
        for job in jobs:
            if job.workspace_id and job.created_at >= window.since:
                builds[job.workspace_id] = max(job.created_at, builds.get(job.workspace_id, job.created_at))
        oldest = jobs[-1].created_at if jobs else window.since
        after = _source(now, window, HistorySource.PROVISIONER_JOBS).model_copy(update={"back_to": oldest})
        if len(jobs) < limit or oldest < window.since:
            after = after.instead()
        elif limit == _LIMITS[-1]:
            # Older than the jobs that one response can contain: the audit log continues from there, if it may be read.
            after = after.instead(Window(since=window.since, to=oldest, source=HistorySource.AUDIT))
        else:
            expected = limit * (window.to - window.since) / max(window.to - oldest, 1.0)
            after = after.instead(window.model_copy(update={"read": _too_few(limit, expected)}))
        return after, self._request_newer(builds, {}, at, window)

    def _audit(self, now: PassState, window: Window, at: float) -> tuple[PassState, list[str]]:
        if self.state.entitlements() is None:
            return self._denied(now, window), []
        since = datetime.fromtimestamp(window.since, UTC)
        # Coder treats 23:59:59 as the end of a day.
        to = datetime.fromtimestamp(window.to + 1, UTC)
        page = self.api.history.audited_builds(since, to, window.read)
        if not page and not window.read and not self.api.history.keeps_audit_log():
            return self._denied(now, window), []
        builds: dict[str, float] = {}
        numbers: dict[str, int] = {}
        for entry in page:
            ended_at = entry.time.timestamp()
            if entry.workspace_id and ended_at >= window.since:
                builds[entry.workspace_id] = max(ended_at, builds.get(entry.workspace_id, ended_at))
                number = entry.build_number or 1
                numbers[entry.workspace_id] = max(number, numbers.get(entry.workspace_id, 1))
        after = _source(now, window, HistorySource.AUDIT)
        oldest = page[-1].time.timestamp() if page else window.since
        after = after.model_copy(update={"back_to": oldest})
        if len(page) < AUDIT_PAGE or oldest < window.since or window.read > _MOST_ENTRIES:
            after = after.instead()
        else:
            after = after.instead(window.model_copy(update={"read": window.read + len(page)}))
        return after, self._request_newer(builds, numbers, at, window)

    def _request_newer(self, builds: dict[str, float], numbers: dict[str, int], at: float, window: Window) -> list[str]:
        unseen = self.passes.unseen(list(builds))
        newer = self.passes.newer({one: builds[one] for one in unseen})
        known = self.ledger.known(newer)
        wanted = [one for one in newer if one not in numbers or numbers[one] > known[one].last_proved]
        self.state.request_verification(wanted, at)
        self.passes.note_examined({one: builds[one] for one in newer}, window.since - _REMEMBERED)
        return wanted


def _too_few(limit: int, expected: float) -> int:
    """Return the largest number of jobs that will not suffice either, if older ones are as dense as those read."""
    return max(limit, *(number for number in _LIMITS[:-1] if number < expected))


def _source(now: PassState, window: Window, source: HistorySource) -> PassState:
    """Record the source of the newest window; if organizations differ, the less complete one."""
    if window.to != now.begun:
        return now
    order = list(HistorySource)
    former = now.source or source
    return now.model_copy(update={"source": max(former, source, key=order.index)})
