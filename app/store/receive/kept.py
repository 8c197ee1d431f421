"""Deliveries that are stored with their payload, so that they can be classified again."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import redis
from rq.registry import FailedJobRegistry

from app.core.text.compact import compact
from app.store import keys
from app.store.receive.packs import Packs
from app.store.rq import jobqueue, readyjob
from app.store.server.commands import commands
from app.store.server.connection import script

_PAGE: Final = 200
#: Replaces the text of a packed delivery.
_PACKED: Final = b""


@dataclass(frozen=True, slots=True)
class KeptDelivery:
    """The record of one delivery, and its stored text as it was read, to detect later changes."""

    record: dict[str, Any]
    text: bytes

    @property
    def message_id(self) -> str:
        return str(self.record["message_id"])

    @property
    def outcome(self) -> str:
        return str(self.record["verdict"]["outcome"])


class Kept:
    """The stored deliveries of one deployment."""

    def __init__(self, connection: "redis.Redis", deployment: str) -> None:
        self.connection, self.redis = connection, commands(connection)
        self.deployment = deployment
        self._packs = Packs(connection, deployment)

    def find(self, message_id: str) -> KeptDelivery | None:
        text = self.redis.get(keys.delivery(self.deployment, message_id))
        if text is not None:
            return KeptDelivery(dict(json.loads(text)), text)
        packed = self._packs.find(message_id)
        return None if packed is None else KeptDelivery(packed, _PACKED)

    def count(self, since: float) -> int:
        """Return the approximate number of unexpired deliveries since then."""
        return int(self.redis.zcount(keys.deliveries(self.deployment), since, "+inf")) + self._packs.count(since)

    def newest(self, since: float, most: int | None = None) -> Iterator[list[KeptDelivery]]:
        """Yield pages of deliveries since then that are not packed, newest first, up to `most` in total.

        Pages are read by rank from the newest end: new deliveries may cause some to be seen twice, but none to be
        missed.
        """
        index, start = keys.deliveries(self.deployment), 0
        while most is None or start < most:
            stop = start + _PAGE if most is None else min(start + _PAGE, most)
            found = self.redis.zrevrange(index, start, stop - 1, withscores=True)
            names = [keys.delivery(self.deployment, name.decode()) for name, at in found if at >= since]
            texts = self.redis.mget(names) if names else []
            yield [KeptDelivery(dict(json.loads(text)), text) for text in texts if text is not None]
            if len(names) < stop - start:
                return
            start = stop

    def packed(self, since: float) -> Iterator[list[KeptDelivery]]:
        """Yield pages of packed deliveries since then, newest first; all are older than those of `newest`."""
        for rows in self._packs.pages(since):
            yield [KeptDelivery(row, _PACKED) for row in rows]

    def replace(self, message_id: str, text: bytes, record: Mapping[str, Any]) -> bool:
        """Replace a record, unless it has changed since it was read."""
        put = script(self.connection, "replace")
        args = [text, compact(record)]
        return bool(put(keys=[keys.delivery(self.deployment, message_id)], args=args))

    def queue_again(self, kept: KeptDelivery, job: readyjob.ReadyJob) -> bool:
        """Queue a job for a stored delivery; False if its record has changed since, or the job is queued or running."""
        text = self._packs.take_out(kept.message_id) if kept.text == _PACKED else kept.text
        if text is None:
            return False
        put = script(self.connection, "replay")
        failed = FailedJobRegistry.key_template.format(job.queue)
        record = keys.delivery(self.deployment, kept.message_id)
        return bool(
            put(
                keys=[record, job.key, job.queue_key, jobqueue.queues_key(), failed],
                args=[text, job.id, *job.fields],
            )
        )
