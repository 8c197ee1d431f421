"""The audit trail: the newest first, bounded, one line each."""

from datetime import UTC, datetime

import redis
import time_machine

from app.store import keys
from app.store.audit import KEPT, Audit, AuditEntry
from app.store.store import Store

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)


def test_the_newest_entry_comes_first(connection: "redis.Redis") -> None:
    with time_machine.travel(NOON, tick=False):
        Store(connection, "default").audit.write("admin", "silence", "90% until Friday")
        Store(connection, "default").audit.write("ada", "requeue", "send-1")
        Store(connection, "eu").audit.write("admin", "login", "from 192.0.2.7")
    assert Audit(connection, "default").newest(10) == [
        AuditEntry(NOON, "ada", "requeue", "send-1"),
        AuditEntry(NOON, "admin", "silence", "90% until Friday"),
    ]
    assert [entry.actor for entry in Audit(connection, "default").newest(1)] == ["ada"]
    assert Audit(connection, "default").newest(0) == []


def test_only_so_many_are_kept(connection: "redis.Redis") -> None:
    trail = Audit(connection, "default")
    for number in range(KEPT + 3):
        trail.write("admin", "act", str(number))
    assert connection.xlen(keys.audit("default")) == KEPT
    assert trail.newest(1)[0].detail == str(KEPT + 2)


def test_texts_are_one_line_and_not_endless(connection: "redis.Redis") -> None:
    trail = Audit(connection, "default")
    trail.write("a\nb", "act\x1b[31m", "ü" * 10_000 + "\udcff")
    (entry,) = trail.newest(5)
    assert (entry.actor, entry.action) == ("a b", "act [31m")
    assert entry.detail == "ü" * 499 + "…"
