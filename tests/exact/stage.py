"""A meter and a simulated Coder; the test decides what happens, what is delivered, and when the meter asks the API."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import redis
import time_machine

from app.coder.api import CoderApi
from app.config.load import Config
from app.core.count.meter import AWB, RecordState, Usage, UsageRecord
from app.pipeline.count.intake import take
from app.pipeline.count.reconcile import Listed, list_changes
from app.pipeline.count.verify import Verified, verify_due
from app.pipeline.usage import current_usage
from app.pipeline.watch.notices import give_notice
from app.pipeline.watch.warn import warn
from app.simulator.api import ApiServer, FaultKind
from app.simulator.licence import Licence
from app.simulator.model import Build, User, Workspace
from app.simulator.notifications import Message, Outbox
from app.simulator.world import World
from app.store.alert import outbox as notifications
from app.store.store import Store
from tests.exact.play import DEPLOYMENT, Meter, truth

AUDIT = "GET /api/v2/audit"
BUILDS = "GET /api/v2/workspaces/{id}/builds"
JOBS = "GET /api/v2/organizations/{organization}/provisionerjobs"
LISTING = "GET /api/v2/workspaces"
ORGANIZATIONS = "GET /api/v2/organizations"
TASKS = "GET /api/v2/tasks"
WORKSPACE = "GET /api/v2/workspaces/{id}"
MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)


def day(number: int, hour: float = 0.0) -> datetime:
    """Return a time, in days and hours after the midnight before the world begins."""
    return MIDNIGHT + timedelta(days=number, hours=hour)


def licence(limit: int = 1000, start: datetime = MIDNIGHT, end: datetime | None = None, **more: Any) -> Licence:
    return Licence(limit=limit, period_start=start, period_end=end or start + timedelta(days=365), **more)


class Server(ApiServer):
    """Can also fail from a chosen request on, and let something happen while an answer is under way.

    Attributes:
        goes_at: number of the request, from 1, from which on the server no longer answers; 0 for never.
        meanwhile: called once, after builds of a workspace were read and before they are answered.
        broken: parts of paths that are always answered with 500.
        denied: parts of paths that are answered with 404, as for a token that may not read them.
        edits: by part of the path and query, a function that changes the answer.
    """

    goes_at = 0
    meanwhile: Callable[[], object] | None = None
    broken: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    edits: Mapping[str, Callable[[Any], object]] = {}
    _asked = 0

    @contextmanager
    def under_way(self, method: str, target: str) -> Iterator[FaultKind | None]:
        self._asked += 1
        if 0 < self.goes_at <= self._asked:
            self.outage = True
        with super().under_way(method, target) as kind:
            yield kind

    def answer(self, method: str, target: str, token: str, body: bytes) -> tuple[HTTPStatus, Any]:
        if any(part in target for part in self.broken):
            return HTTPStatus.INTERNAL_SERVER_ERROR, {"message": "Internal error fetching workspace builds."}
        if any(part in target for part in self.denied):
            return HTTPStatus.NOT_FOUND, {"message": "Resource not found or you do not have access to this resource"}
        found = super().answer(method, target, token, body)
        if self.meanwhile and urlsplit(target).path.endswith("/builds"):
            happens, self.meanwhile = self.meanwhile, None
            happens()
        for part, edit in self.edits.items():
            if part in target and found[0] is HTTPStatus.OK:
                edit(found[1])
        return found

    def count_from_here(self, goes_at: int = 0) -> None:
        """Start counting requests from here."""
        self.requests.clear()
        self.calls.clear()
        self._asked, self.goes_at, self.outage = 0, goes_at, False

    @property
    def asked(self) -> int:
        return sum(self.requests.values())


@dataclass
class Stage(Meter):
    """Everything happens on the world's clock, and no message is lost, late or duplicated unless a test does it."""

    server: Server

    def __post_init__(self) -> None:
        super().__post_init__()
        self.outbox = Outbox(self.world)

    def see_as(self, user: User) -> None:
        """Ask Coder with the token of another user."""
        self.api = CoderApi(self.server.url, self.server.token_of(user), sleep=lambda _seconds: None, attempts=1)

    def attempts(self, number: int) -> None:
        """Set how many times each request to Coder is attempted before it fails."""
        self.api = CoderApi(self.server.url, self.server.token, sleep=lambda _seconds: None, attempts=number)

    @contextmanager
    def now(self) -> Iterator[None]:
        with time_machine.travel(self.world.now, tick=False):
            yield

    def tell(self, *messages: Message) -> list[Message]:
        """Deliver and count messages: the given ones, or all that Coder has sent since the last call."""
        sent = list(messages) or self.outbox.collect()
        with self.now():
            for message in sent:
                take(self.inbox, message.body, message.id)
            self.drain()
        return sent

    def forget(self) -> None:
        """Lose all messages that Coder has sent since the last call."""
        self.outbox.collect()

    def verify(self) -> Verified:
        with self.now():
            return verify_due(Store(self.connection, DEPLOYMENT), self.config, self.api)

    def listings(self, **how: Any) -> Listed:
        with self.now():
            return list_changes(Store(self.connection, DEPLOYMENT), self.api, **how)

    def look(self, **how: Any) -> Verified:
        """Make a complete pass."""
        listed = self.listings(**how)
        assert listed.failure is None
        verified = self.verify()
        assert verified.failure is None
        return verified

    def usage(self, *, top: bool = False) -> Usage:
        with self.now():
            return current_usage(Store(self.connection, DEPLOYMENT), self.config, AWB, top=top)

    def warn(self) -> list[tuple[str, str]]:
        """Evaluate alerts; return reason and level of each announcement."""
        with self.now():
            return [(one.reason.value, one.level) for one in warn(Store(self.connection, DEPLOYMENT), self.config, AWB)]

    def notices(self) -> list[str]:
        """Evaluate notices; return the keys of new ones."""
        with self.now():
            return [notice.key for notice in give_notice(Store(self.connection, DEPLOYMENT), self.config)]

    def sent(self) -> list[dict[str, Any]]:
        return notifications.Outbox(self.connection, DEPLOYMENT).history(limit=1000)

    def records(self, state: RecordState | None = None) -> list[UsageRecord]:
        """Return all records, newest first."""
        page, following = self.book.page(None, 9_000)
        assert following is None
        return [record for record in page if state in (None, record.state)]

    def hints(self) -> int:
        return len(self.records(RecordState.PROVISIONAL))

    def assert_exact(self) -> None:
        """Check that records and totals match the world's true list exactly."""
        assert {record.build_id: record.at for record in self.records()} == truth(self.world)
        totals = self.connection.hgetall(f"awb:v1:{DEPLOYMENT}:totals:{AWB}")
        days = sum(int(number) for field, number in totals.items() if field.startswith(b"d:"))
        assert days == len(truth(self.world))
        assert not any(field.startswith(b"p") for field in totals)


def again(message: Message, message_id: str, **payload: Any) -> Message:
    """Return a message as Coder would send it to another recipient, with a different id."""
    body = json.loads(message.body)
    body["msg_id"] = message_id
    body["payload"].update(payload)
    return Message(message_id, message.name, message.recipient, json.dumps(body).encode(), message.happening)


def build_at(world: World, ended: datetime, workspace: Workspace | None = None) -> Build:
    """Let a start of a task's workspace end at an exact moment; by default of a new task."""
    if workspace is None:
        workspace = world.create_task(world.developers[0], unfinished=True)
    elif workspace.running:
        world.pause(workspace)
        world.resume(workspace, unfinished=True)
    build = workspace.latest
    world.finish(build, ended)
    assert build.completed_at == ended
    return build


def tasks(world: World, number: int) -> list[Workspace]:
    return [world.create_task(world.developers[n % len(world.developers)]) for n in range(number)]


@contextmanager
def on_stage(connection: "redis.Redis", config: Config, world: World | None = None) -> Iterator[Stage]:
    world = world or World(7)
    with Server(world) as server:
        yield Stage(connection, config, server, world, world.rng)
