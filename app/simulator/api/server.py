"""Coder's REST API on loopback, with what goes wrong between it and its clients."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlsplit

from app.simulator.api.accounts import Tokens
from app.simulator.api.connection import Connection, error_body
from app.simulator.api.faults import ApiFaults, FaultKind, FaultPlan
from app.simulator.api.query import BadRequestError
from app.simulator.api.request import AnswerError, Request, no_route
from app.simulator.api.routes import Routes
from app.simulator.model import Role, User
from app.simulator.world import World

_HOST: Final = "127.0.0.1"
_BUILD_INFO: Final = "/api/v2/buildinfo"


class ApiServer:
    """Serves one world, whose lock is held for as long as an answer is computed.

    Attributes:
        token: of the first user who is an owner.
        outage: every connection is reset until this is false again.
        requests: how often each method and path was asked for, as `GET /api/v2/workspaces/{id}`.
        calls: each path with its query, oldest first.
        most_at_once: the most requests that were ever under way together.
    """

    def __init__(self, world: World, *, seed: int = 0) -> None:
        """Prepare.

        Args:
            world: what is served.
            seed: of the faults.
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
        self._server = _Listener((_HOST, 0), connection)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.token = self.token_of(next(user for user in world.users if Role.OWNER in user.roles))

    @property
    def url(self) -> str:
        return f"http://{_HOST}:{self._server.server_port}"

    @property
    def faults(self) -> ApiFaults:
        return self._plan.faults

    @faults.setter
    def faults(self, faults: ApiFaults) -> None:
        self._plan.faults = faults

    def fail_next(self, requests: int, kind: FaultKind | str) -> None:
        """Let each of the next requests go wrong."""
        self._plan.fail_next(requests, FaultKind(kind))

    def token_of(self, user: User, lifetime: timedelta | None = None) -> str:
        """Make a token, which sees what its user's roles allow. With a lifetime it is refused after its end."""
        return self._tokens.make(user, lifetime).text

    def revoke(self, token: str) -> None:
        self._tokens.revoke(token)

    def answer(self, method: str, target: str, token: str, body: bytes) -> tuple[HTTPStatus, Any]:
        """Return status and JSON of the right answer."""
        try:
            done = HTTPStatus.CREATED if method == "POST" else HTTPStatus.OK
            return done, self._right_answer(method, target, token, body)
        except AnswerError as error:
            return error.status, error_body(str(error), error.detail)
        except BadRequestError as error:
            return HTTPStatus.BAD_REQUEST, error_body(str(error), validations=error.validations)

    @contextmanager
    def under_way(self, method: str, target: str) -> Iterator[FaultKind | None]:
        """Count a request for as long as it is answered, and say what goes wrong with it."""
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

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Listener(ThreadingHTTPServer):
    request_queue_size = 128

    def handleerror_body(self, request: Any, client_address: Any) -> None:
        """Stay silent where a client went away."""
