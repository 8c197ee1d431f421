"""The real service as a child process, and a client of its API."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Self

import requests

_STARTING: Final = 60.0
_ENDING: Final = 20.0
_ANSWERING: Final = 10.0
_POLL: Final = 0.05


class ServiceError(RuntimeError):
    """The service failed, or did not reach an expected state in time."""


class Service:
    """A child process that runs the service; leaving the context ends it with SIGTERM, or else with SIGKILL."""

    def __init__(self, port: int, log: Path, settings: Mapping[str, str]) -> None:
        """Prepare the service; entering the context starts it.

        Args:
            port: the loopback port to listen on.
            log: the file for everything it prints.
            settings: its environment variables; no other `AWB_` variables are passed on.
        """
        self.url = f"http://127.0.0.1:{port}"
        self._log = log
        self._session = requests.Session()
        self._session.trust_env = False
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("AWB_")}
        # The sinks are on loopback, which a configured proxy could not reach.
        self._environment = {**inherited, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", **settings}
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            # A separate session: Ctrl-C reaches only this process, which then ends the child.
            self._child = subprocess.Popen(
                [sys.executable, "-m", "app.cli", "run"],
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()
        if self._child is None:
            return
        self._child.terminate()
        try:
            self._child.wait(_ENDING)
        except subprocess.TimeoutExpired:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()

    def command(self, *arguments: str) -> Any:
        """Run an `awb` command while the service runs, and return the JSON that it prints.

        Raises:
            ServiceError: it failed; the message contains its error output.
        """
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=_STARTING,
            check=False,
        )
        if done.returncode:
            raise ServiceError(f"awb {' '.join(arguments)} failed: {done.stderr.strip()[-500:]}")
        return json.loads(done.stdout)

    def wait_ready(self) -> None:
        """Wait until the service accepts deliveries."""

        def ready() -> bool:
            if self._child is not None and self._child.poll() is not None:
                raise ServiceError(f"the service ended by itself, exit code {self._child.returncode}")
            try:
                return self._session.get(self.url + "/readyz", timeout=_ANSWERING).ok
            except requests.RequestException:
                return False

        self.wait_for(ready, "the service to be ready", _STARTING)

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
        """Wait until the condition is true.

        Raises:
            ServiceError: it was not, within the given time.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise ServiceError(f"timed out after {seconds:.0f} s waiting for {what}")
            time.sleep(_POLL)

    def usage(self) -> dict[str, Any]:
        return self._get("/api/v1/usage") or {}

    def forecast(self) -> dict[str, Any]:
        return self._get("/api/v1/forecast") or {}

    def events(self) -> list[dict[str, Any]]:
        """Return the events of alerts, newest first."""
        return list((self._get("/api/v1/events?limit=200") or {})["events"])

    def notifications(self) -> list[dict[str, Any]]:
        """Return every message to a receiver, newest first."""
        return list((self._get("/api/v1/notifications?limit=200") or {})["notifications"])

    def wait_sent(self) -> None:
        """Wait until no message waits to be sent."""
        self.wait_for(
            lambda: all(one["state"] != "pending" for one in self.notifications()), "every message to be sent"
        )

    def delivery(self, message_id: str) -> dict[str, Any] | None:
        """Return a classified delivery; None if it is not, or not yet, known."""
        return self._get(f"/api/v1/deliveries/{message_id}", absent=requests.codes.not_found)

    def record(self, key: str) -> dict[str, Any] | None:
        """Return a usage record; None if nothing was counted under this key."""
        return self._get(f"/api/v1/records/{key}", absent=requests.codes.not_found)

    def wait_classified(self, messages: Iterable[str]) -> None:
        """Wait until the service has classified each of these messages."""
        waiting = list(messages)

        def done() -> bool:
            while waiting and self.delivery(waiting[-1]) is not None:
                waiting.pop()
            return not waiting

        self.wait_for(done, "every delivery to be classified")

    def records(self) -> list[dict[str, Any]]:
        """Return every usage record."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = self._get("/api/v1/records?limit=500" + (f"&cursor={cursor}" if cursor else "")) or {}
            found += page["records"]
            cursor = page["next"]
            if not cursor:
                return found

    def log_tail(self, lines: int = 25) -> str:
        return "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def _get(self, path: str, *, absent: int | None = None) -> dict[str, Any] | None:
        """Return the answer to a GET; None if the status is the one for a missing object."""
        try:
            answer = self._session.get(self.url + path, timeout=_ANSWERING)
        except requests.RequestException as error:
            raise ServiceError(f"{path} is not answered ({type(error).__name__})") from None
        if answer.status_code == absent:
            return None
        if not answer.ok:
            raise ServiceError(f"{path} answered {answer.status_code}: {answer.text[:200]}")
        body: dict[str, Any] = answer.json()
        return body
