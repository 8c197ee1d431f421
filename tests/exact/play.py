"""Play a simulated month against the pipeline, with every kind of failure between Coder and the meter."""

import random
from dataclasses import dataclass, field
from datetime import timedelta

import redis
import time_machine

from app.coder.api import CoderApi
from app.config.load import Config
from app.core.count.meter import AWB
from app.pipeline.count.count import count
from app.pipeline.count.intake import take
from app.pipeline.count.reconcile import list_changes
from app.pipeline.count.verify import verify_due
from app.simulator.api import ApiFaults, ApiServer
from app.simulator.licence import Licence
from app.simulator.model import Role, Transition, User
from app.simulator.month import Timeline
from app.simulator.notifications import Message, Outbox
from app.simulator.versions import CURRENT, MIDDLE_SEEN, OLDEST_SEEN, Behaviour
from app.simulator.world import World
from app.store.coder.state import CoderState
from app.store.count.ledger import Ledger
from app.store.count.records import Records
from app.store.receive.inbox import Inbox
from app.store.rq.readyjob import read_args
from app.store.store import Store

DEPLOYMENT = "default"
#: Faults of a working Coder: two calls in a hundred fail.
ALWAYS = ApiFaults(server_error=0.01, rate_limited=0.01)
VERSIONS = (CURRENT, MIDDLE_SEEN, OLDEST_SEEN)


@dataclass
class Meter:
    """The meter's pipeline without separate processes, so that a month takes a second."""

    connection: "redis.Redis"
    config: Config
    server: ApiServer
    world: World
    rng: random.Random
    waiting: list[tuple[float, Message]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.api = CoderApi(self.server.url, self.server.token, sleep=lambda _seconds: None)
        self.inbox = Inbox(self.connection, DEPLOYMENT)
        self.ledger = Ledger(self.connection, DEPLOYMENT, AWB)
        self.book = Records(self.connection, DEPLOYMENT, AWB)
        self.state = CoderState(self.connection, DEPLOYMENT)

    def post(self, messages: list[Message]) -> None:
        """Lose some messages, delay others for up to two days, send some twice."""
        for message in messages:
            for _ in range(self.rng.choice((0, 1, 1, 1, 1, 2))):
                delay = self.rng.choice((0.0, 0.0, self.rng.uniform(0, 48 * 3600)))
                self.waiting.append((self.world.now.timestamp() + delay, message))

    def deliver(self) -> None:
        """Accept the deliveries that have arrived by now, in any order, and count them."""
        now = self.world.now.timestamp()
        due = [message for at, message in self.waiting if at <= now]
        self.waiting = [row for row in self.waiting if row[0] > now]
        self.rng.shuffle(due)
        with time_machine.travel(self.world.now, tick=False):
            for message in due:
                take(self.inbox, message.body, message.id)
            self.drain()
            verify_due(Store(self.connection, DEPLOYMENT), self.config, self.api)

    def drain(self) -> None:
        """Count queued deliveries, without RQ's processes."""
        key = "rq:queue:awb-deliveries"
        while job_id := self.connection.lpop(key):
            data = self.connection.hget(f"rq:job:{job_id.decode()}", "data")
            count(self.connection, self.config, [read_args(data)])
            self.connection.delete(f"rq:job:{job_id.decode()}")

    def see_as(self, user: User) -> None:
        """Ask Coder with the token of another user."""
        self.api = CoderApi(self.server.url, self.server.token_of(user), sleep=lambda _seconds: None)

    def reconcile(self) -> bool:
        """Make a pass, and return whether nothing failed."""
        with time_machine.travel(self.world.now, tick=False):
            if list_changes(Store(self.connection, DEPLOYMENT), self.api).failure is not None:
                return False
            return verify_due(Store(self.connection, DEPLOYMENT), self.config, self.api).failure is None

    def proved(self) -> dict[str, float]:
        """Return every proved record: build id and time."""
        found: dict[str, float] = {}
        cursor: str | None = None
        while True:
            page, cursor = self.book.page(cursor, 200)
            found |= {str(record.build_id): record.at for record in page}
            if cursor is None:
                return found


def play(connection: "redis.Redis", config: Config, seed: int, days: int = 30) -> tuple[Meter, World]:
    """Play a month with loss, delay, duplication and outages; return the meter after one reconcile.

    Two calls in a hundred always fail, as on real servers; outages and other faults end before the last reconcile. The
    seed also determines Coder's version and edition, and the owner of the meter's token.
    """
    connection.flushall()
    world = World(seed, version=VERSIONS[seed % len(VERSIONS)])
    rng = random.Random(seed * 7919 + 1)
    timeline = Timeline(world, days=days)
    outbox = Outbox(world)
    # An owner of an AGPL server has no licence and no audit log, but sees the jobs of provisioners.
    world.agpl = seed % 4 == 0
    world.licence = None if world.agpl else Licence(limit=100)
    with ApiServer(world, seed=seed) as server:
        meter = Meter(connection, config, server, world, rng)
        timeline.after_each(lambda: meter.post(list(outbox.collect())))
        timeline.every(60 * rng.uniform(8, 30), meter.deliver)
        timeline.every(60 * rng.uniform(24, 72), meter.reconcile)
        timeline.every(60 * rng.uniform(30, 90), lambda: _disturb(server, rng))
        if seed % 2:
            meter.see_as(world.add_user("meter", Role.TEMPLATE_ADMIN, Role.AUDITOR))
        timeline.play()
        server.outage, server.faults = False, ALWAYS
        # A retry after a failure is due within minutes.
        world.advance_to(world.now + timedelta(hours=1))
        assert meter.reconcile()
        return meter, world


def truth(world: World) -> dict[str, float]:
    """Return every real Agent Workspace Build with its time."""
    return {build.id: build.completed_at.timestamp() for build in world.awbs if build.completed_at}


def like_true_ones(world: World) -> set[str]:
    """Return builds that v2.28, unlike later versions, shows like real ones.

    v2.28 flags builds by their template. In a workspace that has or had a task, the start before a prebuild was claimed
    and starts after the task was deleted look like the others.
    """
    return {
        build.id
        for workspace in world.workspaces
        if workspace.task and world.does(Behaviour.FLAGS_TEMPLATES)
        for build in workspace.builds
        if build.transition is Transition.START and build.has_ai_task and not build.has_task
    }


def _disturb(server: ApiServer, rng: random.Random) -> None:
    server.outage = rng.random() < 0.2
    share = rng.choice((0.0, 0.0, 0.05, 0.3))
    server.faults = ApiFaults(
        server_error=ALWAYS.server_error + share,
        rate_limited=ALWAYS.rate_limited + share / 2,
        broken_json=share / 4,
        drop_connection=share / 4,
    )
