"""Counting: deliveries are classified, verdicts become evidence, and evidence becomes records, each exactly once.

Deliveries are counted in batches: one read and one script call for each workspace, however many deliveries mention it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import redis
import structlog

from app import clock
from app.config.load import Config
from app.core.count.delivery import Event, to_event
from app.core.count.estimate import fold, provisional_records, settled_keys
from app.core.count.evidence import Evidence
from app.core.count.meter import AWB, UsageRecord
from app.core.count.rules import EvidenceKind, Outcome, Verdict, classify
from app.store.coder.state import CoderState
from app.store.conflicts import retry_conflicts
from app.store.count.ledger import Ledger, RecordUpdate
from app.store.count.records import Records
from app.store.count.storedworkspace import StoredWorkspace
from app.store.receive.inbox import Inbox, Remembered
from app.store.store import Store

log = structlog.get_logger(__name__)
_DAY: Final = 86_400
# Values that a newer version adds to a queued delivery come after these.
_KNOWN: Final = 4


@dataclass(frozen=True, slots=True)
class Classified:
    event: Event
    verdict: Verdict


def count(connection: "redis.Redis", config: Config, deliveries: Sequence[Sequence[Any]]) -> set[tuple[str, str]]:
    """Count queued deliveries and return the (deployment, meter) pairs whose usage changed.

    If the process dies between writing the ledger and the outcomes of deliveries, the jobs run again: the ledger
    already has the evidence and does not change, and the outcomes are written.

    Args:
        connection: Redis.
        config: the rules and lists in effect.
        deliveries: (deployment, message id, arrival, redacted payload) for each, as queued by the receiver.

    Raises:
        redis.exceptions.RedisError: some of them may have been counted; counting them again is harmless.
    """
    classified = [_classify(config.of(delivery[0]), *delivery[:_KNOWN]) for delivery in deliveries]
    changed = set()
    for (deployment, meter), items in _by_meter(classified).items():
        ledger = Ledger(connection, deployment, meter)
        if add_evidence(ledger, config.of(deployment), items):
            changed.add((deployment, meter))
    _remember(connection, config, classified)
    _request_verification(connection, config, classified)
    return changed


def _request_verification(connection: "redis.Redis", config: Config, classified: Sequence[Classified]) -> None:
    """Request the verification of every workspace that a delivery names, whether or not it counted.

    If the process dies before this, the job runs again; the next pass over Coder's API would also find the workspace.
    """
    mentioned: dict[str, set[str]] = defaultdict(set)
    for item in classified:
        if item.event.workspace_id and config.of(item.event.deployment).verifying(item.event.deployment):
            mentioned[item.event.deployment].add(item.event.workspace_id)
    for deployment, workspace_ids in mentioned.items():
        CoderState(connection, deployment).request_verification(workspace_ids, clock.now().timestamp())


def add_evidence(ledger: Ledger, config: Config, items: Sequence[Classified]) -> int:
    """Add the evidence from deliveries to that of their workspaces, and return the change in units.

    Raises:
        ConflictError: other processes kept changing some workspaces; the job is retried later.
    """
    by_workspace: dict[str, list[Classified]] = defaultdict(list)
    for item in items:
        by_workspace[item.event.workspace_id].append(item)
    change = 0

    def attempt(waiting: Mapping[str, Sequence[Classified]]) -> Collection[str]:
        nonlocal change
        known = ledger.read_workspaces({one: [item.event.message_id for item in waiting[one]] for one in waiting})
        updates = []
        for workspace_id, stored in known.items():
            after = stored.evidence
            for item in waiting[workspace_id]:
                if item.event.message_id not in stored.counted:
                    after = after.with_event(item.event, item.verdict)
            if after != stored.evidence:
                updates.append(update_of(ledger, config, workspace_id, stored, after))
        if not updates:
            return ()
        moved, conflicts = ledger.update_records(updates)
        change += moved
        _log_counted(ledger.deployment, updates, conflicts, waiting)
        return conflicts

    retry_conflicts(by_workspace, attempt)
    return change


def _log_counted(
    deployment: str,
    updates: Sequence[RecordUpdate],
    conflicts: Sequence[str],
    waiting: Mapping[str, Sequence[Classified]],
) -> None:
    for update in updates:
        if update.workspace_id in conflicts:
            continue
        # Most deliveries only confirm existing records.
        write = log.info if update.sent else log.debug
        write(
            "evidence counted",
            deployment=deployment,
            workspace_id=update.workspace_id,
            message_ids=[item.event.message_id for item in waiting[update.workspace_id]],
            records=[record.key for record in update.sent],
        )


def recount(store: Store, config: Config) -> int:
    """Derive every workspace's records again after a change of the AI template list, and return the change in units.

    Raises:
        ConflictError: another process kept changing a workspace; those before it have been recounted.
    """
    ledger = store.ledger(AWB)
    change = 0

    def attempt(waiting: Mapping[str, None]) -> Collection[str]:
        nonlocal change
        known = ledger.read_workspaces(dict.fromkeys(waiting, ()))
        # The stored records were derived with another list, so all of them are sent.
        again = [
            replace(update_of(ledger, config, workspace_id, stored, stored.evidence), unchanged=())
            for workspace_id, stored in known.items()
        ]
        moved, conflicts = ledger.update_records(again)
        change += moved
        return conflicts

    for workspace_id in ledger.workspaces():
        retry_conflicts({workspace_id: None}, attempt)
    return change


def update_of(
    ledger: Ledger, config: Config, workspace_id: str, stored: StoredWorkspace, after: Evidence
) -> RecordUpdate:
    """Return the update of a workspace's records after its evidence has changed."""

    def derived(evidence: Evidence) -> tuple[UsageRecord, ...]:
        return provisional_records(evidence, ledger.meter, workspace_id, config.ai_templates, config.reason_of)

    records = derived(after)
    before = {record.key: record for record in derived(stored.evidence) if record.key in stored.keys}
    kept, folded = fold(after, records)
    return RecordUpdate(
        workspace_id,
        stored.version,
        kept,
        records,
        unchanged={record.key for record in records if before.get(record.key) == record},
        settled=_renamed(ledger, workspace_id, stored.evidence, after),
        folded=folded,
    )


def _renamed(ledger: Ledger, workspace_id: str, before: Evidence, after: Evidence) -> list[UsageRecord]:
    """Return the settled records with the latest names and weight, if these changed."""

    def named(evidence: Evidence) -> dict[str, Any]:
        names = ("workspace", "owner", "template", "organization")
        return {"weight": evidence.weight, **{which: evidence.name(which) for which in names}}

    if not before.base.records or named(before) == named(after):
        return []
    found = Records(ledger.connection, ledger.deployment, ledger.meter).read(settled_keys(before, workspace_id))
    return [replace(record, **named(after)) for record in found]


def _classify(config: Config, deployment: str, message_id: str, received_at: float, payload: Any) -> Classified:
    event = to_event(deployment, message_id, received_at, payload)
    verdict = classify(event, config.rules, config.facts)
    if verdict.outcome is Outcome.EVIDENCE and not event.workspace_id:
        reason = "The rule matches, but the payload does not identify the workspace."
        verdict = Verdict(Outcome.UNKNOWN, verdict.rule, reason)
    write = log.debug if verdict.outcome is Outcome.IGNORED else log.info
    write(
        "delivery classified",
        deployment=deployment,
        message_id=message_id,
        outcome=verdict.outcome.value,
        rule=verdict.rule,
        workspace_id=event.workspace_id,
    )
    return Classified(event, verdict)


def _by_meter(classified: Iterable[Classified]) -> dict[tuple[str, str], list[Classified]]:
    groups: dict[tuple[str, str], list[Classified]] = defaultdict(list)
    for item in classified:
        if item.verdict.outcome is Outcome.EVIDENCE:
            groups[item.event.deployment, item.verdict.meter].append(item)
    return groups


def _remember(connection: "redis.Redis", config: Config, classified: Sequence[Classified]) -> None:
    groups: dict[str, list[Remembered]] = defaultdict(list)
    for item in classified:
        groups[item.event.deployment].append(_remembered(item, config.of(item.event.deployment).ai_templates))
    with connection.pipeline(transaction=False) as pipe:
        for deployment, rows in groups.items():
            Inbox(connection, deployment).remember(pipe, rows, config.settings.keep_days * _DAY)
        pipe.execute()


def _remembered(item: Classified, ai_templates: frozenset[str]) -> Remembered:
    event, verdict = item.event, item.verdict
    summary: dict[str, Any] = {
        "message_id": event.message_id,
        "received_at": event.received_at,
        "template": event.name or event.template_id,
        "verdict": {
            "outcome": verdict.outcome.value,
            "evidence": verdict.evidence.value if verdict.evidence else None,
            "rule": verdict.rule,
            "reason": verdict.reason,
            "hint": verdict.hint,
        },
        "workspace_id": event.workspace_id,
        "workspace": event.workspace,
        "owner": event.owner,
    }
    if verdict.outcome is not Outcome.IGNORED:
        summary["payload"] = event.payload
    created = verdict.evidence is EvidenceKind.CREATED
    unlisted = created and event.template and event.template.casefold() not in ai_templates
    return Remembered(event.message_id, event.received_at, summary, event.template if unlisted else "")
