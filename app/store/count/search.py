"""Finding records by what an admin knows of them: a usage key, or a workspace's id, name or `owner/name`."""

from collections.abc import Collection

from app.core.count.meter import UsageRecord
from app.store import keys
from app.store.count.ledger import Ledger, listed_as
from app.store.count.naming import Naming
from app.store.count.records import Records
from app.store.server.commands import commands

_OWNER = "owner"


def find(records: Records, what: str) -> list[UsageRecord]:
    """Return the records for a usage key, workspace id, workspace name or `owner/workspace`, oldest first.

    Upper and lower case are the same in names. Former names of a workspace's owner still find it.
    """
    record = records.record(what)
    if record:
        return [record]
    name = what.lower()
    owner, slash, workspace = name.partition("/")
    found = records.of_workspaces(sorted({name, *_named(records, name)}))
    if slash:
        former = Naming(records.connection, records.deployment, records.meter).now_called(_OWNER, what[: len(owner)])
        found |= _owned(records, _named(records, workspace), {owner, former.lower()})
    return sorted((record for some in found.values() for record in some), key=lambda record: record.at)


def _named(records: Records, name: str) -> set[str]:
    """Return the ids of the workspaces under a name, which is in lower case."""
    index = keys.named(records.deployment, records.meter)
    first, after = listed_as("", name), f"{listed_as('', name)[:-1]}\x0b"
    found = commands(records.connection).zrangebylex(index, f"[{first}", f"({after}")
    return {member.decode().partition("\n")[2] for member in found}


def _owned(records: Records, ids: Collection[str], owners: Collection[str]) -> dict[str, list[UsageRecord]]:
    """Return the records of those workspaces that belong to one of these owners, or did when they were first seen."""
    wanted = sorted(ids)
    known = Ledger(records.connection, records.deployment, records.meter).examine(wanted)
    found = records.of_workspaces(wanted)

    def owners_of(workspace_id: str) -> set[str]:
        _version, evidence, reconciled = known[workspace_id]
        names = {record.owner for record in found[workspace_id]}
        return {name.lower() for name in (evidence.name(_OWNER), reconciled.names.get(_OWNER, ""), *names)}

    return {one: found[one] for one in wanted if not owners_of(one).isdisjoint(owners)}
