"""A ledger as versions before schema 4 stored it: in more bytes."""

import json
from typing import Any

from app.core.count.estimate import record_key, record_workspace
from app.core.count.meter import AWB, BUILD
from app.store import keys
from app.store.count.evidencetext import read_evidence
from app.store.count.storedworkspace import read_names
from tests.store.make import DEPLOYMENT, NOW

_DAY, _OWNER, _WORKSPACE_ID, _WORKSPACE, _BUILD = 11, 2, 6, 7, 11


def lengthen(connection: Any) -> None:
    """Rewrite the whole ledger: keys, evidence and workspaces' ids as text, and workspaces by id, name and owner."""
    prefix = keys.workspace(DEPLOYMENT, AWB, "")
    named: set[str] = set()
    for name in list(connection.scan_iter(match=f"{prefix}*")):
        workspace_id, stored = name.decode().removeprefix(prefix), connection.hgetall(name)
        evidence = json.dumps(read_evidence(stored[b"e"]).as_json())
        numbers = [one if isinstance(one, str) else record_key(workspace_id, one) for one in json.loads(stored[b"k"])]
        connection.hset(name, mapping={"e": evidence, "k": json.dumps(numbers)})
        if b"t" in stored:
            connection.hset(name, "t", json.dumps(read_names(stored[b"t"])))
        if b"p" in stored:
            listed = {key.decode(): n for n, key in enumerate(stored[b"p"].split(b"\n"))}
            connection.zadd(keys.proved(DEPLOYMENT, AWB, workspace_id), listed)
            connection.hdel(name, "p")
        connection.zadd(keys.workspaces(DEPLOYMENT, AWB), {workspace_id: NOW.timestamp()})
    for name in list(connection.scan_iter(match=f"{keys.record(DEPLOYMENT, AWB, '')}*")):
        stored = connection.get(name)
        row = json.loads(stored[_DAY:])
        usage_key = name.decode().partition(f":{AWB}:")[2]
        row[_WORKSPACE_ID] = row[_WORKSPACE_ID] or record_workspace(usage_key)
        if usage_key.startswith(BUILD):
            row[_BUILD] = row[_BUILD] or usage_key.removeprefix(BUILD)
        connection.set(name, stored[:_DAY] + json.dumps(row).encode())
        for listed in (row[_WORKSPACE], f"{row[_OWNER]}/{row[_WORKSPACE]}"):
            named.add(f"{listed.lower()}\n{row[_WORKSPACE_ID]}")
    connection.delete(keys.named(DEPLOYMENT, AWB))
    connection.zadd(keys.named(DEPLOYMENT, AWB), dict.fromkeys(named, 0))
