"""What the ledger has stored about a workspace, read from its hash."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from app.core.count.estimate import record_key
from app.core.count.evidence import Evidence, Folded
from app.store.count.evidencetext import read_evidence


def read_keys(workspace_id: str, stored: bytes | None) -> list[str]:
    """Return the keys of the records that may still be replaced, which are stored whole or as their number."""
    return [record_key(workspace_id, one) if isinstance(one, int) else one for one in json.loads(stored or b"[]")]


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
        return cls(int(number or 0), json.loads(names or b"{}"))


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
