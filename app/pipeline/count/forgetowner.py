"""Removal of a user's name from the count: records and totals stay, under a pseudonym."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Final

from app.config.load import Config
from app.core.count.meter import AWB
from app.pipeline.count.count import update_of
from app.store.conflicts import retry_conflicts
from app.store.count.ledger import Ledger
from app.store.count.naming import Naming
from app.store.store import Store

_AT_ONCE: Final = 200
_OWNER: Final = "owner"


def workspaces_of(store: Store, user: str) -> list[str]:
    """Return the workspaces whose records have this user's name, by scanning all workspaces."""
    ledger, found, batch = store.ledger(AWB), list[str](), list[str]()
    for workspace_id in ledger.workspaces():
        batch.append(workspace_id)
        if len(batch) == _AT_ONCE:
            found += _owned(ledger, batch, user)
            batch = []
    return list(dict.fromkeys(found + _owned(ledger, batch, user)))


def forget_owner(store: Store, config: Config, workspace_ids: Collection[str], user: str, instead: str) -> int:
    """Replace a user's name in the records of these workspaces, and return the number of their records.

    Each workspace changes atomically. If the process dies in between, another call changes the rest.

    Raises:
        ConflictError: another process kept changing a workspace; those before it are done.
    """
    ledger, naming = store.ledger(AWB), Naming(store.redis, store.deployment, AWB)

    def attempt(waiting: Mapping[str, None]) -> Collection[str]:
        known = ledger.read_workspaces(dict.fromkeys(waiting, ()))
        updates = []
        for workspace_id, stored in known.items():
            # The earliest sighting of a name wins, so no later delivery restores the old one.
            names = {**stored.evidence.names, _OWNER: (0, 0.0, "", instead)}
            update = update_of(ledger, config, workspace_id, stored, replace(stored.evidence, names=names))
            updates.append(update)
        _moved, conflicts = ledger.update_records(updates)
        return conflicts

    for workspace_id in workspace_ids:
        retry_conflicts({workspace_id: None}, attempt)
        naming.rename(workspace_id, {_OWNER: instead})
        names = ledger.known([workspace_id])[workspace_id].names
        if names:
            ledger.name({workspace_id: {**names, _OWNER: instead}})
    naming.forget(_OWNER, user, instead)
    records = store.records(AWB)
    return sum(len(records.of_workspace(workspace_id)) for workspace_id in workspace_ids)


def _owned(ledger: Ledger, workspace_ids: list[str], user: str) -> list[str]:
    seen, known = ledger.read(workspace_ids), ledger.known(workspace_ids)
    return [
        one
        for one in workspace_ids
        if user in (seen[one][1].name(_OWNER).casefold(), known[one].names.get(_OWNER, "").casefold())
    ]
