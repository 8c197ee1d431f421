"""Keys copied as they are, by type, for backups: all keys of a deployment except derived, temporary and secret ones.

Redis values are bytes and need not be UTF-8. In JSON, bytes that are not UTF-8 become lone surrogates, so no value
changes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from redis.client import Pipeline

from app.store import keys

#: A row of a backup: its kind, then the values of that kind.
Row = list[Any]
KEY: Final = "key"
#: The ledger, which is copied workspace by workspace (app/store/backup/workspaces.py).
LEDGER: Final = frozenset({"record", "records", "totals", "top", "ws", "workspaces", "folded", "proved"})
#: Messages that wait to be relayed, because their encrypted originals may hold passcodes and expire within hours; and
#: what the current pass has seen so far, which the next pass sees again.
LEFT_OUT: Final = frozenset(
    {
        "relay:original", "relay:lane", "relay:lanes", "relay:held", "relay:failing", "relay:sent", "relay:summing",
        "relay:slack", "relay:down", "relay:pending", "pass:seen",
    }
)  # fmt: skip
#: Kept keys that concern all deployments. Sessions, throttles, and the marks of jobs and of the sweep are not kept.
GLOBAL: Final = (keys.DEPLOYMENTS, keys.MARKS, keys.REFUSED)
_AT_ONCE: Final = 500
_LARGE: Final = 2000


def deployment_rows(connection: Any, deployment: str, kinds: Callable[[str], bool]) -> Iterator[Row]:
    """Yield the rows of a deployment's keys of the given kinds."""
    found = (key.decode() for key in connection.scan_iter(match=keys.every(deployment), count=1000))
    wanted = (key for key in found if kinds(keys.kind_of(deployment, key)))
    while batch := list(islice(wanted, _AT_ONCE)):
        yield from key_rows(connection, batch)


def is_kept(kind: str) -> bool:
    """Return whether keys of a kind are copied into a backup as they are."""
    return kind not in LEDGER and kind not in LEFT_OUT


def key_rows(connection: Any, names: Sequence[str]) -> Iterator[Row]:
    """Yield rows of keys: name, type, expiry, whether it is the key's first, content.

    The name is without the prefix, the expiry in epoch milliseconds or None.
    """
    seconds, micros = connection.time()
    now = seconds * 1000 + micros // 1000
    with connection.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.type(name)
            pipe.pttl(name)
        answers = pipe.execute()
    for number, name in enumerate(names):
        kind, left = answers[2 * number].decode(), answers[2 * number + 1]
        ends = now + left if left >= 0 else None
        first = True
        for content in _READERS.get(kind, _nothing)(connection, name):
            yield [KEY, keys.portable(name), kind, ends, first, content]
            first = False


def put_keys(pipe: Pipeline, rows: Sequence[Row], now: float) -> None:
    """Write rows of keys into a pipeline, replacing existing keys; expired ones are left out.

    Args:
        pipe: the pipeline.
        rows: as yielded by `key_rows`.
        now: seconds since the epoch.
    """
    for _key, portable, kind, ends, first, content in rows:
        name = keys.local(portable)
        if ends is not None and ends <= now * 1000:
            continue
        if first:
            pipe.delete(name)
        _WRITERS[kind](pipe, name, content)
        if ends is not None:
            pipe.pexpireat(name, ends)


def text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def raw(value: str) -> bytes:
    return value.encode("utf-8", "surrogateescape")


def _nothing(_connection: Any, _name: str) -> Iterator[Any]:
    return iter(())


def _string(connection: Any, name: str) -> Iterator[Any]:
    value = connection.get(name)
    if value is not None:
        yield text(value)


def _hash(connection: Any, name: str) -> Iterator[Any]:
    pairs = connection.hscan_iter(name, count=_LARGE) if connection.hlen(name) > _LARGE else None
    for part in _parts(pairs, lambda: connection.hgetall(name).items()):
        yield {text(field): text(value) for field, value in part}


def _set(connection: Any, name: str) -> Iterator[Any]:
    members = connection.sscan_iter(name, count=_LARGE) if connection.scard(name) > _LARGE else None
    for part in _parts(members, lambda: connection.smembers(name)):
        yield [text(member) for member in part]


def _sorted(connection: Any, name: str) -> Iterator[Any]:
    scored = connection.zscan_iter(name, count=_LARGE) if connection.zcard(name) > _LARGE else None
    for part in _parts(scored, lambda: connection.zrange(name, 0, -1, withscores=True)):
        yield [[text(member), score] for member, score in part]


def _list(connection: Any, name: str) -> Iterator[Any]:
    yield [text(item) for item in connection.lrange(name, 0, -1)]


def _stream(connection: Any, name: str) -> Iterator[Any]:
    entries = connection.xrange(name)
    yield [[entry.decode(), {text(field): text(value) for field, value in what.items()}] for entry, what in entries]


def _parts(large: Any, small: Callable[[], Any]) -> Iterator[list[Any]]:
    items = iter(small() if large is None else large)
    while part := list(islice(items, _LARGE)):
        yield part


def _put_string(pipe: Pipeline, name: str, content: Any) -> None:
    pipe.set(name, raw(content))


def _put_hash(pipe: Pipeline, name: str, content: Any) -> None:
    pipe.hset(name, mapping={raw(field): raw(value) for field, value in content.items()})


def _put_set(pipe: Pipeline, name: str, content: Any) -> None:
    pipe.sadd(name, *map(raw, content))


def _put_sorted(pipe: Pipeline, name: str, content: Any) -> None:
    pipe.zadd(name, {raw(member): score for member, score in content})


def _put_list(pipe: Pipeline, name: str, content: Any) -> None:
    pipe.rpush(name, *map(raw, content))


def _put_stream(pipe: Pipeline, name: str, content: Any) -> None:
    for entry, what in content:
        pipe.xadd(name, {raw(field): raw(value) for field, value in what.items()}, id=entry)


_READERS: Final[Mapping[str, Callable[[Any, str], Iterator[Any]]]] = {
    "string": _string,
    "hash": _hash,
    "set": _set,
    "zset": _sorted,
    "list": _list,
    "stream": _stream,
}
_WRITERS: Final[Mapping[str, Callable[[Pipeline, str, Any], None]]] = {
    "string": _put_string,
    "hash": _put_hash,
    "set": _put_set,
    "zset": _put_sorted,
    "list": _put_list,
    "stream": _put_stream,
}
