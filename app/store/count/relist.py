"""The migration to schema 4: workspaces are listed once, by name, instead of by id, by name and by owner and name."""

from itertools import islice
from typing import Any, Final

import redis

from app.store import keys
from app.store.count.evidencetext import read_evidence
from app.store.count.ledger import listed_as
from app.store.server.commands import commands

_AT_ONCE: Final = 500


def list_by_name(connection: "redis.Redis") -> None:
    """Move the list of workspaces of every ledger into the index by name, and delete the members by owner and name.

    If the process dies here, the next start continues.
    """
    scan = commands(connection).scan_iter
    for key in list(scan(match=keys.workspaces("*", "*"), count=1000)):
        _move(connection, key.decode())
    for key in list(scan(match=keys.named("*", "*"), count=1000)):
        _drop_owners(connection, key.decode())


def _move(connection: "redis.Redis", listed: str) -> None:
    deployment, meter = keys.deployment_of(listed), listed.rpartition(":")[2]
    store = commands(connection)
    while members := store.zrange(listed, 0, _AT_ONCE - 1):
        ids = [member.decode() for member in members]
        with store.pipeline(transaction=False) as pipe:
            for one in ids:
                pipe.hget(keys.workspace(deployment, meter, one), "e")
            names = [_name(stored) for stored in pipe.execute()]
        with store.pipeline(transaction=True) as pipe:
            pipe.zadd(keys.named(deployment, meter), dict.fromkeys(map(listed_as, ids, names), 0))
            pipe.zrem(listed, *members)
            pipe.execute()


def _name(stored: bytes | None) -> str:
    try:
        return read_evidence(stored or b"{}").name("workspace")
    except ValueError:
        return ""


def _drop_owners(connection: Any, named: str) -> None:
    """Delete `<owner>/<workspace>` wherever the same workspace is also listed by its name alone."""
    listed = connection.zscan_iter(named, count=_AT_ONCE)
    by_owner = (member for member, _score in listed if b"/" in member)
    while some := list(islice(by_owner, _AT_ONCE)):
        scores = connection.zmscore(named, [member.partition(b"/")[2] for member in some])
        gone = [member for member, score in zip(some, scores, strict=True) if score is not None]
        if gone:
            connection.zrem(named, *gone)
