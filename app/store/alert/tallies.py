"""Counters of notifications by receiver, for metrics. They are in the hash that Inbox.stats reads."""

import redis
from redis.client import Pipeline

from app.store import keys


def ended(pipe: Pipeline, deployment: str, receiver: str, outcome: str, sent_at: float | None = None) -> None:
    """Count a notification that has ended, in the same transaction.

    Args:
        pipe: the transaction.
        deployment: the deployment's name.
        receiver: its name in the configuration.
        outcome: sent, failed, silenced, superseded or dry-run.
        sent_at: when it was sent, in epoch seconds.
    """
    pipe.hincrby(keys.stats(deployment), outcome_field(outcome, receiver), 1)
    if sent_at is not None:
        pipe.hset(keys.stats(deployment), sent_at_field(receiver), sent_at)


def erred(connection: "redis.Redis", deployment: str, receiver: str, reason: str) -> None:
    """Count a failed attempt by kind of failure."""
    connection.hincrby(keys.stats(deployment), error_field(reason, receiver), 1)


def outcome_field(outcome: str, receiver: str) -> str:
    return f"notification:{outcome}:{receiver}"


def error_field(reason: str, receiver: str) -> str:
    return f"notification-error:{reason}:{receiver}"


def sent_at_field(receiver: str) -> str:
    return f"notification-sent-at:{receiver}"
