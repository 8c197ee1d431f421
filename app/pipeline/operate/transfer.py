"""Transfer: export of records in pages, and import from another or an earlier meter.

A proved record is imported as it is. A provisional one is not, because it is derived from evidence: the evidence that
it names is imported, and the estimate follows by union, so importing again is harmless. Two kinds of records are held
back because they could count a build twice: provisional ones for a workspace with builds that are proved here, and
proved ones for a workspace with an estimate here that the file does not explain.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from app import clock
from app.config.load import Config
from app.core.count.delivery import Event
from app.core.count.estimate import provisional_records
from app.core.count.evidence import NOTHING_FOLDED, Evidence
from app.core.count.meter import AWB, RecordState, UsageRecord
from app.core.count.rules import EvidenceKind, Outcome, Verdict
from app.store.conflicts import ConflictError, retry_conflicts
from app.store.count.ledger import Ledger, RecordUpdate
from app.store.count.records import Records
from app.store.store import Store

_PAGE: Final = 1000
_BATCH: Final = 500
Progress = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of importing a file's records, or of a dry run.

    Attributes:
        new: records that are newly counted.
        known: records that exist here, or are covered by existing evidence.
        held_back: records left out because this meter has other data about the workspace, or lacks the rule.
    """

    new: int = 0
    known: int = 0
    held_back: int = 0

    def __add__(self, other: "Imported") -> "Imported":
        return Imported(self.new + other.new, self.known + other.known, self.held_back + other.held_back)


class BusyLedgerError(Exception):
    """Other processes kept changing workspaces; importing again continues from here."""


def export(store: Store, *, start: float | None = None, end: float | None = None) -> Iterator[UsageRecord]:
    """Yield records, newest first, from `start` up to but not including `end`, in seconds since the epoch.

    Records counted meanwhile may be missing, but no record is yielded twice.
    """
    records, cursor = store.records(AWB), None
    while True:
        found, cursor = records.page(cursor, _PAGE, start=start, end=end)
        yield from found
        if cursor is None:
            return


def import_records(
    store: Store,
    config: Config,
    read: Callable[[], Iterable[UsageRecord]],
    *,
    dry_run: bool = False,
    progress: Progress = lambda _done: None,
) -> Imported:
    """Import records, atomically for each workspace; importing them again changes nothing.

    If the process dies here, some workspaces have been updated; the next import continues with the others.

    Args:
        store: the deployment's data.
        config: the rules and lists in effect.
        read: yields the file's records from the start; it is called twice, because proved records come first.
        dry_run: change nothing.
        progress: called after every batch with the number of records checked, over both rounds.

    Raises:
        BusyLedgerError: some records were imported, some were not.
    """
    ledger = store.ledger(AWB)
    took, done = Imported(), 0
    for state, plan in ((RecordState.PROVED, _plan_proved), (RecordState.PROVISIONAL, _plan_provisional)):
        for batch in _batches(read()):
            wanted = [record for record in batch if record.state is state]
            groups = _by_workspace(wanted)
            took += _take(ledger, config, groups, plan, dry_run=dry_run)
            if state is RecordState.PROVISIONAL and config.verifying(store.deployment) and not dry_run:
                store.coder.request_verification(groups, clock.now().timestamp())
            done += len(batch)
            progress(done)
    return took


#: The update, if there is one, and how the records of one workspace are tallied.
_Plan = tuple[RecordUpdate | None, Imported]
_Planner = Callable[[Ledger, Config, Sequence[UsageRecord], int, Evidence], _Plan]


def _take(
    ledger: Ledger, config: Config, waiting: Mapping[str, Sequence[UsageRecord]], plan: _Planner, *, dry_run: bool
) -> Imported:
    took = Imported()

    def attempt(unsettled: Mapping[str, Sequence[UsageRecord]]) -> Collection[str]:
        nonlocal took
        known = ledger.read(list(unsettled))
        plans = {one: plan(ledger, config, unsettled[one], *known[one]) for one in known}
        updates = [update for update, _ in plans.values() if update]
        conflicts = set(ledger.update_records(updates)[1]) if updates and not dry_run else set()
        for workspace_id, (_update, counted) in plans.items():
            took += Imported() if workspace_id in conflicts else counted
        return conflicts

    try:
        retry_conflicts(waiting, attempt)
    except ConflictError as error:
        raise BusyLedgerError(f"{len(error.names)} workspaces keep changing; import once more") from None
    return took


def _plan_proved(
    ledger: Ledger, _config: Config, records: Sequence[UsageRecord], version: int, evidence: Evidence
) -> _Plan:
    kept = Records(ledger.connection, ledger.deployment, ledger.meter)
    fresh = [record for record in records if kept.record(record.key) is None]
    known = len(records) - len(fresh)
    if not fresh:
        return None, Imported(known=known)
    # As in verification, builds replace the estimate, but here only if they explain all of it.
    explained = {message_id for record in records for message_id in record.deliveries}
    if evidence.base != NOTHING_FOLDED or not _messages(evidence) <= explained:
        return None, Imported(known=known, held_back=len(fresh))
    update = RecordUpdate(records[0].workspace_id, version, evidence.consumed(), (), proved=fresh)
    return update, Imported(new=len(fresh), known=known)


def _plan_provisional(
    ledger: Ledger, config: Config, records: Sequence[UsageRecord], version: int, evidence: Evidence
) -> _Plan:
    workspace_id = records[0].workspace_id
    if ledger.has_proved(workspace_id):
        return None, Imported(held_back=len(records))
    kinds = {rule.name: rule.verdict.evidence for rule in config.rules}
    derivable = [record for record in records if kinds.get(record.rule)]
    messages = [message_id for record in derivable for message_id in record.deliveries]
    folded = ledger.read_workspaces({workspace_id: messages})[workspace_id].counted
    grown = evidence
    for record in derivable:
        news = [message_id for message_id in record.deliveries if message_id not in folded]
        if news:
            grown = _with_record(grown, replace(record, deliveries=tuple(news)), kinds)
    before, after = (_estimate(config, workspace_id, one) for one in (evidence, grown))
    new = min(max(len(after) - len(before), 0), len(derivable))
    counted = Imported(new=new, known=len(derivable) - new, held_back=len(records) - len(derivable))
    if grown == evidence:
        return None, counted
    return RecordUpdate(workspace_id, version, grown, after), counted


def _with_record(evidence: Evidence, record: UsageRecord, kinds: Mapping[str, EvidenceKind | None]) -> Evidence:
    """Add the evidence of a provisional record's deliveries, as if they had arrived here."""
    verdict = Verdict(Outcome.EVIDENCE, record.rule, record.reason, kinds[record.rule], record.meter, record.weight)
    for message_id in record.deliveries:
        event = Event(
            deployment="",
            message_id=message_id,
            received_at=record.at,
            template_id="",
            name="",
            workspace_id=record.workspace_id,
            workspace=record.workspace,
            owner=record.owner,
            template=record.template,
            organization=record.organization,
            build_number=None,
            payload={},
        )
        evidence = evidence.with_event(event, verdict)
    # The other meter counted it, whatever this meter's list of templates.
    return replace(evidence, task=True)


def _estimate(config: Config, workspace_id: str, evidence: Evidence) -> tuple[UsageRecord, ...]:
    return provisional_records(evidence, AWB, workspace_id, config.ai_templates, config.reason_of)


def _messages(evidence: Evidence) -> set[str]:
    """Return the ids of deliveries on which an estimate may be based."""
    seen = (*evidence.created, *evidence.resumed, *evidence.paused, *evidence.seen)
    return {sighting.message_id for sighting in seen}


def _batches(records: Iterable[UsageRecord]) -> Iterator[list[UsageRecord]]:
    left = iter(records)
    while batch := list(islice(left, _BATCH)):
        yield batch


def _by_workspace(records: Iterable[UsageRecord]) -> dict[str, list[UsageRecord]]:
    """Group records by workspace, each key once: a file may contain duplicates."""
    groups: dict[str, dict[str, UsageRecord]] = defaultdict(dict)
    for record in records:
        groups[record.workspace_id].setdefault(record.key, record)
    return {workspace_id: list(found.values()) for workspace_id, found in groups.items()}
