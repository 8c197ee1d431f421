"""A view of Redis for one answer: data that several sections need is read once, and small items in one round trip."""

from collections.abc import Iterable
from typing import Any, Final

import redis

from app.store import keys

#: Commands whose replies are kept. Any other command may be a write, after which everything is read again.
_READS: Final = frozenset(
    {"HGETALL", "HGET", "HMGET", "HLEN", "SMEMBERS", "ZRANGE", "ZCARD", "ZCOUNT", "ZUNION", "LLEN", "INFO"}
)


class Glance(redis.Redis):
    """The same connections for the duration of one request. It does not see later changes, so it is never kept longer.

    Pipelines and scripts bypass it. Do not use it for large reads: every reply is kept until the request ends.

    Args:
        connection: the connection whose pool it shares.
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
        # redis-py repeats the keys for its own cache; all other options determine how a reply is parsed.
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
        # Failed commands are sent again by the code that needs them, which can handle the failure.
        self._known.update(
            {call: reply for call, reply in zip(ahead, replies, strict=True) if not isinstance(reply, Exception)}
        )
