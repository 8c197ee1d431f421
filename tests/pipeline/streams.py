"""Deliveries from simulated worlds, and everything that Redis holds after them."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import redis

from app.config.load import Config
from app.core.count.delivery import read_delivery
from app.core.count.meter import AWB
from app.pipeline.count.count import count
from app.pipeline.watch.warn import warn
from app.simulator.notifications import Message, Outbox
from app.simulator.traffic import Traffic
from app.simulator.world import AI_TEMPLATES, World
from app.store.alert import outbox as notifications
from app.store.count.ledger import Ledger
from app.store.count.recordrow import read_row
from app.store.server.connection import connect
from app.store.store import Store
from tests.conftest import make_config
from tests.store.make import stored_tops, stored_totals

DEPLOYMENT = "prod"
STARTED_AT = 1_772_438_400.0
#: deployment, message id, arrival, payload
Delivery = tuple[str, str, float, Any]


def config_for(redis_url: str, **more: Any) -> Config:
    # Forecasts have separate tests; here they would appear between the thresholds.
    usual = {"deployment": DEPLOYMENT, "ai_templates": ",".join(AI_TEMPLATES), "limit": 20, "forecast_alerts": "false"}
    return make_config(redis_url, **{**usual, **more})


def to_slack_and_mail(url: str, **more: Any) -> dict[str, Any]:
    """Return the settings for one Slack channel and one e-mail recipient."""
    mail = {"smtp_url": "smtp://127.0.0.1:1?tls=none", "email_from": "awb@example.com", "email_to": "ops@example.com"}
    return {"slack_webhook_url": url, **mail, **more}


def messages_of(seed: int, steps: int, *, failures: bool = True, display_names: bool = False) -> list[Message]:
    world = World(seed, display_names=display_names)
    outbox, traffic = Outbox(world), Traffic(world, failures=failures, failing_resumes=failures)
    for _ in range(steps):
        traffic.step()
    return outbox.collect()


def deliveries_of(messages: Sequence[Message]) -> list[Delivery]:
    """Return the world's messages as deliveries in order, a second apart."""
    read = [read_delivery(message.body) for message in messages]
    return [(DEPLOYMENT, one.message_id, STARTED_AT + n, one.payload) for n, one in enumerate(read)]


def resumes(number: int, workspace_id: str = "11111111-1111-4111-8111-111111111111") -> list[Delivery]:
    """Return the given number of resumes of one task, each of which counts as one build."""
    payload = {
        "notification_name": "Task Resumed",
        "notification_template_id": "843ee9c3-a8fb-4846-afa9-977bec578649",
        "user_username": "ada",
        "labels": {"workspace": "write-tests", "task": "write-tests"},
        "targets": [workspace_id],
    }
    return [(DEPLOYMENT, f"{workspace_id[:8]}-r{n}", STARTED_AT + n, payload) for n in range(number)]


def spread(number: int) -> list[Delivery]:
    """Return the given number of resumes, ten of each task."""
    return [one for start in range(0, number, 10) for one in resumes(10, f"{start:08}-1111-4111-8111-111111111111")]


def batches(deliveries: Sequence[Delivery], rng: random.Random, largest: int) -> Iterator[list[Delivery]]:
    rest = list(deliveries)
    while rest:
        size = rng.randint(1, largest)
        yield rest[:size]
        rest = rest[size:]


def run(connection: "redis.Redis", config: Config, deliveries: Sequence[Delivery]) -> None:
    """Count and evaluate alerts, as the job does."""
    for deployment, meter in sorted(count(connection, config, deliveries)):
        warn(Store(connection, deployment), config, meter)


def used(connection: "redis.Redis") -> int:
    return sum(number for field, number in stored_totals(connection).items() if field.startswith("d:"))


def books(connection: "redis.Redis") -> dict[str, Any]:
    """Return everything that was counted: records, totals, tops and verdicts."""
    keyed = {key.decode(): connection.get(key) for key in connection.scan_iter(match="awb:v1:*:record:*", count=1000)}
    told = {key.decode(): connection.get(key) for key in connection.scan_iter(match="awb:v1:*:delivery:*", count=1000)}
    evidence = {
        key.decode(): connection.hmget(key, "e", "k") for key in connection.scan_iter(match="awb:v1:*:ws:*", count=1000)
    }
    return {
        "records": keyed,
        "units": {key: _without_rule(text) for key, text in keyed.items()},
        "verdicts": told,
        "evidence": evidence,
        "totals": stored_totals(connection),
        "tops": stored_tops(connection),
    }


def _without_rule(stored: Any) -> dict[str, Any]:
    """Return a record without the rule that read its deliveries."""
    fields = asdict(read_row("", "", stored, lambda digest: digest))
    return {name: value for name, value in fields.items() if name not in ("rule", "reason")}


def outbox(connection: "redis.Redis") -> list[dict[str, Any]]:
    """Return every notification, oldest first; the version in the id orders those of the same moment."""
    rows = notifications.Outbox(connection, DEPLOYMENT).history(limit=10_000)
    return sorted(rows, key=lambda row: int(row["id"].split("-slack")[0].split("-email")[0].rpartition("-")[2]))


def announced(connection: "redis.Redis") -> Counter[tuple[str, str, str]]:
    """Count notifications by receiver, reason and level."""
    return Counter((row["receiver"], row["reason"], row["level"]) for row in outbox(connection))


def levels(connection: "redis.Redis") -> Counter[str]:
    """Count the levels that were announced as reached."""
    return Counter(row["level"] for row in outbox(connection) if row["reason"] in ("first", "escalated"))


def count_and_warn(url: str, settings: dict[str, Any], work: list[list[Delivery]], together: Any) -> None:
    """Count batches in a separate process, each as soon as all other processes are ready for it."""
    connection, config = connect(url), config_for(url, **settings)
    for batch in work:
        together.wait()
        run(connection, config, batch)
    warn(Store(connection, DEPLOYMENT), config, AWB)


def ledger(connection: "redis.Redis") -> Ledger:
    return Ledger(connection, DEPLOYMENT, AWB)
