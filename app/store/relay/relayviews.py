"""Views of relayed messages: by message and target, and a summary of each target."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import redis

from app.store import keys
from app.store.relay.relays import FAILED, PENDING
from app.store.server.commands import commands
from app.store.timeline import Place, behind

_PRUNED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class RelayRow:
    """One message and one target.

    Attributes:
        target: `relay`, or `forward:<name>`.
        template: the name of the notification template.
        received_at: in seconds since the epoch.
        state: pending, sent or failed.
        via: the method used: email, slack or webhook; empty before the first attempt.
        reason: why it has not been delivered, or a remark on the delivery.
        at: time of the last attempt; None before the first.
    """

    message_id: str
    target: str
    template: str
    received_at: float
    state: str
    via: str
    attempts: int
    reason: str
    at: float | None


@dataclass(frozen=True, slots=True)
class TargetRow:
    """A summary of one target.

    Attributes:
        oldest: arrival of the oldest waiting message; None if none is waiting.
        failed: failed messages that are still stored.
        error, error_at: the last failed attempt's error and time.
    """

    target: str
    pending: int
    oldest: float | None
    sent: int
    failed: int
    error: str
    error_at: float | None


class RelayViews:
    """Reads one deployment's relayed messages."""

    def __init__(self, connection: "redis.Redis", deployment: str) -> None:
        self.connection, self.redis = connection, commands(connection)
        self.deployment = deployment

    def of(self, message_ids: Sequence[str]) -> dict[str, list[RelayRow]]:
        """Return the targets of messages, in two round trips; a message that was not relayed has none."""
        if not self.redis.exists(keys.relay_targets(self.deployment)):
            return {one: [] for one in message_ids}
        with self.redis.pipeline(transaction=False) as pipe:
            for message_id in message_ids:
                pipe.hgetall(keys.relay_message(self.deployment, message_id))
            found = pipe.execute() if message_ids else []
        return {one: list(_rows(one, row)) for one, row in zip(message_ids, found, strict=True)}

    def page(
        self, cursor: str | None, limit: int, state: str = "", target: str = ""
    ) -> tuple[list[RelayRow], str | None]:
        """Return rows, newest first, and the next cursor.

        Args:
            cursor: where to continue; None for the first page.
            limit: the maximum number of messages.
            state: `pending` or `failed` messages of one target; empty for all messages.
            target: the target for `state`.

        Raises:
            ValueError: the cursor is invalid.
        """
        index = {
            FAILED: keys.relay_failed(self.deployment, target),
            PENDING: keys.relay_pending(self.deployment, target),
        }.get(state, keys.relay_messages(self.deployment))
        place = None if cursor is None else Place.parse(cursor)
        found = behind(self.connection, index, place, limit + 1)
        ids = [message_id for message_id, _ in found[:limit]]
        rows = [row for rows in self.of(ids).values() for row in rows if not target or row.target == target]
        following = str(Place(found[limit - 1][1], ids[-1])) if len(found) > limit else None
        return rows, following

    def ids(self, cursor: str | None, most: int) -> tuple[list[str], str | None]:
        """Return the ids of relayed messages, newest first, and the next cursor; None at the end."""
        place = None if cursor is None else Place.parse(cursor)
        found = behind(self.connection, keys.relay_messages(self.deployment), place, most)
        ids = [message_id for message_id, _ in found]
        return ids, str(Place(found[-1][1], ids[-1])) if len(found) == most else None

    def targets(self) -> list[TargetRow]:
        """Return every target that has ever had a message, in three round trips."""
        names = sorted(name.decode() for name in self.redis.smembers(keys.relay_targets(self.deployment)))
        stats = {name.decode(): value for name, value in self.redis.hgetall(keys.relay_stats(self.deployment)).items()}
        with self.redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.zcard(keys.relay_pending(self.deployment, name))
                pipe.zrange(keys.relay_pending(self.deployment, name), 0, 0, withscores=True)
                pipe.zcard(keys.relay_failed(self.deployment, name))
            found = pipe.execute() if names else []
        rows = []
        for number, name in enumerate(names):
            pending, oldest, failed = found[3 * number : 3 * number + 3]
            at, error = json.loads(stats.get(f"{name} last", b'[null, ""]'))
            sent = int(stats.get(f"{name} sent", 0))
            rows.append(TargetRow(name, pending, oldest[0][1] if oldest else None, sent, failed, error, at))
        return rows

    def counters(self) -> dict[str, int]:
        """Return the counters: `<target> sent`, `<target> failed`, `<target> error <reason>`."""
        found = self.redis.hgetall(keys.relay_stats(self.deployment))
        return {name.decode(): int(value) for name, value in found.items() if not name.endswith(b" last")}

    def failed_since(self, target: str, since: float) -> int:
        return self.redis.zcount(keys.relay_failed(self.deployment, target), since, "+inf")

    def failed_ids(self, target: str, most: int) -> list[str]:
        """Return the messages that failed for a target, oldest first."""
        found = self.redis.zrange(keys.relay_failed(self.deployment, target), 0, most - 1)
        return [one.decode() for one in found]

    def forget(self, before: float) -> None:
        """Delete the entries of messages that arrived or failed before a moment; the messages expire by themselves."""
        self.redis.zremrangebyscore(keys.relay_messages(self.deployment), "-inf", f"({before!r}")
        for name in self.redis.smembers(keys.relay_targets(self.deployment)):
            self.redis.zremrangebyscore(keys.relay_failed(self.deployment, name.decode()), "-inf", f"({before!r}")


def _rows(message_id: str, row: dict[bytes, bytes]) -> Iterator[RelayRow]:
    found = {name.decode(): value.decode("utf-8", "replace") for name, value in row.items()}
    for name in sorted(found):
        target, slash, field = name.rpartition("/")
        if not slash or field != "state":
            continue
        at = found.get(f"{target}/at")
        yield RelayRow(
            message_id=message_id,
            target=target,
            template=found.get("template", ""),
            received_at=float(found.get("received_at", 0)),
            state=found[name],
            via=found.get(f"{target}/via", ""),
            attempts=int(found.get(f"{target}/attempts", 0)),
            reason=found.get(f"{target}/reason", ""),
            at=float(at) if at else None,
        )
