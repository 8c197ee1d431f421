"""The same data in the forms of two versions: keys, names and evidence whole, or shortened."""

import json
from typing import Any

from app.core.count.evidence import Evidence
from app.core.count.meter import AWB
from app.store import keys
from app.store.count.evidencetext import read_evidence, write_evidence
from app.store.count.storedworkspace import write_names
from tests.store.make import DEPLOYMENT

_DAY = 11
_WORKSPACE_ID, _BUILD = 6, 11


def shorten(connection: Any) -> None:
    """Rewrite a ledger as the next version stores it."""
    listed, named = keys.workspaces(DEPLOYMENT, AWB), keys.named(DEPLOYMENT, AWB)
    for member in connection.zrange(listed, 0, -1):
        proved = keys.proved(DEPLOYMENT, AWB, member.decode())
        proved_keys = connection.zrange(proved, 0, -1)
        key = keys.workspace(DEPLOYMENT, AWB, member.decode())
        evidence: Evidence = read_evidence(connection.hget(key, "e"))
        connection.hset(key, "e", write_evidence(evidence, compressed=True))
        usage_keys = json.loads(connection.hget(key, "k"))
        connection.hset(key, "k", json.dumps([int(one.rpartition(":")[2]) for one in usage_keys]))
        for usage_key in usage_keys:
            name = keys.record(DEPLOYMENT, AWB, usage_key)
            stored = connection.get(name)
            row = json.loads(stored[_DAY:])
            row[_WORKSPACE_ID] = ""
            connection.set(name, stored[:_DAY] + json.dumps(row).encode())
        if proved_keys:
            connection.hset(key, "p", b"\n".join(proved_keys))
            connection.delete(proved)
        names = connection.hget(key, "t")
        if names:
            connection.hset(key, "t", write_names(json.loads(names)))
        for usage_key in proved_keys:
            name = keys.record(DEPLOYMENT, AWB, usage_key.decode())
            stored = connection.get(name)
            row = json.loads(stored[_DAY:])
            row[_BUILD] = None
            connection.set(name, stored[:_DAY] + json.dumps(row).encode())
    connection.delete(listed)
    owned = [member for member in connection.zrange(named, 0, -1) if b"/" in member]
    connection.zrem(named, *owned)
