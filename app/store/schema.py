"""The schema version in Redis: stored at the first start, migrated after an upgrade, refused if unreadable."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import redis
import structlog

from app.core.schema import READABLE_FROM, VERSION, Schema, UnfinishedRestoreError, missing_from
from app.store import keys
from app.store.count.relist import list_by_name
from app.store.server.commands import commands
from app.store.server.info import check_cluster

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Migration:
    """One migration. It may run again after a crash, and in several processes at once, so it must be idempotent.

    Attributes:
        to: the resulting version.
        does: a short description for the log.
    """

    to: int
    does: str
    make: Callable[["redis.Redis"], object]


def _count_again(connection: "redis.Redis") -> None:
    """Have the scheduler queue a recount, as after a change of the list of templates."""
    connection.hdel(keys.MARKS, "ai_templates")


#: All migrations, by version.
MIGRATIONS: Final = (
    Migration(2, "count again: failed builds above 1 subtract nothing", _count_again),
    Migration(4, "list workspaces by their name alone", list_by_name),
)


def prepare(
    connection: "redis.Redis",
    version: int = VERSION,
    readable_from: int = READABLE_FROM,
    migrations: Sequence[Migration] = MIGRATIONS,
) -> None:
    """Migrate the data in Redis to this version, or record that this version works with a newer one's data.

    If the process dies here, the next start runs the migrations that have not been recorded.

    Raises:
        app.core.schema.SchemaError: this version cannot read the data, or a restore is unfinished; nothing was changed.
        redis.exceptions.RedisError: Redis is unavailable.
    """
    check_cluster(connection)
    if commands(connection).exists(keys.RESTORING):
        raise UnfinishedRestoreError(
            "A backup was being restored here, and the end is missing; nothing was changed. Run the same `awb restore` "
            "again, which continues it"
        )
    found = read_schema(connection)
    if found is None:
        return note_schema(connection, Schema(version, readable_from))
    since = missing_from(found, version)
    if found.version > version:
        # After another upgrade, the newer version uses this to find data written by older ones.
        back_to = min(version, found.ran_back_to or version)
        return note_schema(connection, Schema(found.version, found.readable_from, back_to))
    for migration in migrations:
        if since < migration.to <= version:
            log.warning("migrating the data in Redis", to=migration.to, does=migration.does)
            migration.make(connection)
            back_to = migration.to if found.ran_back_to else 0
            note_schema(connection, Schema(max(found.version, migration.to), found.readable_from, back_to))
    if found != Schema(version, readable_from):
        note_schema(connection, Schema(version, readable_from))
    return None


def read_schema(connection: "redis.Redis") -> Schema | None:
    """Return the stored schema; version 1 for data without one, None if there is no data."""
    store = commands(connection)
    found = {name.decode(): int(value) for name, value in store.hgetall(keys.SCHEMA).items()}
    if "version" in found:
        return Schema(found["version"], found.get("readable_from", found["version"]), found.get("ran_back_to", 0))
    return Schema(1, 1) if store.exists(keys.DEPLOYMENTS, keys.MARKS) else None


def note_schema(connection: "redis.Redis", schema: Schema) -> None:
    """Note which version wrote what is here."""
    fields = {"version": schema.version, "readable_from": schema.readable_from, "ran_back_to": schema.ran_back_to}
    connection.hset(keys.SCHEMA, mapping={name: str(value) for name, value in fields.items()})
