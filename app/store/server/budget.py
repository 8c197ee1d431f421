"""What the last sweep found of the memory budget."""

import json
from dataclasses import dataclass

import redis

from app.store import keys
from app.store.server.commands import commands

_FIELD = "budget"


@dataclass(frozen=True, slots=True)
class BudgetState:
    """The state of the memory budget.

    Attributes:
        used: bytes that Redis uses; None if its user may not see them.
        kept_since: deliveries before this moment were deleted because of the budget; None if none were.
        exhausted: there is nothing left to delete, and Redis still uses more.
    """

    used: int | None
    kept_since: float | None
    exhausted: bool


def read_budget(connection: "redis.Redis") -> BudgetState | None:
    """Return the state; None if there is no budget."""
    stored = commands(connection).hget(keys.MARKS, _FIELD)
    return None if stored is None else BudgetState(*json.loads(stored)[:3])


def note_budget(
    connection: "redis.Redis", used: int | None, kept_since: float | None = None, *, exhausted: bool = False
) -> None:
    """Store the state."""
    commands(connection).hset(keys.MARKS, _FIELD, json.dumps([used, kept_since, exhausted]))


def forget_budget(connection: "redis.Redis") -> None:
    commands(connection).hdel(keys.MARKS, _FIELD)
