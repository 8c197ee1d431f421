"""Older deliveries, packed: a hundred of them, compressed in one key, take a tenth of the memory.

Deliveries of the last day have a key each, which earlier versions can read. To an earlier version, packed deliveries
look expired.
"""

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import redis

from app import clock
from app.core.text.compact import compact
from app.store import keys
from app.store.receive import seen
from app.store.server.commands import commands
from app.store.server.watching import watching
from app.store.timeline import Place

#: Deliveries in a pack. More would save little, and reading one means decompressing all.
SIZE: Final = 100
_LEVEL: Final = 6
_PACKS_AT_ONCE: Final = 20
Record = dict[str, Any]


class Packs:
    """The packed deliveries of one deployment."""

    def __init__(self, connection: "redis.Redis", deployment: str) -> None:
        self.connection, self.redis = connection, commands(connection)
        self.deployment = deployment

    def pack(self, before: float, keep_seconds: float, most: int = _PACKS_AT_ONCE) -> int:
        """Pack deliveries that arrived before a moment, oldest first; the cost is independent of the history's length.

        Each pack is one transaction, so if the process dies, a delivery is either packed or not.

        Args:
            before: in seconds since the epoch.
            keep_seconds: how long deliveries are kept from their arrival.
            most: the maximum number of packs.

        Returns:
            The number of packed deliveries.
        """
        packed, below = 0, f"({before!r}"
        for _ in range(most):
            index = keys.deliveries(self.deployment)
            found = self.redis.zrange(index, "-inf", below, byscore=True, offset=0, num=SIZE, withscores=True)
            if len(found) < SIZE:
                break
            packed += self._pack([member.decode() for member, _ in found], found[-1][1], keep_seconds)
        return packed

    def _pack(self, ids: Sequence[str], newest: float, keep_seconds: float) -> int:
        """Pack these deliveries and return their number."""
        names = [keys.delivery(self.deployment, one) for one in ids]

        def attempt(pipe: Any) -> int:
            rows = [json.loads(text) for text in pipe.mget(names) if text is not None]
            number = pipe.incr(keys.pack_number(self.deployment))
            pipe.multi()
            if rows:
                pipe.set(keys.pack(self.deployment, number), _zipped(rows), exat=int(newest + keep_seconds) + 1)
                pipe.zadd(keys.packs(self.deployment), {str(number): newest})
                pipe.delete(*names)
            pipe.zrem(keys.deliveries(self.deployment), *ids)
            for row in rows:
                year, (bucket, member) = seen.year_of(row["received_at"]), seen.bucket(row["message_id"])
                key = keys.seen(self.deployment, year, bucket)
                pipe.hset(key, member, number)
                # The entry that leads from an id to its pack must not expire before the pack.
                pipe.expireat(key, max(seen.expiry_of(year), seen.expiry_of(year - 1) + int(keep_seconds)))
            pipe.execute()
            return len(rows)

        return watching(self.connection, names, attempt)

    def find(self, message_id: str) -> Record | None:
        """Return a packed delivery; None if it is not packed, or has expired."""
        found = (row for number in self._numbers(message_id) for row in self._rows(number))
        return next((row for row in found if row["message_id"] == message_id), None)

    def take_out(self, message_id: str) -> bytes | None:
        """Move a packed delivery back to its own key, and return its text; None if it is no longer packed."""
        found = (self._take_out(number, message_id) for number in self._numbers(message_id))
        return next((text for text in found if text is not None), None)

    def _take_out(self, number: int, message_id: str) -> bytes | None:
        name = keys.pack(self.deployment, number)

        def attempt(pipe: Any) -> bytes | None:
            left, rows = pipe.pttl(name), self._rows(number)
            one = next((row for row in rows if row["message_id"] == message_id), None)
            if one is None:
                return None
            text = compact(one).encode()
            pipe.multi()
            pipe.set(name, _zipped([row for row in rows if row is not one]), keepttl=True)
            pipe.set(keys.delivery(self.deployment, message_id), text, px=max(left, 1))
            pipe.zadd(keys.deliveries(self.deployment), {message_id: one["received_at"]})
            pipe.execute()
            return text

        return watching(self.connection, [name], attempt)

    def pages(self, since: float) -> Iterator[list[Record]]:
        """Yield packs with deliveries since a moment, newest first, as are the deliveries in each."""
        for number, newest in self._newest_first():
            if newest < since:
                return
            yield sorted(
                (row for row in self._rows(number) if row["received_at"] >= since), key=_sort_key, reverse=True
            )

    def _numbers(self, message_id: str) -> list[int]:
        """Return the packs that may hold a delivery."""
        bucket, member = seen.bucket(message_id)
        year = seen.year_of(clock.now().timestamp())
        with self.connection.pipeline(transaction=False) as pipe:
            for one in (year, year - 1, year - 2):
                pipe.hget(keys.seen(self.deployment, one, bucket), member)
            return [int(value) for value in pipe.execute() if value]

    def behind(self, place: Place | None, most: int, at_least: float) -> list[Record]:
        """Return at most `most` packed deliveries older than a place, newest first.

        Args:
            place: where to continue; None for the beginning.
            most: the maximum number of deliveries.
            at_least: deliveries before this moment are not needed.
        """
        found: list[Record] = []
        for number, newest in self._newest_first():
            enough = len(found) >= most and _sort_key(found[most - 1])[0] > newest
            if enough or newest < at_least:
                break
            found += [row for row in self._rows(number) if place is None or _is_behind(row, place)]
            found.sort(key=_sort_key, reverse=True)
        return found[:most]

    def count(self, since: float = 0.0) -> int:
        """Return the approximate number of packed deliveries that arrived since a moment."""
        return SIZE * self.redis.zcount(keys.packs(self.deployment), since, "+inf")

    def rewrite(self, changed: Callable[[Record], Record | None]) -> int:
        """Replace packed deliveries by what a function returns for each; None keeps one unchanged.

        Returns:
            The number of replaced deliveries.
        """
        return sum(self._rewrite(number, changed) for number, _ in list(self._newest_first()))

    def forget(self, before: float, most: int = 1000) -> int:
        """Delete packs whose newest delivery arrived before a moment, and return the number of packs deleted."""
        found = self.redis.zrange(keys.packs(self.deployment), "-inf", f"({before!r}", byscore=True, offset=0, num=most)
        return self._delete([int(member) for member in found])

    def forget_oldest(self, most: int) -> float | None:
        """Delete the oldest packs; return the time of the newest deleted delivery, or None if there is no pack."""
        found = self.redis.zrange(keys.packs(self.deployment), 0, most - 1, withscores=True)
        self._delete([int(member) for member, _ in found])
        return found[-1][1] if found else None

    def _delete(self, numbers: Sequence[int]) -> int:
        if numbers:
            with self.connection.pipeline(transaction=True) as pipe:
                pipe.unlink(*(keys.pack(self.deployment, number) for number in numbers))
                pipe.zrem(keys.packs(self.deployment), *map(str, numbers))
                pipe.execute()
        return len(numbers)

    def _rewrite(self, number: int, changed: Callable[[Record], Record | None]) -> int:
        name = keys.pack(self.deployment, number)

        def attempt(pipe: Any) -> int:
            pairs = [(row, changed(row)) for row in self._rows(number)]
            done = sum(instead is not None for _, instead in pairs)
            if done:
                pipe.multi()
                pipe.set(name, _zipped([row if instead is None else instead for row, instead in pairs]), keepttl=True)
                pipe.execute()
            return done

        return watching(self.connection, [name], attempt)

    def _newest_first(self) -> Iterator[tuple[int, float]]:
        start = 0
        while found := self.redis.zrevrange(keys.packs(self.deployment), start, start + SIZE - 1, withscores=True):
            yield from ((int(member), newest) for member, newest in found)
            start += len(found)

    def _rows(self, number: int) -> list[Record]:
        stored = self.redis.get(keys.pack(self.deployment, number))
        found: list[Record] = json.loads(zlib.decompress(stored).decode("utf-8", "surrogatepass")) if stored else []
        return found


def with_oldest_pack(connection: "redis.Redis", deployments: Sequence[str]) -> str | None:
    """Return the deployment whose oldest pack ends first; None if there is no pack."""
    with connection.pipeline(transaction=False) as pipe:
        for name in deployments:
            pipe.zrange(keys.packs(name), 0, 0, withscores=True)
        found = {name: ends[0][1] for name, ends in zip(deployments, pipe.execute(), strict=True) if ends}
    return min(found, key=lambda name: found[name], default=None)


def _zipped(rows: Sequence[Record]) -> bytes:
    text = json.dumps(rows, separators=(",", ":"), ensure_ascii=False)
    return zlib.compress(text.encode("utf-8", "surrogatepass"), _LEVEL)


def _sort_key(row: Record) -> tuple[float, bytes]:
    return row["received_at"], row["message_id"].encode()


def _is_behind(row: Record, place: Place) -> bool:
    return _sort_key(row) < (place.at, place.member.encode())
