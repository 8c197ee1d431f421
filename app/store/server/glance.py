"""One look at Redis: what several sections of an answer need is read once, the small things in one round trip."""

from collections.abc import Iterable
from typing import Any, Final

import redis

from app.store import keys

#: Commands whose reply is kept. Any other one may be a write, after which everything is read anew.
_READS: Final = frozenset(
    {"HGETALL", "HGET", "HMGET", "HLEN", "SMEMBERS", "ZRANGE", "ZCARD", "ZCOUNT", "ZUNION", "LLEN", "INFO"}
)


class Glance(redis.Redis):
    """The same connections for the time of one request; never kept longer, since it does not see later changes.

    Pipelines and scripts go to Redis. Not for what reads much: every reply is kept until the request ends.

    Args:
        connection: whose connections it shares.
        ahead: commands with their arguments that are sent together before the first read.
    """

    def __init__(self, connection: "redis.Redis", ahead: Iterable[tuple[str, ...]] = ()) -> None:
        super().__init__(connection_pool=connection.connection_pool)
        self._ahead = list(ahead)
        self._known: dict[tuple[str, ...], Any] = {}

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command, or return its reply if it is known.

        Raises:
            redis.exceptions.RedisError: as without the glance.
        """
        if args[0] not in _READS:
            if args[:2] != ("SET", keys.PROBE):  # this write changes nothing
                self._known.clear()
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        if self._ahead:
            self._read_ahead()
        # redis-py repeats the keys for its own cache; every other option says how a reply is read.
        how = sorted(f"{name}={value}" for name, value in options.items() if name != "keys")
        call = (*map(str, args), *how)
        if call not in self._known:
            fields = self._known.get(("HGETALL", str(args[1]))) if args[0] in ("HGET", "HMGET") else None
            if fields is not None:
                values = [fields.get(str(field).encode()) for field in args[2:]]
                return values if args[0] == "HMGET" else values[0]
            self._known[call] = super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        reply = self._known[call]
        return reply.copy() if isinstance(reply, dict | list | set) else reply

    def _read_ahead(self) -> None:
        ahead, self._ahead = self._ahead, []
        with self.pipeline(transaction=False) as pipe:
            for call in ahead:
                pipe.execute_command(*call)  # type: ignore[no-untyped-call]
            replies = pipe.execute(raise_on_error=False)
        # What failed is asked again by whoever needs it, and knows what its failure means.
        self._known.update(
            {call: reply for call, reply in zip(ahead, replies, strict=True) if not isinstance(reply, Exception)}
        )
