"""The months before today, played with the clock set back: real jobs and Redis, and Coder's API as of each day."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import redis

from app import clock
from app.config.load import Config
from app.core.limit.limits import Limit
from app.pipeline import passes
from app.pipeline.count.intake import take
from app.pipeline.watch.sweep import recount_if_templates_changed
from app.simulator.month import Timeline
from app.simulator.notifications import Message, Outbox
from app.store.rq import jobqueue, plainjob
from app.store.rq.enqueue import enqueue
from app.store.schema import prepare
from app.store.store import Store
from workers.runner import worker

#: Once a day, at a varying hour, the meter counts, asks Coder and warns. A running service does so every minute, which
#: would make the demo take minutes.
_HOURS: Final = (11, 16, 9, 19, 14, 17, 10)
_ON_ITS_WAY: Final = timedelta(seconds=8)


class Past:
    """A meter that has been running with a simulated Coder since the first day of a timeline.

    Attributes:
        messages: every notification that was delivered.
        outbox: the source of Coder's next notifications.
    """

    def __init__(self, timeline: Timeline, connection: "redis.Redis", config: Config) -> None:
        self.config = config
        self.world = timeline.world
        self.messages: list[Message] = []
        self.outbox = Outbox(timeline.world)
        self._timeline = timeline
        self._redis = connection
        self._now = timeline.world.now
        self._tick = 0

    @property
    def limit(self) -> Limit:
        licence = self.world.licence
        return Limit(licence.limit) if licence else self.config.limit

    def play(self, end: datetime, progress: Callable[[datetime, float], object]) -> None:
        """Play everything up to a moment.

        Args:
            end: the end of the past.
            progress: called with the current moment of the simulation, and the share that is done, from 0 to 1.
        """
        moments = self._moments(end)
        with clock.reading(lambda: self._now):
            prepare(self._redis)
            recount_if_templates_changed(self._redis, self.config)
            for number, moment in enumerate(moments, 1):
                self._timeline.play_until(moment)
                self._deliver()
                self._now = max(moment, self._timeline.world.now)
                self._check()
                progress(moment, number / len(moments))

    def _moments(self, end: datetime) -> Sequence[datetime]:
        begin = self._timeline.world.now
        midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0)
        days = range((end - midnight).days + 1)
        moments = [midnight + timedelta(days=day, hours=_HOURS[day % len(_HOURS)]) for day in days]
        return [*(moment for moment in moments if begin < moment < end), end]

    def _deliver(self) -> None:
        """Accept what Coder has sent since the last call, each message shortly after its event."""
        inbox = Store(self._redis, self.config.settings.deployment).inbox
        for message in self.outbox.collect():
            self._now = max(self._now, message.happening.at + _ON_ITS_WAY)
            take(inbox, message.body, message.id)
            self.messages.append(message)

    def _check(self) -> None:
        """Do the work of workers and scheduler: count, ask Coder, evaluate, send."""
        self._tick += 1
        self._work(jobqueue.DELIVERIES)
        passes.enqueue_due(self._redis, self.config, reconcile_tick=self._tick)
        enqueue(self._redis, plainjob.sweep_job(self._tick), once=True)
        self._work(jobqueue.MAINTENANCE)
        self._work(jobqueue.NOTIFICATIONS)

    def _work(self, queue: str) -> None:
        if jobqueue.queue(queue, self._redis).count:
            hired = worker(queue, self._redis, self.config)
            hired.handles_signals = False
            hired.work(burst=True, logging_level="WARNING")
