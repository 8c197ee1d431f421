"""Coder's REST API on loopback, with faults between it and its clients."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from app.simulator.api.accounts import Tokens
from app.simulator.api.connection import Connection, error_body
from app.simulator.api.faults import ApiFaults, FaultKind, FaultPlan
from app.simulator.api.query import BadRequestError
from app.simulator.api.request import AnswerError, Request, no_route
from app.simulator.api.routes import Routes
from app.simulator.loopback import LoopbackServer
from app.simulator.model import Role, User
from app.simulator.world import World

_BUILD_INFO: Final = "/api/v2/buildinfo"


class ApiServer(LoopbackServer):
    """Serves one world and holds its lock while it computes an answer.

    Attributes:
        token: a token of the first user who is an owner.
        outage: while true, every connection is reset.
        requests: the number of requests by method and route, such as `GET /api/v2/workspaces/{id}`.
        calls: every path with its query, oldest first.
        most_at_once: the highest number of concurrent requests so far.
    """

    def __init__(self, world: World, *, seed: int = 0) -> None:
        """Prepare the server; entering the context starts it.

        Args:
            world: the world to serve.
            seed: the seed of the faults.
        """
        self.world = world
        self.outage = False
        self.requests: Counter[str] = Counter()
        self.calls: list[str] = []
        self.most_at_once = 0
        self._tokens = Tokens(world)
        self._plan = FaultPlan(seed)
        self._routes = Routes(world, self._tokens, lambda: self.url)
        self._under_way = 0
        self._lock = threading.Lock()
        connection = type("_Connection", (Connection,), {"answers": self})
        super().__init__(connection)
        self.token = self.token_of(next(user for user in world.users if Role.OWNER in user.roles))

    @property
    def url(self) -> str:
        return f"http://{self.netloc}"

    @property
    def faults(self) -> ApiFaults:
        return self._plan.faults

    @faults.setter
    def faults(self, faults: ApiFaults) -> None:
        self._plan.faults = faults

    def fail_next(self, requests: int, kind: FaultKind | str) -> None:
        """Make the next requests fail in this way."""
        self._plan.fail_next(requests, FaultKind(kind))

    def token_of(self, user: User, lifetime: timedelta | None = None) -> str:
        """Create a token with the rights of its user's roles. With a lifetime it is refused once it has expired."""
        return self._tokens.make(user, lifetime).text

    def revoke(self, token: str) -> None:
        self._tokens.revoke(token)

    def answer(self, method: str, target: str, token: str, body: bytes) -> tuple[HTTPStatus, Any]:
        """Return the status and the JSON of the correct answer."""
        try:
            done = HTTPStatus.CREATED if method == "POST" else HTTPStatus.OK
            return done, self._right_answer(method, target, token, body)
        except AnswerError as error:
            return error.status, error_body(str(error), error.detail)
        except BadRequestError as error:
            return HTTPStatus.BAD_REQUEST, error_body(str(error), validations=error.validations)

    @contextmanager
    def under_way(self, method: str, target: str) -> Iterator[FaultKind | None]:
        """Count a request while it is being answered, and yield its fault, if it has one."""
        path = urlsplit(target).path
        found = self._routes.find(method, path)
        with self._lock:
            self.requests[f"{method} {found[0] if found else path}"] += 1
            self.calls.append(target)
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
            kind = FaultKind.REFUSED if self.outage else self._plan.draw()
        try:
            yield kind
        finally:
            with self._lock:
                self._under_way -= 1

    def _right_answer(self, method: str, target: str, token: str, body: bytes) -> Any:
        url = urlsplit(target)
        if method == "GET" and url.path == _BUILD_INFO:
            return self._routes.build_info()
        used, found = self._tokens.use(token), self._routes.find(method, url.path)
        if used is None:
            raise AnswerError(HTTPStatus.UNAUTHORIZED, "You are signed out.", "API key is invalid.")
        if found is None:
            raise no_route()
        try:
            sent = json.loads(body) if body else None
        except ValueError as error:
            raise BadRequestError("Request body must be valid JSON.", ("body", str(error))) from None
        _, parts, endpoint = found
        with self.world.lock:
            return endpoint(Request(used.user, parts, dict(parse_qsl(url.query)), sent))
