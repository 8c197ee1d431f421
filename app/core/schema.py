"""The version of the data in Redis, and whether this version of the service may work with what it finds there."""

from dataclasses import dataclass
from typing import Final

#: What this version writes. Raised by one whenever an earlier version could misread it, or a migration is needed.
#: 1: before there was a number. 2: old evidence is folded; failed builds above 1 take nothing back.
VERSION: Final = 2
#: The earliest version that reads what this one writes: one back, so that an upgrade can be undone.
READABLE_FROM: Final = 1


class SchemaError(Exception):
    """Redis holds what this version cannot work with; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What is stored with the data.

    Attributes:
        version: of the newest version that has written here.
        readable_from: the earliest version that reads what that one wrote.
        ran_back_to: the earliest version that wrote here since, after a rollback; 0 for none.
    """

    version: int
    readable_from: int
    ran_back_to: int = 0


def missing_from(found: Schema, version: int = VERSION) -> int:
    """Return the version from which on migrations are to be made; `version` itself where none are.

    Raises:
        SchemaError: a newer version wrote what this one cannot read.
    """
    if found.version <= version:
        return min(found.version, found.ran_back_to or found.version)
    if found.readable_from <= version:
        return version
    raise SchemaError(
        f"Redis holds data of schema {found.version}, which this version (schema {version}) cannot read; nothing was "
        "changed. Start the version that ran here last, or a newer one, or give this one another Redis or AWB_DATA_DIR"
    )
