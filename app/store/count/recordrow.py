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
_WORKSPACE: Final = 7


def reason_digest(reason: str) -> str:
    return hashlib.blake2s(reason.encode(), digest_size=6).hexdigest()


def write_row(record: UsageRecord) -> str:
    """Return the array, whose first five values update_records.lua reads; usage key and meter are in its key."""
    return compact(
        [
            int(record.state is RecordState.PROVISIONAL),
            record.weight,
            record.owner,
            record.template,
            record.organization,
            record.at,
            record.workspace_id,
            record.workspace,
            record.rule,
            reason_digest(record.reason),
            list(record.deliveries),
            record.build_id,
        ]
    )


def read_row(key: str, meter: str, stored: bytes, reason_of: Callable[[str], str]) -> UsageRecord:
    """Parse what update_records.lua stored: the UTC day, a line feed, and the array."""
    row = json.loads(stored[_DAY_CHARS:])
    # Another version may append values, or omit some of the last ones.
    provisional, weight, owner, template, organization, at, workspace_id, workspace, rule, digest, deliveries, build = (
        [*row, *_LAST[len(row) - _FIELDS :]] if len(row) < _FIELDS else row[:_FIELDS]
    )
    return UsageRecord(
        key=key,
        meter=meter,
        state=RecordState.PROVISIONAL if provisional else RecordState.PROVED,
        at=at,
        workspace_id=workspace_id or record_workspace(key),
        workspace=workspace,
        owner=owner,
        template=template,
        organization=organization,
        rule=rule,
        reason=reason_of(digest),
        deliveries=tuple(deliveries),
        build_id=_build_of(key) if build is None and not provisional else build,
        weight=weight,
    )


def _build_of(key: str) -> str | None:
    return key.removeprefix(BUILD) if key.startswith(BUILD) else None


def renamed(stored: bytes, names: Mapping[str, str]) -> tuple[bytes, str]:
    """Return a stored record with other names, and the `<owner>/<workspace>` under which to look it up.

    Args:
        stored: the UTC day, a line feed, and the array.
        names: owner, template and organization; missing or empty ones stay unchanged.
    """
    row = json.loads(stored[_DAY_CHARS:])
    for place, which in enumerate(("owner", "template", "organization"), _OWNER):
        row[place] = names.get(which) or row[place]
    text = compact(row)
    return stored[:_DAY_CHARS] + text.encode(), f"{row[_OWNER]}/{row[_WORKSPACE]}".lower()


def row_owner(stored: bytes) -> str:
    """Return only the owner of a record that update_records.lua stored."""
    return str(json.loads(stored[_DAY_CHARS:])[_OWNER])
