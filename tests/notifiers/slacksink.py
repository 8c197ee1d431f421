"""A substitute for Slack's Web API on loopback: it stores messages, and refuses requests or loses answers on demand."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

TOKEN = "xoxb-0000-SECRETSECRET"
CHANNEL = "C0AWBALERTS"


@dataclass
class WebApi:
    """What Slack stores, and the requests it received.

    Attributes:
        calls: (method, arguments), oldest first.
        messages: by ts; replies hold `thread_ts`.
        refusals: by method, the error codes of its next answers.
        users: ids by address; each id's conversation is D and the id.
        lost: methods whose next call succeeds without an answer.
    """

    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    refusals: dict[str, list[str]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    users: dict[str, str] = field(default_factory=dict)
    answers: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""
    token: str = TOKEN

    @property
    def methods(self) -> list[str]:
        return [method for method, _ in self.calls]

    @property
    def roots(self) -> list[dict[str, Any]]:
        return [message for message in self.messages.values() if "thread_ts" not in message]

    @property
    def replies(self) -> list[dict[str, Any]]:
        return [message for message in self.messages.values() if "thread_ts" in message]

    def answer(self, method: str, asked: dict[str, Any]) -> dict[str, Any]:
        self.calls.append((method, asked))
        if self.refusals.get(method):
            return {"ok": False, "error": self.refusals[method].pop(0)}
        match method:
            case "chat.postMessage":
                found = self._post(asked)
            case "chat.update":
                found = self._update(asked)
            case "users.lookupByEmail":
                known = self.users.get(asked["email"])
                found = {"user": {"id": known}} if known else {"error": "users_not_found"}
            case "conversations.open":
                found = {"channel": {"id": f"D{asked['users']}"}}
            case "conversations.history" | "conversations.replies":
                found = {"messages": self._shown(asked.get("ts"))}
            case _:
                found = {}
        return {"ok": "error" not in found, **found}

    def _post(self, asked: dict[str, Any]) -> dict[str, Any]:
        ts = f"17779{len(self.messages):05d}.000100"
        self.messages[ts] = dict(asked)
        return {"channel": CHANNEL, "ts": ts}

    def _update(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked["ts"] not in self.messages or asked["channel"] != CHANNEL:
            return {"error": "message_not_found"}
        self.messages[asked["ts"]] |= asked
        return {"channel": CHANNEL, "ts": asked["ts"]}

    def _shown(self, thread: str | None) -> list[dict[str, Any]]:
        return [{"ts": ts, **one} for ts, one in self.messages.items() if one.get("thread_ts") == thread]


@contextmanager
def web_api() -> Iterator[WebApi]:
    api = WebApi()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(api)) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        api.url = f"http://127.0.0.1:{server.server_port}/api"
        try:
            yield api
        finally:
            server.shutdown()
            thread.join()


def _handler(api: WebApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/answer":
                api.answers.append(json.loads(body))
                self.send(200, b"ok")
                return
            method = self.path.removeprefix("/api/")
            as_json = self.headers["Content-Type"].startswith("application/json")
            asked = json.loads(body) if as_json else dict(parse_qsl(body.decode()))
            if self.headers["Authorization"] != f"Bearer {api.token}":
                self.send(200, b'{"ok":false,"error":"invalid_auth"}')
                return
            found = api.answer(method, asked)
            if method in api.lost:
                api.lost.remove(method)
                self.close_connection = True
                return
            self.send(200, json.dumps(found).encode())

        def send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
