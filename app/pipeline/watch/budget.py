"""The memory budget: if Redis uses more, the oldest packed deliveries are deleted early, and this is reported."""

from typing import Final

import redis
import structlog

from app import clock
from app.config.load import Config
from app.store.receive.inbox import deployments
from app.store.receive.packs import with_oldest_pack
from app.store.server.budget import forget_budget, note_budget, read_budget
from app.store.server.info import server_info
from app.store.store import Store

log = structlog.get_logger(__name__)
#: Packs that are deleted between two looks at the memory, and looks in one sweep: a bounded piece of work.
_AT_ONCE: Final = 20
_LOOKS: Final = 25


def keep_within(connection: "redis.Redis", config: Config) -> None:
    """Delete the oldest deliveries while Redis uses more than its budget. Records are never deleted.

    If the process dies here, the next sweep goes on.
    """
    budget, before = config.settings.redis_budget, read_budget(connection)
    if not budget:
        if before is not None:
            forget_budget(connection)
        return
    used, kept_since = _used(connection), before.kept_since if before else None
    exhausted = False
    for _ in range(_LOOKS):
        if used is None or used <= budget:
            break
        gone = _forget_oldest(connection)
        if gone is None:
            exhausted = True
            break
        kept_since = gone
        used = _used(connection)
    if before is None or (kept_since, exhausted) != (before.kept_since, before.exhausted):
        log.warning(
            "retention follows the memory budget", used=used, budget=budget, exhausted=exhausted,
            deliveries_kept_since=clock.at(kept_since).isoformat() if kept_since else None,
        )  # fmt: skip
    note_budget(connection, used, kept_since, exhausted=exhausted)


def _used(connection: "redis.Redis") -> int | None:
    """Return the bytes that Redis uses; None if its user may not see them."""
    found = server_info(connection).facts.get("used_memory")
    return None if found is None else int(found)


def _forget_oldest(connection: "redis.Redis") -> float | None:
    """Delete some packs of the deployment with the oldest one; return up to when deliveries are gone."""
    name = with_oldest_pack(connection, deployments(connection))
    return None if name is None else Store(connection, name).packs.forget_oldest(_AT_ONCE)
