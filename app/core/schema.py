"""The version of the data in Redis, and whether this version of the service can work with it."""

from dataclasses import dataclass
from typing import Final

#: The version written by this release. It is raised by one if an earlier release could misread the data, or for a
#: migration.
#: 1: before versions were stored. 2: old evidence is folded; failed builds above 1 subtract nothing. 3: as 2, and reads
#: what 4 writes. 4: evidence is compressed, records are shorter, and workspaces are listed by their name alone.
VERSION: Final = 4
#: The earliest version that can read the data: one back, so that an upgrade can be undone.
READABLE_FROM: Final = 3


class SchemaError(Exception):
    """Redis contains data that this version cannot work with; the message says what to do."""


class UnfinishedRestoreError(SchemaError):
    """A backup was restored in part only; nothing may work on that."""


class ClusterModeError(SchemaError):
    """Redis distributes keys over slots, and single steps of the meter use keys in several slots."""

    def __init__(self) -> None:
        super().__init__(
            "this Redis runs in cluster mode, where all keys of the meter must be in one slot: set AWB_REDIS_PREFIX to "
            "a prefix with a hash tag, such as {awb}:, for every part, and AWB_REDIS_URL to "
            "redis+cluster://HOST:PORT,HOST:PORT (docs/redis.md)"
        )


class OtherNodeError(SchemaError):
    """The server is a node of a cluster that does not have the meter's keys."""

    def __init__(self, node: str) -> None:
        super().__init__(
            f"this node of Redis Cluster does not have the meter's keys, {node} does now: set AWB_REDIS_URL to "
            "redis+cluster://HOST:PORT,HOST:PORT, with the addresses of any nodes, so that the meter finds the right "
            "one, also after a failover (docs/redis.md)"
        )


@dataclass(frozen=True, slots=True)
class Schema:
    """The version information stored with the data.

    Attributes:
        version: the newest version that has written here.
        readable_from: the earliest version that can read its data.
        ran_back_to: the earliest version that has written since, after a rollback; 0 for none.
    """

    version: int
    readable_from: int
    ran_back_to: int = 0


def missing_from(found: Schema, version: int = VERSION) -> int:
    """Return the version from which migrations must run; `version` itself if none are needed.

    Raises:
        SchemaError: a newer version wrote data that this one cannot read.
    """
    if found.version <= version:
        return min(found.version, found.ran_back_to or found.version)
    if found.readable_from <= version:
        return version
    raise SchemaError(
        f"Redis holds data of schema {found.version}, which this version (schema {version}) cannot read; nothing was "
        "changed. Start the version that ran here last, or a newer one, or give this one another Redis or AWB_DATA_DIR"
    )
