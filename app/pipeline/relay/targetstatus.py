"""The status of each relay and forward target, for the health verdict, doctor and pages."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from app import clock
from app.config.load import Config
from app.core.relay.target import PERSON, forward_target
from app.store.relay.relayviews import TargetRow
from app.store.store import Store

#: A message that waits for longer is late.
LATE: Final = timedelta(minutes=15)
_LATELY: Final = timedelta(hours=24)


class Condition(StrEnum):
    """Status of a target."""

    OK = "ok"
    LATE = "late"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """One target.

    Attributes:
        condition: LATE if a message has waited for more than 15 minutes, FAILING if one failed within a day.
        says: one sentence for people.
    """

    target: str
    condition: Condition
    says: str
    pending: int
    failed_lately: int


def target_statuses(store: Store, config: Config) -> list[TargetStatus]:
    """Return the status of each configured target, and of others with waiting messages; reads only."""
    settings = config.settings
    configured = [PERSON] if settings.relay != "off" else []
    configured += [forward_target(forward.name) for forward in settings.forward]
    rows = {row.target: row for row in store.relayviews.targets()}
    names = [*configured, *(name for name, row in rows.items() if name not in configured and row.pending)]
    found = []
    for name in names:
        row = rows.get(name) or TargetRow(name, 0, None, 0, 0, "", None)
        found.append(_status(store, row, configured=name in configured))
    return found


def _status(store: Store, row: TargetRow, *, configured: bool) -> TargetStatus:
    now = clock.now()
    failed = store.relayviews.failed_since(row.target, (now - _LATELY).timestamp())
    waits = timedelta(seconds=now.timestamp() - row.oldest) if row.oldest is not None else timedelta()
    last = f": {row.error}" if row.error else ""
    if not configured:
        says, condition = f"{row.pending} messages wait for a target that is not configured any more", Condition.LATE
    elif waits > LATE:
        says = f"{row.pending} messages wait, the oldest for {waits.total_seconds() // 60:.0f} minutes{last}"
        condition = Condition.LATE
    elif failed:
        says, condition = f"{failed} messages failed within 24 hours{last}", Condition.FAILING
    else:
        says, condition = f"{row.sent} messages delivered, {row.pending} wait", Condition.OK
    return TargetStatus(row.target, condition, says, row.pending, failed)
