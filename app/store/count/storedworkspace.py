"""What the ledger has stored about a workspace, read from its hash."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from app.core.count.estimate import record_key
from app.core.count.evidence import Evidence, Folded
from app.core.text.compact import compact
from app.store.count.evidencetext import read_evidence
from app.store.count.packed import pack, unpack

#: What most names have in common. It is part of the stored data and must never change.
_NAMES: Final = (
    b'0123456789abcdef"task":"yes"}{"owner":"","owner_id":"","template":"coder","template_id":"",'
    b'"organization":"coder","organization_id":"","task":"yes"}'
)


def read_keys(workspace_id: str, stored: bytes | None) -> list[str]:
    """Return the keys of the records that may still be replaced, which are stored whole or as their number."""
    return [record_key(workspace_id, one) if isinstance(one, int) else one for one in json.loads(stored or b"[]")]


def write_keys(workspace_id: str, usage_keys: Iterable[str]) -> str:
    """Return the stored form of keys: a key that is made of the workspace's id and a number becomes the number."""
    return compact([_number(workspace_id, key) or key for key in usage_keys])


def _number(workspace_id: str, key: str) -> int:
    """Return the number in a key; 0 if the key has another form."""
    end = key.rpartition(":")[2]
    return int(end) if end.isdecimal() and key == record_key(workspace_id, int(end)) else 0


def read_proved(stored: bytes | None, listed: Iterable[bytes]) -> list[str]:
    """Return the keys of a workspace's proved records.

    Args:
        stored: those in the workspace's hash, a line each.
        listed: the others, in a list of their own; versions before schema 4 store all of them there.
    """
    return list(dict.fromkeys(key.decode() for key in (*(stored.split(b"\n") if stored else ()), *listed)))


def write_names(names: Mapping[str, str]) -> bytes:
    """Return the stored form of a workspace's names in a listing."""
    return pack(compact(dict(names)), _NAMES)


def read_names(stored: bytes | None) -> dict[str, str]:
    """Parse what `write_names` wrote, or JSON."""
    found: dict[str, str] = json.loads(unpack(stored or b"{}", _NAMES))
    return found


@dataclass(frozen=True, slots=True)
class ReconciledWorkspace:
    """The result of earlier passes over Coder's API for a workspace.

    Attributes:
        last_proved: number of the last build that was checked after it had ended; 0 for none.
        names: its names in the last listing.
    """

    last_proved: int
    names: Mapping[str, str]

    @classmethod
    def of(cls, number: bytes | None, names: bytes | None) -> "ReconciledWorkspace":
        """Read the fields `n` and `t`."""
        return cls(int(number or 0), read_names(names))


@dataclass(frozen=True, slots=True)
class StoredWorkspace:
    """A workspace's stored evidence.

    Attributes:
        keys: keys of the stored records that may still be replaced.
        counted: those of the given messages that the evidence contains only as numbers.
    """

    version: int
    evidence: Evidence
    keys: frozenset[str] = frozenset()
    counted: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        workspace_id: str,
        counted: Collection[str],
        version: bytes | None,
        evidence: bytes | None,
        base: bytes | None,
        stored_keys: bytes | None,
    ) -> "StoredWorkspace":
        """Read the fields `v`, `e`, `b` and `k`."""
        known = read_evidence(evidence or b"{}")
        # If only numbers are left, a version without folding has replaced them by proved builds.
        if base and (known.resumed or known.paused or known.failed_resumes):
            known = replace(known, base=Folded.from_json(base))
        return cls(int(version or 0), known, frozenset(read_keys(workspace_id, stored_keys)), frozenset(counted))
