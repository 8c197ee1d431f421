"""A copy of the checkout where people really put it, run by another user among hostile surroundings."""

import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme

from app.simulator.loopback import free_port
from tests.conftest import wait_until
from tests.faults.system import processes, session
from tests.notifiers.httpsink import HttpSink, answer, sink
from tests.otheruser import as_somebody_else, give
from tests.pipeline.streams import Delivery, resumes
from tests.workers.make import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")]

#: The second and the fourth build cross a threshold.
LIMIT = 4
#: What Kubernetes sets for Services named awb and awb-meter.
LINKS = {
    f"{name}{shape}": value
    for name in ("AWB", "AWB_METER")
    for shape, value in {
        "_SERVICE_HOST": "10.96.12.7",
        "_SERVICE_PORT": "8787",
        "_SERVICE_PORT_HTTP": "8787",
        "_PORT": "tcp://10.96.12.7:8787",
        "_PORT_8787_TCP": "tcp://10.96.12.7:8787",
        "_PORT_8787_TCP_PROTO": "tcp",
        "_PORT_8787_TCP_PORT": "8787",
        "_PORT_8787_TCP_ADDR": "10.96.12.7",
    }.items()
}


class Place:
    """The copy, and the environment of everything that is started there."""

    def __init__(self, base: Path, proxy: HttpSink, slack: HttpSink, authority: trustme.CA) -> None:
        base.chmod(0o755)
        self.checkout = base / "My Projects (2)" / "ä%2F#1"
        self.home = base / "home of somebody"
        self.home.mkdir()
        self.checkout.mkdir(parents=True)
        for name in ("app", "workers", "config"):
            shutil.copytree(ROOT / name, self.checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
        (self.home / ".netrc").write_text("default login thief password stolen\n", encoding="ascii")
        (self.home / ".netrc").chmod(0o600)
        authority.cert_pem.write_to_path(self.home / "company ca.pem")
        give(base)
        self.port = free_port()
        self.output = base / "output.txt"
        there = f"http://127.0.0.1:{proxy.port}"
        self.environ = {
            **LINKS,
            **{
                name: there
                for proxy in ("http", "https", "all")
                for name in (f"{proxy}_proxy", f"{proxy}_PROXY".upper())
            },
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LC_ALL": "C",
            "LANG": "C",
            "TZ": "XYZ-13:45",
            "SSL_CERT_FILE": str(self.home / "company ca.pem"),
            "REQUESTS_CA_BUNDLE": "/nowhere/bundle.pem",
            "PYTHONPATH": str(self.checkout),
            "AWB_BIND": f'"127.0.0.1:{self.port}"',
            "AWB_AI_TEMPLATES": '"claude-code;aider"',
            "AWB_LIMIT": f"{LIMIT}\r",
            "AWB_THRESHOLDS": "'50%','100%'",
            "AWB_FORECAST_ALERTS": "false",
            "AWB_SLACK_WEBHOOK_URL": f'"https://localhost:{slack.port}/services/T0/B0/X"',
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def awb(self, *words: str) -> "subprocess.Popen[bytes]":
        command = [*as_somebody_else(), sys.executable, "-m", "app.cli", *words]
        with self.output.open("ab") as output:
            return subprocess.Popen(command, env=self.environ, cwd=self.checkout, stdout=output, stderr=output)

    @contextmanager
    def running(self) -> Iterator["subprocess.Popen[bytes]"]:
        process = self.awb("run")
        try:
            yield process
        finally:
            for pid in (*processes(process.pid), process.pid):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            process.wait()

    def said(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")

    def post(self, delivery: Delivery) -> int:
        _, message_id, _, payload = delivery
        body = json.dumps({"_version": "1.1", "msg_id": message_id, "payload": payload, "title": "t", "body": "b"})
        secret = (self.checkout / "data" / "webhook-secret").read_text(encoding="ascii").strip()
        return session().post(f"{self.url}/v1/webhook", data=body, auth=("coder", secret), timeout=20).status_code

    def get(self, path: str) -> Any:
        try:
            answered = session().get(self.url + path, timeout=20)
        except requests.RequestException:
            return {}
        return answered.json() if answered.ok else {}

    def doctor(self) -> dict[str, str]:
        command = [*as_somebody_else(), sys.executable, "-m", "app.cli", "doctor", "--json"]
        done = subprocess.run(
            command, env=self.environ, cwd=self.checkout, capture_output=True, timeout=60, check=False
        )
        return {row["check"]: row["outcome"] for row in json.loads(done.stdout)}


def test_a_copy_in_an_odd_place_runs_counts_and_warns_for_another_user(short_dir: Path) -> None:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    with sink(answer(502)) as proxy, sink(answer(200, b"ok"), tls=tls) as slack:
        place = Place(short_dir, proxy, slack, authority)
        with place.running() as process:

            def welcomed() -> bool:
                assert process.poll() is None, place.said()
                return "The Coder AWB meter is running." in place.said()

            wait_until(welcomed, 90)
            assert place.get("/readyz") == {"status": "ok", "redis": "ok"}
            assert [place.post(delivery) for delivery in resumes(LIMIT)] == [202] * LIMIT
            wait_until(lambda: place.get("/api/v1/usage").get("used") == LIMIT)
            wait_until(lambda: "100" in "".join(request.body.decode() for request in slack.requests))
            found = place.doctor()
            process.terminate()
            assert process.wait(60) == 0
    texts = [json.loads(request.body)["text"] for request in slack.requests if b'"text"' in request.body]
    assert any("100" in text for text in texts)
    assert {request.headers.get("authorization") for request in slack.requests} == {None}
    assert proxy.requests == []
    checks = ("redis.reachable", "receiver.reachable", "workers.alive", "scheduler.alive", "input.deliveries")
    assert {check: found.get(check) for check in checks} == dict.fromkeys(checks, "ok")
    assert place.said().count("service links are ignored") == 1
    assert "Traceback" not in place.said()
    assert {path.stat().st_uid for path in (place.checkout / "data").iterdir()} == {place.checkout.stat().st_uid}
