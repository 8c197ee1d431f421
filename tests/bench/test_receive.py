import pytest

from app.store.server.connection import script_text
from bench.receive import CONNECTIONS, EACH, NOOP, OURS, SLACK, commands_of, rates_and_ratios, round_trips
from bench.wrk import Load, read


def test_commands_of_the_receivers_script() -> None:
    found = commands_of(script_text("accept"))
    assert {"hsetnx", "rpush"} <= found
    assert "evalsha" not in found


def test_round_trips_count_what_clients_asked() -> None:
    before = {"evalsha": 10, "hset": 20, "info": 1}
    after = {"evalsha": 15, "hset": 30, "rpush": 5, "info": 2, "hello": 1, "client|setinfo": 2, "get": 3}
    inside = frozenset({"hset", "rpush"})
    assert round_trips(before, after, inside) == 5 + 3


def test_read_takes_refusals_off() -> None:
    load = read(
        "Running 2s test\n  Requests/sec: 1\n"
        '{"requests": 2100, "microseconds": 2000000, "p50": 1500, "p99": 9000, "refused": 100, "broken": 7}\n'
    )
    assert (load.rate, load.p50, load.p99, load.failed) == (1000.0, 1.5, 9.0, 107)


def test_read_of_nothing() -> None:
    with pytest.raises(ValueError, match="Expecting"):
        read("unable to connect\n")


def test_a_missing_contestant_leaves_the_others_measured() -> None:
    load = Load(rate=100.0, p50=1.0, p99=2.0, failed=0)
    rows = rates_and_ratios({(name, at): [load] for name in (OURS, EACH, NOOP) for at in CONNECTIONS}, "npm is missing")
    absent = [row for row in rows if row.spread is None]
    assert len(absent) == 2 * len(CONNECTIONS)
    assert all(SLACK in row.what and row.note == "not measured: npm is missing" for row in absent)
    assert sum(row.met is True for row in rows) == len(CONNECTIONS)
