"""A sample deployment: months of builds, alerts, messages and silences, the same in every run except for dates."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import redis
from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache

from app import clock
from app.config.load import Config
from app.core.coder.shapes import BuildInfo, Entitlements
from app.core.count.evidence import Evidence
from app.core.count.meter import AWB, RecordState, UsageRecord
from app.core.limit.drift import DriftPoint
from app.pipeline.operate.silence import create_silence
from app.pipeline.watch.warn import warn
from app.store import keys
from app.store.alert.outbox import Outbox
from app.store.coder.state import CoderState
from app.store.count.ledger import Ledger, RecordUpdate
from app.store.receive.inbox import Inbox, Remembered
from app.store.rq import jobqueue
from app.store.store import Store
from app.web.factory import create_app
from tests.conftest import make_config
from workers.runner import worker

DEPLOYMENT = "default"
USERS = (
    "ada",
    "grace",
    "linus",
    "margaret",
    "edsger",
    "barbara",
    "alan",
    "katherine",
    "dennis",
    "radia",
    "ken",
    "hedy",
)
TEMPLATES = ("claude-code", "aider", "goose", "codex-cli")
ORGANIZATIONS = ("platform", "research", "payments")
VERBS = ("fix", "add", "port", "test", "tidy", "speed-up", "document", "review")
THINGS = ("login", "billing", "search", "exports", "webhooks", "docs", "cache", "api-client", "build")
REASON = (
    "A paused task was resumed, which starts its workspace again: one more Agent Workspace Build, unless that build is "
    "reported as failed."
)
CODER = {"coder_url": "https://coder.example.com", "coder_token": "a-token-of-the-tests"}
CHANNELS = {
    "slack_webhook_url": "https://hooks.slack.com/services/T000/B000/secret-of-the-tests",
    "smtp_url": "smtp://mail.example.com:25",
    "email_from": "awb@example.com",
    "email_to": "ops@example.com",
}


class _Compiled(BytecodeCache):
    """Compiled templates, once for all applications of a run."""

    kept: ClassVar[dict[str, bytes]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self.kept:
            bucket.bytecode_from_string(self.kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.kept[bucket.key] = bucket.bytecode_to_string()


def application(config: Config, connection: "redis.Redis") -> Flask:
    app = create_app(config, connection)
    app.jinja_env.bytecode_cache = _Compiled()
    return app


def build(number: int, at: datetime, **fields: Any) -> UsageRecord:
    """Return a record of one resumed task."""
    usual: dict[str, Any] = {
        "meter": AWB,
        "state": RecordState.PROVISIONAL,
        "at": at.timestamp(),
        "workspace_id": workspace_id(number),
        "workspace": f"task-{number}",
        "owner": "ada",
        "template": "claude-code",
        "organization": "platform",
        "rule": "task-resumed",
        "reason": REASON,
        "deliveries": (message_id(number),),
    }
    return UsageRecord(f"hint:{workspace_id(number)}:1", **{**usual, **fields})


def workspace_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def message_id(number: int) -> str:
    return f"0a0a0a0a-0000-4000-8000-{number:012d}"


def put(connection: "redis.Redis", records: Sequence[UsageRecord], deployment: str = DEPLOYMENT) -> None:
    """Add records of different workspaces to the ledger, as a worker does."""
    ledger = Ledger(connection, deployment, AWB)
    for start in range(0, len(records), 500):
        part = records[start : start + 500]
        conflicts = ledger.update_records([_update_of(record) for record in part])[1]
        assert conflicts == []


def _update_of(record: UsageRecord) -> RecordUpdate:
    proved = record.state is RecordState.PROVED
    kept, added = ((), (record,)) if proved else ((record,), ())
    return RecordUpdate(record.workspace_id, 0, Evidence(), kept, proved=added)


def deliver(connection: "redis.Redis", records: Sequence[UsageRecord], deployment: str = DEPLOYMENT) -> None:
    """Store the deliveries that are the evidence of records."""
    rows = [
        Remembered(message, record.at, _summary(record, message)) for record in records for message in record.deliveries
    ]
    with connection.pipeline(transaction=False) as pipe:
        Inbox(connection, deployment).remember(pipe, rows, 400 * 86_400)
        pipe.execute()
    seen = {"accepted": len(rows), "duplicate": 3, "last_delivery_at": max(row.received_at for row in rows)}
    connection.hset(f"awb:v1:{deployment}:stats", mapping=seen)
    connection.sadd("awb:v1:deployments", deployment)


def _summary(record: UsageRecord, message: str) -> dict[str, Any]:
    return {
        "message_id": message,
        "received_at": record.at,
        "template": "Task Resumed",
        "verdict": {
            "outcome": "evidence",
            "evidence": "resumed",
            "rule": "task-resumed",
            "reason": REASON,
            "hint": "",
        },
        "workspace_id": record.workspace_id,
        "workspace": record.workspace,
        "owner": record.owner,
        "payload": {
            "notification_name": "Task Resumed",
            "labels": {"workspace": record.workspace, "task": record.workspace},
            "targets": [record.workspace_id],
        },
    }


def months(now: datetime, days: int, a_day: float, *, proved: bool) -> Iterator[UsageRecord]:
    """Yield builds of the given number of days up to now, fewer at weekends and more towards the end."""
    dice, number = random.Random(7), 0
    first = (now - timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)
    for offset in range(days + 1):
        day = first + timedelta(days=offset)
        pace = a_day * (0.25 if day.weekday() > 4 else 1.2) * (0.6 + 0.8 * offset / days)
        for _ in range(max(round(dice.gauss(pace, pace / 4)), 0)):
            at = day + timedelta(seconds=dice.triangular(6 * 3600, 21 * 3600, 11 * 3600))
            if at < now - timedelta(minutes=4):
                number += 1
                yield _drawn(number, at, dice, proved=proved and at < now - timedelta(minutes=40))


def _drawn(number: int, at: datetime, dice: random.Random, *, proved: bool) -> UsageRecord:
    user = min(int(dice.expovariate(0.38)), len(USERS) - 1)
    names = {
        "owner": USERS[user],
        "template": dice.choices(TEMPLATES, (6, 3, 2, 1))[0],
        "organization": ORGANIZATIONS[user % 3],
        "workspace": f"{dice.choice(VERBS)}-{dice.choice(THINGS)}-{number}",
    }
    if not proved:
        return build(number, at, **names)
    identity = f"1b1b1b1b-0000-4000-8000-{number:012d}"
    record = build(number, at, **names, state=RecordState.PROVED, build_id=identity)
    reason = "A start of a task’s workspace that succeeded, as Coder’s API shows."
    return UsageRecord(**{**_fields(record), "key": f"build:{identity}", "rule": "coder-api", "reason": reason})


def _fields(record: UsageRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in UsageRecord.__dataclass_fields__}


def sample(
    connection: "redis.Redis",
    redis_url: str,
    *,
    verified: bool = True,
    healthy: bool = True,
    relayed: bool = True,
    **settings: Any,
) -> Config:
    """Fill an empty Redis with five months of a yearly period at about 80% of its limit; return its configuration."""
    now = clock.now()
    start = (now - timedelta(days=150)).date()
    usual = {"period": f"yearly:{start:%m-%d}", "limit": 1500, **CHANNELS, **(CODER if verified else {})}
    config = make_config(redis_url, **{**usual, **settings})
    records = list(months(now, 150, 8.6, proved=verified))
    put(connection, records)
    deliver(connection, records[-80:])
    if verified:
        _hear(connection, now, start, len(records))
    if relayed:
        _pass_on(connection, records[-9:], now)
    warn(Store(connection, DEPLOYMENT), config, AWB)
    _send(connection, now, refused=not healthy)
    if healthy:
        for queue in jobqueue.QUEUES:
            worker(queue, connection, config).register_birth()
        connection.hset(keys.MARKS, "last_sweep_at", now.timestamp())
    create_silence(
        Store(connection, DEPLOYMENT),
        {"scope": "user:ken"},
        now + timedelta(days=2),
        "grace",
        "load tests until Friday",
    )
    return config


def _hear(connection: "redis.Redis", now: datetime, start: Any, builds: int) -> None:
    """Store answers of Coder's API: entitlements, version, and a constant drift of two builds."""
    state, refreshed = CoderState(connection, DEPLOYMENT), now - timedelta(minutes=6)
    since = Ledger(connection, DEPLOYMENT, AWB).count_since(refreshed.timestamp())
    begin = datetime(start.year, start.month, start.day, tzinfo=UTC)
    awb = {
        "entitlement": "entitled",
        "enabled": True,
        "actual": builds - since + 2,
        "limit": 1500,
        "usage_period": {"start": begin, "end": begin + timedelta(days=364), "issued_at": begin},
    }
    features = {
        "managed_agent_limit": awb,
        "aibridge": {"entitlement": "entitled", "enabled": True},
        "boundary": {"entitlement": "entitled", "enabled": False},
        "ai_governance_user_limit": {"entitlement": "entitled", "enabled": True, "actual": 31, "limit": 50},
    }
    told = {"features": features, "has_license": True, "refreshed_at": refreshed}
    state.save_licence(Entitlements.model_validate(told), BuildInfo(version="v2.33.1"), now - timedelta(minutes=5))
    state.note(reconciled_at=(now - timedelta(minutes=5)).timestamp())
    for hours in range(300, 0, -2):
        counted = builds - hours // 3
        state.add_drift(DriftPoint(now - timedelta(hours=hours), counted, counted + (2 if hours < 200 else 0)))


def _pass_on(connection: "redis.Redis", records: Sequence[UsageRecord], now: datetime) -> None:
    """Store messages that were relayed to people and to another webhook."""
    states = (("sent", 1, ""), ("failed", 1, "it answered 422"), ("pending", 7, "it answered 503"))
    for number, record in enumerate(records):
        message, (state, attempts, reason) = record.deliveries[0], states[number % 3]
        note = {"template": "Task Resumed", "received_at": record.at, "relay/state": "sent", "relay/via": "email"}
        forward = {"/state": state, "/attempts": attempts, "/reason": reason, "/at": now.timestamp()}
        note |= {f"forward:teams{key}": value for key, value in forward.items()} | {"relay/attempts": 1}
        connection.hset(keys.relay_message(DEPLOYMENT, message), mapping=note)
        connection.zadd(keys.relay_messages(DEPLOYMENT), {message: record.at})
        connection.sadd(keys.relay_targets(DEPLOYMENT), "relay", "forward:teams")
        if state != "sent":
            index = keys.relay_failed if state == "failed" else keys.relay_pending
            connection.zadd(index(DEPLOYMENT, "forward:teams"), {message: now.timestamp() - 60})


def _send(connection: "redis.Redis", now: datetime, *, refused: bool) -> None:
    outbox = Outbox(connection, DEPLOYMENT)
    for notification_id in outbox.overdue(now + timedelta(days=1)):
        attempt = outbox.claim(notification_id, now, 60)
        assert attempt is not None
        if refused and attempt.notification.receiver != "slack":
            outbox.mark_failed(notification_id, "recipientRefused: 550 no such mailbox")
        else:
            outbox.mark_sent(attempt.notification, now)
