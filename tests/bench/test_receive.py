import pytest

from app.store.connection import script_text
from bench.receive import commands_of, round_trips
from bench.wrk import read


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
