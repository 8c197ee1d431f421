"""Records, updates and notifications to store, and a brute-force recount to compare the store with."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any

import redis

from app.core.alert.alert import Alert, Notification, Severity
from app.core.alert.decision import Reason
from app.core.count.evidence import Evidence
from app.core.count.meter import AWB, RecordState, UsageRecord
from app.store import keys
from app.store.count.ledger import Ledger, RecordUpdate
from app.store.count.records import Records

DEPLOYMENT = "prod"
NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def moment(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def day(at: float) -> date:
    return datetime.fromtimestamp(at, UTC).date()


def record(key: str = "hint:w1:1", **fields: Any) -> UsageRecord:
    usual: dict[str, Any] = {
        "meter": AWB,
        "state": RecordState.PROVISIONAL,
        "at": NOW.timestamp(),
        "workspace_id": "w1",
        "workspace": "write-tests",
        "owner": "ada",
        "template": "claude-code-tasks",
        "organization": "coder",
        "rule": "task-resumed",
        "reason": "A task was resumed.",
        "deliveries": ("m1",),
    }
    return UsageRecord(key, **{**usual, **fields})


def ledger(connection: "redis.Redis") -> Ledger:
    return Ledger(connection, DEPLOYMENT, AWB)


def records(connection: "redis.Redis") -> Records:
    return Records(connection, DEPLOYMENT, AWB)


def put(into: Ledger, workspace_id: str, records: Sequence[UsageRecord]) -> int:
    """Settle a workspace at its present version and return the change."""
    version, evidence = into.read([workspace_id])[workspace_id]
    change, conflicts = into.update_records([RecordUpdate(workspace_id, version, evidence, records)])
    assert conflicts == []
    return change


def update(workspace_id: str, version: int, *records: UsageRecord) -> RecordUpdate:
    return RecordUpdate(workspace_id, version, Evidence(), records)


def totals_of(records: Iterable[UsageRecord]) -> dict[str, int]:
    """Count by brute force what the store keeps as totals."""
    totals: Counter[str] = Counter()
    for one in records:
        for span in (f"d:{day(one.at)}", f"m:{day(one.at):%Y-%m}"):
            totals[span] += one.weight
            totals[f"p{span}"] += one.weight * (one.state is RecordState.PROVISIONAL)
    return {field: number for field, number in totals.items() if number}


def tops_of(records: Iterable[UsageRecord]) -> dict[str, dict[str, int]]:
    """Count by brute force what the store keeps by user, template and organization."""
    tops: dict[str, Counter[str]] = defaultdict(Counter)
    for one in records:
        for dimension, name in (("user", one.owner), ("template", one.template), ("organization", one.organization)):
            for span in (f"{day(one.at)}", f"{day(one.at):%Y-%m}"):
                tops[f"{dimension}:{span}"][name] += one.weight
    return {key: dict(names) for key, names in tops.items()}


def stored_totals(connection: Any, deployment: str = DEPLOYMENT) -> dict[str, int]:
    found = connection.hgetall(keys.totals(deployment, AWB))
    return {field.decode(): int(number) for field, number in found.items()}


def stored_tops(connection: Any) -> dict[str, dict[str, int]]:
    prefix = keys.top_prefix(DEPLOYMENT, AWB) + ":"
    return {
        key.decode().removeprefix(prefix): {
            name.decode(): int(score) for name, score in connection.zrange(key, 0, -1, withscores=True)
        }
        for key in connection.scan_iter(match=prefix + "*", count=1000)
    }


def expires_at(connection: Any, key: str | bytes) -> int:
    """Return when a key expires, as Unix time; Redis before 7 has no EXPIRETIME."""
    pipe = connection.pipeline()
    (seconds, microseconds), left = pipe.time().pttl(key).execute()
    assert left > 0, key
    return round(seconds + microseconds / 1e6 + left / 1000)


def notification(identity: str = "awb-2026-05-90pct", receiver: str = "slack") -> Notification:
    alert = Alert(
        group_key="prod:awb:2026-05-01",
        deployment=DEPLOYMENT,
        meter=AWB,
        reason=Reason.FIRST,
        level="90%",
        severity=Severity.WARNING,
        headline="AWB 90% – 900 of 1,000 used",
        summary="Coder deployment “prod” has reached 90%.",
        facts=(("Used", "900"), ("Limit", "1,000")),
        meaning="Nothing is blocked.",
        links=(("Contact account team", "https://coder.com/contact"),),
        footer="Deployment prod",
    )
    return Notification(identity, receiver, NOW, alert)
