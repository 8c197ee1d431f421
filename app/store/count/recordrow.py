"""A usage record in Redis: an array without field names, because there may be hundreds of thousands of them."""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Final

from app.core.count.estimate import record_workspace
from app.core.count.meter import BUILD, RecordState, UsageRecord
from app.core.text.compact import compact

_DAY_CHARS: Final = 11
_OWNER: Final = 2
_FIELDS: Final = 12
# Defaults for the last fields if they are missing: workspace, rule, reason, deliveries, build.
_LAST: Final = ("", "", "", (), None)


def reason_digest(reason: str) -> str:
    return hashlib.blake2s(reason.encode(), digest_size=6).hexdigest()


def write_row(record: UsageRecord) -> str:
    """Return the array, whose first five values update_records.lua reads.

    What the record's key contains is left out: usage key, meter, and the id of the workspace or of the build.
    """
    return compact(
        [
            int(record.state is RecordState.PROVISIONAL),
            record.weight,
            record.owner,
            record.template,
            record.organization,
            record.at,
            "" if record_workspace(record.key) == record.workspace_id else record.workspace_id,
            record.workspace,
            record.rule,
            reason_digest(record.reason),
            list(record.deliveries),
            None if record.build_id == _build_of(record.key, record.state) else record.build_id,
        ]
    )


def read_row(key: str, meter: str, stored: bytes, reason_of: Callable[[str], str]) -> UsageRecord:
    """Parse what update_records.lua stored: the UTC day, a line feed, and the array."""
    row = json.loads(stored[_DAY_CHARS:])
    # Another version may append values, or omit some of the last ones.
    provisional, weight, owner, template, organization, at, workspace_id, workspace, rule, digest, deliveries, build = (
        [*row, *_LAST[len(row) - _FIELDS :]] if len(row) < _FIELDS else row[:_FIELDS]
    )
    state = RecordState.PROVISIONAL if provisional else RecordState.PROVED
    return UsageRecord(
        key=key,
        meter=meter,
        state=state,
        at=at,
        workspace_id=workspace_id or record_workspace(key),
        workspace=workspace,
        owner=owner,
        template=template,
        organization=organization,
        rule=rule,
        reason=reason_of(digest),
        deliveries=tuple(deliveries),
        build_id=_build_of(key, state) if build is None else build,
        weight=weight,
    )


def _build_of(key: str, state: RecordState) -> str | None:
    """Return the build in the key of a proved record."""
    return key.removeprefix(BUILD) if key.startswith(BUILD) and state is RecordState.PROVED else None


def renamed(stored: bytes, names: Mapping[str, str]) -> bytes:
    """Return a stored record with other names.

    Args:
        stored: the UTC day, a line feed, and the array.
        names: owner, template and organization; missing or empty ones stay unchanged.
    """
    row = json.loads(stored[_DAY_CHARS:])
    for place, which in enumerate(("owner", "template", "organization"), _OWNER):
        row[place] = names.get(which) or row[place]
    return stored[:_DAY_CHARS] + compact(row).encode()


def row_owner(stored: bytes) -> str:
    """Return only the owner of a record that update_records.lua stored."""
    return str(json.loads(stored[_DAY_CHARS:])[_OWNER])
