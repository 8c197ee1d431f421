"""A year of a noisy deployment: nobody's channel is flooded, and every level is told."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
import time_machine

from app.config.load import Config
from app.core.count.evidence import Evidence
from app.core.count.meter import AWB, RecordState, UsageRecord
from app.pipeline.notify.send import send
from app.pipeline.watch.sweep import sweep
from app.store.alert.outbox import Outbox
from app.store.count.ledger import Ledger, RecordUpdate
from app.store.store import Store
from tests.conftest import RedisServer, make_config

DEPLOYMENT = "default"
LIMIT = 1000
START = datetime(2026, 1, 1, tzinfo=UTC)
#: What docs/operation.md promises: so many messages a year about a pool that ends at 170% of its limit, ...
MOST_WARNINGS = 25
#: ... and so many reports.
MOST_REPORTS = 53 + 12


def record(key: str, at: datetime, state: RecordState, owner: str) -> UsageRecord:
    text = ("w", owner, "claude", "acme", "rule", "It counted.")
    return UsageRecord(key, AWB, state, at.timestamp(), key, *text, ())


class Deployment:
    """Builds as they come: weekdays, sprints, a runaway pipeline, and estimates that are taken back and return."""

    def __init__(self, connection: "redis.Redis", seed: int) -> None:
        self.ledger = Ledger(connection, DEPLOYMENT, AWB)
        self.random = random.Random(seed)
        self.doubtful = 0

    def build(self, at: datetime) -> None:
        at += timedelta(seconds=self.random.random() * 3600 * 11)
        weekend = at.weekday() >= 5
        number = self.random.choices([0, 1, 2, 40], [60, 30, 10, 0.15])[0] if not weekend else 0
        if number:
            owner = self.random.choice(["ada", "bob", "eve"]) if number < 10 else "ci"
            key = f"build:{at.timestamp():.0f}"
            proved = [record(f"{key}-{n}", at, RecordState.PROVED, owner) for n in range(number)]
            self.ledger.update_records([RecordUpdate(key, 0, Evidence(), (), proved, number)])

    def wobble(self, at: datetime) -> None:
        """Take estimates back and give others: up to five per cent of the limit."""
        version, evidence = self.ledger.read(["doubt"])["doubt"]
        self.doubtful = self.random.randint(0, LIMIT // 20)
        hints = [record(f"hint:doubt:{n}", at, RecordState.PROVISIONAL, f"u{n % 9}") for n in range(self.doubtful)]
        self.ledger.update_records([RecordUpdate("doubt", version, evidence, hints)])


@pytest.fixture
def config(redis_server: RedisServer) -> Config:
    return make_config(
        redis_server.url,
        slack_webhook_url="http://127.0.0.1:1/x",
        period="yearly",
        limit=LIMIT,
        repeat_days=30,
        digest="weekly,monthly",
        scopes='[{"by": "user", "limit": 300}]',
        burst='{"builds": 30}',
        dry_run="true",
    )


def send_all(connection: Any, config: Config) -> None:
    while job := connection.lpop("rq:queue:awb-notifications"):
        connection.delete(f"rq:job:{job.decode()}")
        send(Store(connection, DEPLOYMENT), config, job.decode().removeprefix(f"notification-{DEPLOYMENT}-"))


def test_in_a_noisy_year_no_channel_gets_more_than_a_few_messages(connection: "redis.Redis", config: Config) -> None:
    deployment = Deployment(connection, seed=1)
    with time_machine.travel(START, tick=False) as clock:
        for step in range(366 * 2):
            now = START + step * timedelta(hours=12)
            clock.move_to(now)
            for _ in range(6):
                deployment.build(now)
            deployment.wobble(now)
            sweep(connection, config)
            send_all(connection, config)
    rows = Outbox(connection, DEPLOYMENT).history(limit=10_000)
    told = Counter((row["alert"].partition("-")[0], row["reason"]) for row in rows)
    levels = {row["level"] for row in rows if row["alert"] == AWB and row["reason"] in ("first", "escalated")}
    reports = told["digest", "digest"]
    assert 50 <= reports <= MOST_REPORTS
    assert told[AWB, "summary"] == 1
    assert {"75%", "90%", "100%"} <= levels
    assert len(rows) - reports <= MOST_WARNINGS, told
