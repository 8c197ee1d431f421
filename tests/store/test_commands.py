"""The types that we give to Redis' answers, held against a real server's."""

import inspect
from collections.abc import Iterator
from typing import Any, get_overloads, get_type_hints

import pytest
import redis
from pydantic import ConfigDict, TypeAdapter

from app.store.server.commands import Commands, commands

Pairs = list[tuple[bytes, float]]
#: Every command: how it is called, and for an overloaded one the answer that this way of calling it gets.
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any], Any]] = [
    ("get", ("text",), {}, None),
    ("get", ("none",), {}, None),
    ("mget", (["text", "none"],), {}, None),
    ("set", ("new", 1.5), {"ex": 9, "nx": True}, None),
    ("delete", ("text", "none"), {}, None),
    ("unlink", (b"text", "none"), {}, None),
    ("exists", ("text", "none"), {}, None),
    ("scan_iter", (), {"match": "t*", "count": 9}, list[bytes]),
    ("hget", ("hash", "a"), {}, None),
    ("hmget", ("hash", "a", "none"), {}, list[bytes | None]),
    ("hmget", ("hash", ["a", "none"]), {}, list[bytes | None]),
    ("hgetall", ("hash",), {}, None),
    ("hlen", ("hash",), {}, None),
    ("hexists", ("hash", "a"), {}, None),
    ("hset", ("hash", "b", b"2"), {}, int),
    ("hset", ("hash",), {"mapping": {"b": 2}}, int),
    ("hsetnx", ("hash", "a", 2.5), {}, None),
    ("hincrby", ("hash", "a", 2), {}, None),
    ("hdel", ("hash", "a", "none"), {}, None),
    ("llen", ("list",), {}, None),
    ("lindex", ("list", 0), {}, None),
    ("lindex", ("list", 9), {}, None),
    ("lrange", ("list", 0, -1), {}, None),
    ("smembers", ("set",), {}, None),
    ("sismember", ("set", "a"), {}, None),
    ("smismember", ("set", ["a", "none"]), {}, None),
    ("srandmember", ("set", 5), {}, None),
    ("sdiff", ("set", "none"), {}, None),
    ("sadd", ("set", "a", "b"), {}, None),
    ("srem", ("set", "a", "b"), {}, None),
    ("zcard", ("sorted",), {}, None),
    ("zcount", ("sorted", "-inf", 5.0), {}, None),
    ("zmscore", ("sorted", ["a", b"none"]), {}, None),
    ("zrange", ("sorted", 0, -1), {}, list[bytes]),
    ("zrange", ("sorted", "-inf", "(7"), {"byscore": True, "offset": 0, "num": 5}, list[bytes]),
    ("zrange", ("sorted", 7, 0), {"byscore": True, "desc": True, "withscores": True}, Pairs),
    ("zrevrange", ("sorted", 0, -1), {}, list[bytes]),
    ("zrevrange", ("sorted", 0, -1), {"withscores": True}, Pairs),
    ("zrangebylex", ("sorted", "[a", "(z"), {}, None),
    ("zunion", (["sorted", "none"],), {"withscores": True}, None),
    ("zscan_iter", ("sorted",), {"count": 9}, Pairs),
    ("zadd", ("sorted", {"b": 2.5}), {"gt": True}, None),
    ("zrem", ("sorted", "a", "none"), {}, None),
    ("zremrangebyscore", ("sorted", "-inf", 5), {}, None),
    ("xtrim", ("stream",), {"minid": "0-1", "approximate": False}, None),
    ("xadd", ("stream", {"a": "1"}), {"maxlen": 5, "approximate": False}, None),
    ("xrevrange", ("stream",), {"count": 5}, None),
    ("info", (), {}, None),
    ("execute_command", ("PING",), {}, None),
]  # fmt: skip
NOT_A_COMMAND = "pipeline"


@pytest.fixture
def filled(connection: "redis.Redis") -> Commands:
    connection.set("text", "größer")
    connection.hset("hash", "a", "1")
    connection.rpush("list", "a", "b")
    connection.sadd("set", "a")
    connection.zadd("sorted", {"a": 1.5})
    connection.xadd("stream", {"a": "1"})
    return commands(connection)


@pytest.mark.parametrize(
    ("name", "args", "options", "answers"), CALLS, ids=[f"{number}-{row[0]}" for number, row in enumerate(CALLS)]
)
def test_redis_answers_what_the_types_say(
    filled: Commands, name: str, args: tuple[Any, ...], options: dict[str, Any], answers: Any
) -> None:
    answer = getattr(filled, name)(*args, **options)
    if isinstance(answer, Iterator):
        answer = list(answer)
    if answers is None:
        answers = get_type_hints(getattr(Commands, name))["return"]
    TypeAdapter(answers, config=ConfigDict(strict=True)).validate_python(answer)


def test_every_command_is_held_against_a_server_in_every_way_that_it_is_typed() -> None:
    typed = {name: len(get_overloads(one)) or 1 for name, one in inspect.getmembers(Commands, inspect.isfunction)}
    ours = {name: count for name, count in typed.items() if not name.startswith("_") and name != NOT_A_COMMAND}
    called = [row[0] for row in CALLS]
    assert {name: called.count(name) for name in ours if called.count(name) < ours[name]} == {}
    assert set(called) == set(ours)
