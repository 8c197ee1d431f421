"""The whole service passes notifications on: to real mailboxes, to receivers written for Coder, whatever is killed."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import requests
from aiosmtpd.smtp import SMTP, Envelope, Session

from app.core.relay.markup import to_html
from app.simulator.loopback import free_port
from bench import slack as slackexample
from tests.conftest import PATIENCE, SECRET, wait_until
from tests.faults.system import System, name_of, processes
from tests.notifiers.mailserver import MailServer, running
from tests.notifiers.slacksink import web_api
from tests.real.sources import SAMPLES, SOURCES, names_in
from tests.real.sources import name_of as source_name
from tests.relay.mta import Mta, opensmtpd
from tests.web.make import ROOT, everything, notification

pytestmark = [pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc"), pytest.mark.slow]
EXAMPLE = ROOT / "bench" / "slack_example" / "server.mjs"


def relaying(url: str, **more: Any) -> dict[str, Any]:
    return {"relay": "email", "smtp_url": url, "email_from": "Coder <coder@example.com>", "limit": 100_000, **more}


def post(system: System, body: bytes, message_id: str) -> None:
    headers = {"Content-Type": "application/json", "X-Message-Id": message_id}
    url = f"{system.url}/v1/webhook"
    found = requests.post(url, data=body, headers=headers, auth=("coder", SECRET), timeout=20)
    assert found.status_code == 202, found.text


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


@pytest.mark.parametrize("source", SOURCES, ids=source_name)
def test_each_captured_body_reaches_the_right_persons_mailbox_as_coder_would_have_mailed_it(
    source: Path, short_dir: Path
) -> None:
    bodies = {
        name: (source / "payloads" / f"{name}.json").read_bytes() for name in names_in(source, "payloads") - {"HEADERS"}
    }
    assert len(bodies) > 30
    with opensmtpd() as mta, System(short_dir, **relaying(mta.url)).started() as system:
        for body in bodies.values():
            post(system, body, json.loads(body)["msg_id"])
        wait_until(lambda: mta.number() == len(bodies))
        for name, body in bodies.items():
            _compare(mta, json.loads(body), name)
        _no_trace(system, short_dir, json.loads(bodies["OneTimePasscode"]))
        assert system.stop() == 0
        code = json.loads(bodies["OneTimePasscode"])["payload"]["labels"]["one_time_passcode"]
        _not_in_files(short_dir, code)


def _compare(mta: Mta, sent: dict[str, Any], name: str) -> None:
    payload = sent["payload"]
    mails = [one for one in mta.mails(payload["user_email"]) if sent["title"] == one["Subject"]]
    assert mails, (name, [str(one["Subject"]) for one in mta.mails(payload["user_email"])])
    for one in mails:
        plain, page = one.get_body(("plain",)), one.get_body(("html",))
        assert plain is not None
        assert page is not None
        text, html = plain.get_content(), page.get_content()
        links = [(action["label"], action["url"]) for action in payload["actions"]]
        if all(f"{label}: {url}" in text for label, url in links) and sent["body"].strip() in text:
            assert to_html(sent["body_markdown"]).strip() in html, name
            assert text_of(to_html(sent["body_markdown"])) in text_of(html)
            assert f"Hi {payload['user_name']}," in text
            assert all(url.replace("&", "&amp;") in html for _, url in links)
            return
    raise AssertionError(f"{name}: no mail says what Coder said")


def _no_trace(system: System, directory: Path, sent: dict[str, Any]) -> None:
    """Look for the passcode and the address wherever they must not be."""
    code, address = sent["payload"]["labels"]["one_time_passcode"], sent["payload"]["user_email"]
    wait_until(lambda: requests.get(f"{system.url}/deliveries/{sent['msg_id']}", timeout=20).ok)
    paths = ("/relays", "/deliveries", f"/deliveries/{sent['msg_id']}", "/queues", "/queues/awb-relay", "/metrics")
    for path in (*paths, "/api/v1/relays", f"/api/v1/deliveries/{sent['msg_id']}", "/api/v1/queues", "/api/v1/audit"):
        shown = requests.get(system.url + path, timeout=20)
        assert shown.ok, path
        assert code not in shown.text, path
        assert address not in shown.text, path
    held = everything(system.connection())
    assert code.encode() not in held
    assert address.encode() not in held
    _not_in_files(directory, code)


def _not_in_files(directory: Path, code: str) -> None:
    files = [file for file in directory.rglob("*") if file.is_file()]
    assert any("appendonly" in str(file) for file in files)
    for file in files:
        assert code.encode() not in file.read_bytes(), file


class Gate(MailServer):
    """A mail server that answers nothing to MAIL until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()

    async def handle_MAIL(self, server: SMTP, session: Session, envelope: Envelope, address: str, o: list[str]) -> str:  # noqa: N802
        while not self.open.is_set():  # noqa: ASYNC110 - a thread of the test's opens it
            await asyncio.sleep(0.05)
        return await super().handle_MAIL(server, session, envelope, address, o)


def relay_workers(system: System) -> list[int]:
    return [pid for pid in processes(system.pid) if name_of(pid).startswith(("awb relay", "awb forward"))]


@pytest.mark.parametrize("users", [80, pytest.param(500, marks=pytest.mark.long)])
def test_a_burst_for_many_users_delays_no_count_and_loses_none_whatever_is_killed(users: int, short_dir: Path) -> None:
    bodies = [
        notification(f"burst-{number}", number, user_email=f"user{number}@example.com", user_name=f"User {number}")
        for number in range(users)
    ]
    with (
        running(Gate()) as gate,
        System(short_dir, **relaying(f"smtp://127.0.0.1:{gate.port}?tls=none")).started() as system,
    ):
        assert isinstance(gate, Gate)
        for number, body in enumerate(bodies):
            post(system, body, f"burst-{number}")
        # The mail server answers nobody yet.
        wait_until(lambda: system.used() == len(bodies))
        assert gate.mails == []
        gate.open.set()
        for victim in range(3):
            wait_until(
                lambda victim=victim: len({one.rcpt_tos[0] for one in gate.mails}) > users // 10 * (victim + 1), 120
            )
            for pid in relay_workers(system):
                os.kill(pid, signal.SIGKILL)
        system.signal("scheduler")
        wait_until(lambda: len({one.rcpt_tos[0] for one in gate.mails}) == len(bodies), 170)
        assert system.used() == len(bodies)
        assert system.stop() == 0


@pytest.mark.skipif(shutil.which("node") is None, reason="Coder's Slack example needs Node")
def test_coders_slack_example_works_behind_the_meter_unchanged(short_dir: Path) -> None:
    """The receiver that Coder documents gets each notification and writes to Slack as if Coder had sent it."""
    slackexample.install()
    port, body = free_port(), (SAMPLES / "payloads" / "WorkspaceDeleted.task-by-admin.json").read_bytes()
    sent = json.loads(body)
    with web_api() as slack, (short_dir / "slack.log").open("wb") as log:
        slack.token, slack.users = "xoxb-bench", {sent["payload"]["user_email"]: "U0OWNER"}
        environ = {**os.environ, "NODE_ENV": "production", "PORT": str(port), "SLACK_API_URL": f"{slack.url}/"}
        example = subprocess.Popen(["node", EXAMPLE], env=environ, stdout=log, stderr=log)
        try:
            wait_until(lambda: listens(port))
            forward = {"name": "slack", "url": f"http://127.0.0.1:{port}/v1/webhook", "allow_private": True}
            with System(short_dir, forward=json.dumps([forward])).started() as system:
                post(system, body, sent["msg_id"])
                wait_until(lambda: "chat.postMessage" in slack.methods)
                assert system.stop() == 0
        finally:
            example.terminate()
            example.wait(PATIENCE)
    [written] = [asked for method, asked in slack.calls if method == "chat.postMessage"]
    assert written["channel"] == "U0OWNER"
    assert written["text"] == sent["title"]
    assert sent["body"] in str(written["blocks"])


def listens(port: int) -> bool:
    with socket.socket() as wire:
        return wire.connect_ex(("127.0.0.1", port)) == 0
