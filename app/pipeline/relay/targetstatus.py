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

#: A message that has waited longer than this is late.
LATE: Final = timedelta(minutes=15)
_LATELY: Final = timedelta(hours=24)


class Condition(StrEnum):
    """The condition of a target."""

    OK = "ok"
    LATE = "late"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """One target.

    Attributes:
        condition: LATE if a message has waited for more than 15 minutes, FAILING if one failed within a day.
        summary: the status in words.
    """

    target: str
    condition: Condition
    summary: str
    pending: int
    failed_lately: int


def target_statuses(store: Store, config: Config) -> list[TargetStatus]:
    """Return the status of each configured target, and of others with waiting messages, without changing anything."""
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
        summary, condition = f"Target no longer configured; waiting messages: {row.pending:,}", Condition.LATE
    elif waits > LATE:
        summary = f"Waiting messages: {row.pending:,}, the oldest for {waits.total_seconds() // 60:.0f} min{last}"
        condition = Condition.LATE
    elif failed:
        summary, condition = f"Messages that failed within 24 h: {failed:,}{last}", Condition.FAILING
    else:
        summary, condition = f"Messages delivered: {row.sent:,}, waiting: {row.pending:,}", Condition.OK
    return TargetStatus(row.target, condition, summary, row.pending, failed)
