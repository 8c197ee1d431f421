"""Delivery of Coder's notifications to a receiver in simulated time: some late, some twice, some never."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from app.simulator.month import Timeline
from app.simulator.notifications import Message, Outbox

#: Coder fetches every 15 seconds, and retries after 5 minutes, up to five attempts in all.
_FETCH_SECONDS: Final = 15.0
_RETRY_MINUTES: Final = 5.0
_MOST_RETRIES: Final = 4
#: A lost lease expires after 2 minutes.
_LEASE_MINUTES: Final = 2.0


@dataclass(frozen=True, slots=True)
class Losses:
    """Shares of messages, from 0 to 1.

    Attributes:
        lost: never arrive, as after five failed attempts.
        late: arrive after retries.
        twice: arrive again with the same id, as after a lost lease.
    """

    lost: float = 0.0
    late: float = 0.0
    twice: float = 0.0


class Courier:
    """Adds a delivery to the timeline for each notification that an event causes.

    Attributes:
        lost: messages that never arrive.
        delivered: the number of deliveries made.
    """

    def __init__(
        self, timeline: Timeline, deliver: Callable[[Message], object], losses: Losses | None = None, *, seed: int = 0
    ) -> None:
        self.outbox = Outbox(timeline.world)
        self.lost: list[Message] = []
        self.delivered = 0
        self._timeline = timeline
        self._deliver = deliver
        self._losses = losses or Losses()
        self._rng = random.Random(seed)
        timeline.after_each(self._collect)

    def _collect(self) -> None:
        for message in self.outbox.collect():
            delay = timedelta(seconds=self._rng.uniform(0, _FETCH_SECONDS))
            if self._rng.random() < self._losses.lost:
                self.lost.append(message)
                continue
            if self._rng.random() < self._losses.late:
                delay += timedelta(minutes=_RETRY_MINUTES * self._rng.randint(1, _MOST_RETRIES))
            self._put(message, delay)
            if self._rng.random() < self._losses.twice:
                self._put(message, delay + timedelta(minutes=_LEASE_MINUTES))

    def _put(self, message: Message, delay: timedelta) -> None:
        def deliver() -> None:
            self.delivered += 1
            self._deliver(message)

        self._timeline.at(self._timeline.world.now + delay, deliver)
