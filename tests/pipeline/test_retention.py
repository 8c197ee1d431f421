"""Each kind of data is kept for its own time, and a memory budget shortens that of deliveries, and says so."""

from random import Random
from typing import Any

import pytest
import time_machine

from app import clock
from app.answers.health import verdict
from app.config.load import ConfigError
from app.core.finding import Result
from app.pipeline.watch.sweep import sweep
from app.store import keys
from app.store.receive.packs import with_oldest_pack
from app.store.server.budget import read_budget
from app.store.store import Store
from tests.conftest import RedisServer, make_config
from tests.store.make import DEPLOYMENT, notification
from tests.store.test_packs import START, remember, summary

_DAY = 86_400


@pytest.fixture
def filled(connection: Any) -> Store:
    """Return a store with five packs, and something of each other kind."""
    remember(
        connection, [summary(number, payload={"text": Random(number).randbytes(2000).hex()}) for number in range(500)]
    )
    connection.sadd(keys.DEPLOYMENTS, DEPLOYMENT)
    store = Store(connection, DEPLOYMENT)
    store.packs.pack(START + 1000, 4000 * _DAY)
    connection.zadd(keys.relay_messages(DEPLOYMENT), {"m1": START})
    with time_machine.travel(START):
        store.outbox.add([notification("n1")], clock.now())
        store.outbox.drop("n1", "dropped", "for the test")
        connection.xadd(
            keys.audit(DEPLOYMENT),
            {"at": START, "actor": "a", "action": "b", "detail": "c"},
            id=f"{int(START * 1000)}-0",
        )
    return store


def kept(connection: Any) -> set[str]:
    found = {
        "deliveries": connection.zcard(keys.packs(DEPLOYMENT)),
        "messages": connection.zscore(keys.notifications(DEPLOYMENT), "n1") is not None,
        "relays": connection.zcard(keys.relay_messages(DEPLOYMENT)),
        "audit": connection.xlen(keys.audit(DEPLOYMENT)),
    }
    return {kind for kind, there in found.items() if there}


@pytest.mark.parametrize(
    ("setting", "kind"),
    [
        ("keep_days", "deliveries"),
        ("keep_message_days", "messages"),
        ("keep_relay_days", "relays"),
        ("keep_audit_days", "audit"),
    ],
)
def test_each_kind_has_a_time_of_its_own(
    connection: Any, redis_server: RedisServer, filled: Store, setting: str, kind: str
) -> None:
    settings = {"keep_days": 50, "keep_message_days": 50, "keep_relay_days": 50, "keep_audit_days": 50, setting: 10}
    with time_machine.travel(START + 20 * _DAY):
        sweep(connection, make_config(redis_server.url, deployment=DEPLOYMENT, **settings))
    assert kept(connection) == {"deliveries", "messages", "relays", "audit"} - {kind}


def test_beyond_the_budget_the_oldest_deliveries_go_first_and_it_is_said(
    connection: Any, redis_server: RedisServer, filled: Store
) -> None:
    with time_machine.travel(START + 20 * _DAY):
        roomy = make_config(redis_server.url, deployment=DEPLOYMENT, redis_budget="1gb")
        sweep(connection, roomy)
        assert connection.zcard(keys.packs(DEPLOYMENT)) == 5
        assert verdict(filled, roomy).of("redis.budget") is Result.OK
        tight = make_config(redis_server.url, deployment=DEPLOYMENT, redis_budget="1kb")
        sweep(connection, tight)
        assert connection.zcard(keys.packs(DEPLOYMENT)) == 0
        state = read_budget(connection)
        assert state
        assert (state.kept_since, state.exhausted) == (START + 499, True)
        [found] = [one for one in verdict(filled, tight).findings if one.check == "redis.budget"]
        assert found.outcome is Result.ERROR
        assert "no older deliveries are left to delete" in found.message
        # With enough room again, what was deleted early is still said, until it would be gone anyway.
        sweep(connection, roomy)
        [found] = [one for one in verdict(filled, roomy).findings if one.check == "redis.budget"]
        assert found.outcome is Result.WARNING
        assert "were deleted early" in found.message
    with time_machine.travel(START + 500 * _DAY):
        sweep(connection, roomy)
        assert verdict(filled, roomy).of("redis.budget") is Result.OK
        sweep(connection, make_config(redis_server.url, deployment=DEPLOYMENT))
        assert read_budget(connection) is None


def test_only_as_much_is_deleted_as_is_needed(
    connection: Any, redis_server: RedisServer, filled: Store, monkeypatch: Any
) -> None:
    from app.pipeline.watch import budget  # noqa: PLC0415

    monkeypatch.setattr(budget, "_AT_ONCE", 1)
    used = connection.info("memory")["used_memory"]
    size = connection.memory_usage(keys.pack(DEPLOYMENT, 1), samples=0)
    with time_machine.travel(START + 20 * _DAY):
        config = make_config(redis_server.url, deployment=DEPLOYMENT, redis_budget=str(used - size * 3 // 2))
        budget.keep_within(connection, config)
    left = connection.zrange(keys.packs(DEPLOYMENT), 0, -1)
    assert 2 <= len(left) <= 4
    assert left == [b"1", b"2", b"3", b"4", b"5"][-len(left) :]


def test_the_oldest_deliveries_go_first_whichever_deployment_has_them(connection: Any) -> None:
    names = ["young", "empty", "old"]
    assert with_oldest_pack(connection, names) is None
    connection.zadd(keys.packs("young"), {"1": START + 5, "2": START + 9})
    connection.zadd(keys.packs("old"), {"1": START + 2, "2": START + 9})
    assert with_oldest_pack(connection, names) == "old"
    assert Store(connection, "old").packs.forget_oldest(1) == START + 2
    assert with_oldest_pack(connection, names) == "young"


@pytest.mark.parametrize("size", ["much", "1 apple", "-1", "1.5gb"])
def test_a_budget_that_is_no_size_is_refused(size: str) -> None:
    with pytest.raises(ConfigError) as refused:
        make_config(redis_budget=size)
    assert "AWB_REDIS_BUDGET" in str(refused.value.problems)


@pytest.mark.parametrize(("text", "size"), [("0", 0), ("512mb", 512 << 20), ("1GB", 1 << 30), ("1048576", 1 << 20)])
def test_a_budget_is_read_as_redis_writes_sizes(text: str, size: int) -> None:
    assert make_config(redis_budget=text).settings.redis_budget == size
