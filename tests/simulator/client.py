"""A bare client of the simulated API."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from app.simulator.api import ApiServer
from app.simulator.world import World
from tests.conftest import PATIENCE


@dataclass
class Client:
    server: ApiServer
    token: str

    def call(self, path: str, method: str = "GET", body: Any = None, **parameters: Any) -> requests.Response:
        return requests.request(
            method,
            self.server.url + (path if path.startswith("/api/") else "/api/v2" + path),
            params=parameters,
            json=body,
            headers={"Coder-Session-Token": self.token},
            timeout=PATIENCE,
        )

    def get(self, path: str, **parameters: Any) -> Any:
        answer = self.call(path, **parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def names(self, query: str = "", **parameters: Any) -> list[str]:
        return [workspace["name"] for workspace in self.get("/workspaces", q=query, **parameters)["workspaces"]]


@contextmanager
def serving(world: World) -> Iterator[Client]:
    with ApiServer(world) as server:
        yield Client(server, server.token)
