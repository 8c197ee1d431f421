"""No secret comes out: every one of them is planted with a word of its own, and everything that comes out is searched.

Planted are all secret settings, prompts, passcodes, links and addresses in deliveries, and credentials of all kinds.
The service meets receivers that repeat what they get, a poison job, and a Redis that goes away.
"""

import base64
import hmac
import html
import json
import re
import secrets
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, quote_plus, urlencode, urljoin

import pytest
import redis
import requests
from aiosmtpd.smtp import Envelope
from werkzeug.security import generate_password_hash

from app.config.settings import SECRET_FIELDS
from app.core.access.people import token_digest
from app.simulator.loopback import free_port
from app.store.rq import jobqueue, readyjob
from app.store.server.connection import connect
from tests.conftest import wait_until
from tests.faults.planted import (
    Planted,
    RedisWithPassword,
    Service,
    UglyMailServer,
    UglyServer,
    everything_in,
    redis_with_password,
)
from tests.faults.system import processes, title_of
from tests.notifiers.mailserver import running
from tests.pipeline.streams import DEPLOYMENT, resumes
from tests.workers.make import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

#: What of the planted may lie in Redis, where, and why. All else may not, and may never have been written there.
MAY_LIE_IN_REDIS: Final[Mapping[str, tuple[str, str]]] = {
    "prompt in a body without a payload": (
        "awb:v1:prod:quarantined:no-payload",
        "kept as it came, so that an admin can release it once it can be read; shown without prompts",
    ),
    "prompt in a body that is no JSON": (
        "awb:v1:prod:quarantined:no-json",
        "kept as it came, so that it can be looked into on the machine; never shown",
    ),
    "prompt of a poison job": ("rq:job:poison*", "whoever can write to Redis wrote it there"),
    "prompt of a job of others": ("rq:job:foreign*", "the same"),
}
#: What each receiver gets because it is its own: whoever has a secret shows it there.
ITS_OWN: Final[Mapping[str, set[str]]] = {
    "services": {"slack_webhook_url"},
    "slackapi": {"slack_bot_token"},
    "hook": {"notify_webhook_url", "password of notify_webhook_url"},
    "apprise": {"apprise_urls", "password of apprise_urls"},
    "coder": {"coder_token"},
    "answer": {"address for the answer, 200"},
    "mail": set(),
}
PROMPT: Final = "Refactor {} “Zürich”\n<b>&\"'\\ and delete all else"


@dataclass
class Played:
    """What went in and what came out, by where.

    Attributes:
        went_in: requests to the service, and the environment of its processes.
        came_out: whatever anybody can read of the service.
        held: what Redis held at the end, by key.
        written: what was ever written to Redis.
        received: what each receiver got.
    """

    planted: Planted = field(default_factory=Planted)
    went_in: dict[str, bytes] = field(default_factory=dict)
    came_out: dict[str, bytes] = field(default_factory=dict)
    held: dict[str, bytes] = field(default_factory=dict)
    written: bytes = b""
    received: dict[str, bytes] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)

    def put(self, where: str, what: bytes) -> None:
        self.came_out[where] = self.came_out.get(where, b"") + b"\n" + what


def settings_of(planted: Planted, ugly: UglyServer, mail_port: int, redis_port: int) -> dict[str, Any]:
    """Plant every secret setting."""
    passwords = {who: planted.plant(f"password of {who}s", "p@{}/w:") for who in ("admin", "viewer")}
    hashes = {who: generate_password_hash(text, "scrypt:16384:1:1") for who, text in passwords.items()}
    of_ada = generate_password_hash("nobody logs in with this", "scrypt:16384:1:1")
    signing = base64.b64encode(secrets.token_bytes(32)).decode()
    redis_password = planted.plant("redis_url", "r@{}/d:")
    smtp_password = planted.plant("smtp_url", "s@{}/m:")
    hook_password = planted.plant("password of notify_webhook_url")
    tokens = [f"{role}:{token_digest(planted.plant(f'API token of a {role}'))}" for role in ("viewer", "admin")]
    apprise = planted.plant("password of apprise_urls")
    return {
        "webhook_secret": planted.plant("webhook_secret"),
        "webhook_secret_previous": planted.plant("webhook_secret_previous"),
        "redis_url": f"redis://:{quote(redis_password, safe='')}@127.0.0.1:{redis_port}/0",
        "slack_webhook_url": planted.plant("slack_webhook_url", f"http://{ugly.netloc}/services/T0/B0/{{}}"),
        "slack_bot_token": planted.plant("slack_bot_token", "xoxb-0000-{}"),
        "slack_channel": "C0AWBALERTS",
        "slack_api_url": f"http://{ugly.netloc}/slackapi",
        "slack_signing_secret": planted.plant("slack_signing_secret"),
        "smtp_url": f"smtp://meter:{quote(smtp_password, safe='')}@127.0.0.1:{mail_port}?tls=none",
        "email_from": "awb@example.com",
        "email_to": "refused@example.com,taken@example.com",
        "notify_webhook_url": planted.plant(
            "notify_webhook_url", f"http://awb:{hook_password}@{ugly.netloc}/hook/{{}}"
        ),
        "notify_webhook_secret": planted.take("notify_webhook_secret", f"whsec_{signing}", signing),
        "apprise_urls": planted.plant("apprise_urls", f"json://awb:{apprise}@{ugly.netloc}/apprise/{{}}"),
        "coder_url": f"http://{ugly.netloc}/coder",
        "coder_token": planted.plant("coder_token", "abcdefghij-{}"),
        "admin_password_hash": planted.take("admin_password_hash", hashes["admin"], hashes["admin"][-32:]),
        "viewer_password_hash": planted.take("viewer_password_hash", hashes["viewer"], hashes["viewer"][-32:]),
        "logins": planted.take("logins", f"ada:viewer:{of_ada}", of_ada[-32:]),
        "relay_secret": planted.plant("relay_secret"),
        "feed_token": planted.plant("feed_token"),
        "session_secret": planted.plant("session_secret"),
        "api_tokens": ",".join(tokens),
        "trust_loopback": "always",
        "limit": 4,
        "grace_seconds": 5,
    }


def body(message_id: str, payload: Any, text: str = "text") -> bytes:
    envelope = {"_version": "1.1", "msg_id": message_id, "payload": payload, "title": text, "body_markdown": text}
    return json.dumps({**envelope, "title_markdown": text, "body": text}).encode()


def deliveries_of(planted: Planted) -> dict[str, bytes]:
    """Return bodies by message id: good, odd and malformed ones, with something in each that is nobody's business."""
    prompt = planted.plant("prompt in title and text", PROMPT)
    good = {}
    for number, (_, message_id, _, payload) in enumerate(resumes(5)):
        labels = {
            **payload["labels"],
            "task": planted.plant(f"prompt as label {number}", PROMPT),
            "custom_message": planted.plant(f"text of a person {number}", "tell {} to nobody"),
        }
        more = {
            "user_email": planted.plant(f"address {number}", "ada.{}@example.com"),
            "user_name": planted.plant(f"name of a person {number}", "Ada {}"),
            "actions": [{"url": planted.plant(f"token in a link {number}", "https://c.test/@a/w?token={}")}],
            "data": {
                "parameters": [{"name": "AI Prompt", "value": planted.plant(f"AI Prompt parameter {number}", PROMPT)}]
            },
        }
        good[message_id] = body(message_id, {**payload, **more, "labels": labels}, prompt)
    return {**good, **_passcodes(planted), "odd": _odd(planted), **_malformed(planted)}


def _passcodes(planted: Planted) -> dict[str, bytes]:
    # Coder says the same passcode in a label and in a link; where it may say it some day is planted as well.
    passcode = planted.plant("one-time passcode")
    known = {
        "notification_name": "One-Time Passcode",
        "notification_template_id": "62f86a30-2330-4b61-a26d-311ff3b608cf",
        "user_id": f"user of {passcode}",
        "user_email": "ada@example.com",
        "actions": [
            {"url": f"https://c.test/reset?otp={passcode}&email=a%40b.test"},
            {"url": planted.plant("reset link", "https://c.test/reset?otp={}&email=a@b.test")},
        ],
        "labels": {"one_time_passcode": passcode},
    }
    renamed = {
        "notification_name": "Sign-in code",
        "labels": {"login_passcode": planted.plant("passcode of another template")},
        "actions": [{"url": planted.plant("reset link of another template", "https://c.test/?otp={}")}],
    }
    text = planted.plant("passcode in the text", "Use {} now")
    return {"passcode": body("passcode", known, text), "renamed": body("renamed", renamed, text)}


def _odd(planted: Planted) -> bytes:
    """Return a notification of a template that nobody knows, which is kept without what is nobody's business."""
    token = planted.plant("token in an odd payload")
    return body(
        "odd",
        {
            "notification_name": "Something of the future",
            "notification_template_id": "11111111-2222-4333-8444-555555555555",
            "user_email": planted.plant("address in an odd payload", "grace.{}@example.com"),
            "actions": [{"label": f"Enter {token}", "url": f"https://c.test/enter/{token}"}],
            "targets": [token],
            "labels": {
                "workspace": "odd",
                "AI Prompt": planted.plant("prompt in an odd payload", PROMPT),
                "api_token": token,
                "how": f"type {token.upper()} to go on",
                "initiator_email": planted.plant("address of the initiator", "linus.{}@example.com"),
                "contact": planted.plant("address under another name", "joan.{}@example.com"),
                "reset_url": planted.plant("reset link under another name", "https://c.test/reset?otp={}"),
                "path": planted.plant("reset link without a host", "/reset-password/change?otp={}"),
                "note": planted.plant("link with a token in a text", "see https://c.test/x?token={}&y=1 soon"),
            },
            "data": {
                "task": {"initial_prompt": planted.plant("initial prompt of a task", PROMPT)},
                "links": [planted.plant("link with user and password", "https://ada:{}@git.test/x.git")],
                "parameters": {"AI Prompt": planted.plant("parameter as a mapping", PROMPT)},
            },
        },
    )


def _malformed(planted: Planted) -> dict[str, bytes]:
    without_payload = {"prompt": planted.plant("prompt in a body without a payload", PROMPT), "payload": "none"}
    passcode = {"labels": {"one_time_passcode": planted.plant("passcode in a malformed body")}}
    whole = json.dumps({"payload": passcode, "x": planted.plant("reset link, cut off", "?otp={}")})
    return {
        "no-payload": json.dumps(without_payload).encode(),
        "no-json": planted.plant("prompt in a body that is no JSON", "{not JSON: {}").encode(),
        "no-object": json.dumps([passcode, planted.plant("link in a list", "https://c.test/?otp={}")]).encode(),
        "cut-off": whole[:-2].encode(),
    }


#: Looked at of the pages that differ in their query alone.
_VARIANTS: Final = 3


class Driver:
    """Does everything that can be done to a service, and keeps what comes back."""

    def __init__(self, service: Service, played: Played) -> None:
        self.service, self.played = service, played
        self.secret = service.settings["webhook_secret"]
        self.session = requests.Session()
        self.session.trust_env = False

    def ask(self, method: str, path: str, where: str = "", **more: Any) -> requests.Response:
        request = self.session.prepare_request(requests.Request(method, self.service.url + path, **more))
        went = f"{method} {request.url}\n{request.headers}\n".encode()
        sent = request.body if isinstance(request.body, bytes) else (request.body or "").encode()
        self.played.went_in["requests"] = self.played.went_in.get("requests", b"") + went + sent + b"\n"
        answer = self.session.send(request, timeout=30, allow_redirects=False)
        where = where or f"{method} {path}"
        self.played.put(where, f"{answer.status_code} {answer.reason}\n{answer.headers}\n".encode() + answer.content)
        self.played.statuses[where] = answer.status_code
        return answer

    def post(self, message_id: str, content: bytes, **more: Any) -> int:
        usual = {"auth": ("coder", self.secret), "headers": {"X-Message-Id": message_id}}
        return self.ask("POST", "/v1/webhook", f"POST {message_id}", data=content, **{**usual, **more}).status_code

    def intrude(self) -> None:
        """Show wrong credentials of every kind, and those of others."""
        plant = self.played.planted.plant
        assert self.post("wrong", b"{}", auth=("coder", plant("wrong password"))) == 401
        bearer = {"headers": {"Authorization": f"Bearer {plant('wrong bearer token')}"}, "auth": None}
        assert self.post("wrong", b"{}", **bearer) == 401
        self.ask("POST", f"/v1/webhook?secret={plant('secret in a query')}", "secret in a query", data=b"{}")
        assert self.played.statuses["secret in a query"] == 401
        self.ask("GET", "/api/v1/usage", "wrong token", headers={"Authorization": f"Bearer {plant('wrong API token')}"})
        for role in ("viewer", "admin"):
            token = self.played.planted.words[f"API token of a {role}"]
            self.ask("GET", "/api/v1/audit", f"token of a {role}", headers={"Authorization": f"Bearer {token}"})
        kept = {"Coder-Session-Token": plant("token of somebody's Coder"), "Cookie": f"awb={plant('broken cookie')}"}
        self.ask("GET", "/", "cookie", headers=kept)
        self.press(plant("signature of somebody else"), 401)
        self.press("", 200)
        for who in ("admins", "viewers"):
            self.log_in(f"p@{self.played.planted.words[f'password of {who}']}/w:", 303)
        self.log_in(plant("wrong password of a person"), 401)

    def press(self, signature: str, status: int) -> None:
        """Press a button in Slack, which is answered at an address that only Slack knows."""
        plant = self.played.planted.plant
        back = plant(
            f"address for the answer, {status}", self.service.settings["slack_api_url"].replace("slackapi", "answer/{}")
        )
        action = {"action_id": "acknowledge", "value": plant(f"value of a button, {status}")}
        pressed = {"type": "block_actions", "token": plant(f"token of Slack's, {status}"), "user": {"id": "U1"}}
        content = urlencode({"payload": json.dumps({**pressed, "actions": [action], "response_url": back})})
        now = str(int(time.time()))
        digest = hmac.new(self.service.settings["slack_signing_secret"].encode(), digestmod="sha256")
        digest.update(f"v0:{now}:{content}".encode())
        headers = {"X-Slack-Signature": signature or f"v0={digest.hexdigest()}", "X-Slack-Request-Timestamp": now}
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        answer = self.ask("POST", "/v1/slack/actions", f"press {status}", data=content, headers=headers)
        assert answer.status_code == status, answer.text

    def log_in(self, password: str, status: int) -> None:
        """Log in as from elsewhere: what names a client behind a proxy is never this machine."""
        elsewhere = {"X-Forwarded-For": "203.0.113.9"}
        form = self.ask("GET", "/login", "login form", headers=elsewhere)
        token = re.search(r'name="csrf_token" value="([^"]*)"', form.text)
        assert token, form.text
        more = {"data": {"password": password, "csrf_token": token[1]}, "headers": elsewhere}
        assert self.ask("POST", "/login", "login", **more).status_code == status
        self.session.cookies.clear()

    def look_at_pages(self) -> None:
        """Follow every link from the first page on; of days, and of a page's filters and orders, a few."""
        waiting, seen = ["/", "/queues/quarantine", "/queues/unknown"], Counter[str]()
        while waiting:
            path = waiting.pop(0)
            page = re.sub(r"(?<=^/days/).*", "", path.partition("?")[0])
            if f"GET {path}" in self.played.statuses or seen[page] == _VARIANTS:
                continue
            seen[page] += 1
            assert sum(seen.values()) < 200, seen
            answer = self.ask("GET", path)
            found = [html.unescape(link) for link in re.findall(r'href="([^"]+)"', answer.text)]
            waiting += [target for link in found if (target := urljoin(path, link).partition("#")[0]).startswith("/")]

    def ask_the_api(self) -> None:
        document = self.ask("GET", "/api/v1/openapi.json").json()
        keys = [one["key"] for one in self.ask("GET", "/api/v1/records").json()["records"]]
        ids = [one["message_id"] for one in self.ask("GET", "/api/v1/deliveries").json()["deliveries"]]
        values = {"{key}": keys, "{message_id}": ids, "{id}": ["no-such"]}
        assert keys, "nothing was counted"
        assert "odd" in ids
        for path, operations in document["paths"].items():
            if "get" not in operations:
                continue
            (name,) = re.findall(r"\{.+?\}", path) or [""]
            for value in values[name] if name else [""]:
                self.ask("GET", f"/api/v1{path}".replace(name, quote(value, safe="")) if name else f"/api/v1{path}")

    def look_elsewhere(self) -> None:
        for path in ("/metrics", "/healthz", "/readyz", "/nowhere", "/v1/webhook"):
            self.ask("GET", path)

    def command(self, *args: str) -> None:
        command = [sys.executable, "-m", "app.cli", *args]
        done = subprocess.run(
            command, env=self.service.environ(), cwd=ROOT, capture_output=True, timeout=60, check=False
        )
        self.played.put(f"awb {' '.join(args)}", done.stdout + b"\n" + done.stderr)
        self.played.statuses[f"awb {' '.join(args)}"] = done.returncode

    def commands(self, *lines: str) -> None:
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda line: self.command(*line.split()), lines))

    def look_at_processes(self) -> None:
        for pid in [self.service.pid, *processes(self.service.pid)]:
            self.played.put("process titles", title_of(pid).encode())
            with suppress(OSError):
                self.played.went_in["environment"] = Path(f"/proc/{pid}/environ").read_bytes()


COMMANDS: Final = (
    "status", "doctor", "config show", "why write-tests", "events", "messages", "queues", "quarantine",
    "quarantine show no-payload", "notify test", "coder check",
)  # fmt: skip


def put_poison(connection: "redis.Redis", planted: Planted) -> None:
    """Queue two jobs that fail for good: a delivery whose payload is a text, and somebody else's function."""
    poison = [DEPLOYMENT, "poison", 1.0, planted.plant("prompt of a poison job", PROMPT)]
    foreign = [planted.plant("prompt of a job of others", PROMPT)]
    for name, function, args in (("poison", jobqueue.CLASSIFY, poison), ("foreign", "os.system", foreign)):
        job = readyjob.ready_job(name, jobqueue.DELIVERIES, function, args, name)
        fields = iter(job.fields)
        connection.hset(job.key, mapping={**dict(zip(fields, fields, strict=True)), "retries_left": 0})
        connection.rpush(job.queue_key, job.id)
    queue = jobqueue.queue(jobqueue.DELIVERIES, connection)
    wait_until(lambda: set(queue.failed_job_registry.get_job_ids(cleanup=False)) == {"poison", "foreign"})


def settled(driver: Driver) -> bool:
    """Tell whether every receiver was tried, and every delivery that is one was classified."""
    messages = driver.ask("GET", "/api/v1/notifications").json()["notifications"]
    known = driver.ask("GET", "/api/v1/deliveries").json()["deliveries"]
    tried = {one["receiver"].partition(":")[0] for one in messages if one["attempts"]}
    return tried >= {"slack", "email", "webhook", "apprise"} and len(known) >= 8


def outage(driver: Driver, server: RedisWithPassword, played: Played) -> None:
    """Take Redis away and look at everything meanwhile."""
    server.stop()
    late = body("late", {**resumes(1)[0][3], "user_email": played.planted.plant("address in an outage", "a{}@b.test")})
    assert driver.post("late", late) == 503
    for path in ("/", "/alerts", "/queues", "/deliveries", "/api/v1/usage", "/metrics", "/healthz", "/readyz"):
        driver.ask("GET", path, f"GET {path}, Redis away")
    driver.commands("status", "doctor")
    server.start()
    wait_until(driver.service.ready)
    assert driver.post("late", late) in (200, 202)


def play(service: Service, server: RedisWithPassword, played: Played) -> None:
    driver = Driver(service, played)
    for message_id, content in deliveries_of(played.planted).items():
        assert driver.post(message_id, content) == 202, message_id
    previous = ("coder", service.settings["webhook_secret_previous"])
    assert driver.post("odd", b"{}", auth=previous) == 202
    driver.intrude()
    connection = connect(service.settings["redis_url"])
    put_poison(connection, played.planted)
    wait_until(lambda: settled(driver))
    driver.look_at_pages()
    driver.ask_the_api()
    driver.look_elsewhere()
    driver.commands(*COMMANDS)
    driver.look_at_processes()
    before = everything_in(connection)
    outage(driver, server, played)
    after = everything_in(connection)
    played.held = {key: before.get(key, b"") + after.get(key, b"") for key in before | after}
    connection.close()


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    played, directory, port = Played(), tmp_path_factory.mktemp("planted"), free_port()
    mail = UglyMailServer()
    with UglyServer() as ugly, running(mail, auth_require_tls=False):
        settings = settings_of(played.planted, ugly, mail.port, port)
        store = tmp_path_factory.mktemp("redis")
        password = f"r@{played.planted.words['redis_url']}/d:"
        with redis_with_password(store, port, password) as server, Service(directory, **settings) as service:
            service.started()
            play(service, server, played)
            assert service.stop() == 0
            played.written = server.ever_written()
        played.put("log", service.log_file.read_bytes())
        played.put("output", service.output.read_bytes())
        played.received = {name: b"\n".join(requests) for name, requests in ugly.received.items()}
        played.received["mail"] = b"\n".join(part for envelope in mail.mails for part in parts_of(envelope))
    return played


def parts_of(envelope: Envelope) -> Iterator[bytes]:
    """Yield a mail as it came, and each part decoded."""
    content = envelope.content
    assert isinstance(content, bytes)
    yield content
    for part in message_from_bytes(content).walk():
        decoded = part.get_payload(decode=True)
        yield decoded if isinstance(decoded, bytes) else b""


FORMS = [
    ("as it is", str),
    ("quoted for a URL", lambda text: quote(text, safe="")),
    ("quoted for a form", quote_plus),
    ("as JSON", json.dumps),
    ("as JSON in JSON", lambda text: json.dumps(json.dumps(text))),
    ("by repr", repr),
    ("as bytes by repr", lambda text: repr(text.encode())),
    ("as HTML", html.escape),
    ("in upper case", str.upper),
    *(
        (
            f"in base64 behind {before!r}",
            lambda text, before=before: base64.b64encode((before + text).encode()).decode(),
        )
        for before in ("", "u", "u:")
    ),
    ("in base64 for URLs", lambda text: base64.urlsafe_b64encode(text.encode()).decode()),
]


@pytest.mark.parametrize("form", [row[1] for row in FORMS], ids=[row[0] for row in FORMS])
@pytest.mark.parametrize("text", ["{}", PROMPT, "user:p@{}/w:", "x{}"])
def test_a_planted_text_is_found_in_every_form(form: Any, text: str) -> None:
    planted = Planted()
    planted.plant("another")
    canary = planted.plant("canary", text)
    assert planted.found_in(b"before", f"around {form(canary)} it".encode()) == {"canary"}
    assert planted.found_in(b"before", f"around {form(text)} it".encode()) == set()


def test_everything_that_is_searched_for_went_in(played: Played) -> None:
    """Were a word not sent, it could not come out, and nothing would be proved."""
    by_redis = {"prompt of a poison job", "prompt of a job of others"}
    missing = set(played.planted.words) - played.planted.found_in(*played.went_in.values()) - by_redis
    assert missing == set()
    assert by_redis <= played.planted.found_in(played.written)
    planted_settings = {name for name in played.planted.words if name in SECRET_FIELDS}
    # A password for sentinels is refused without them, and this Redis has none.
    assert planted_settings == set(SECRET_FIELDS) - {"redis_sentinel_password"}
    assert played.planted.found_in(played.went_in["environment"]) >= planted_settings


@pytest.mark.parametrize("receiver", ITS_OWN)
def test_a_receiver_gets_its_own_secret_and_nothing_else_that_is_planted(played: Played, receiver: str) -> None:
    assert played.received[receiver]
    assert played.planted.found_in(played.received[receiver]) == ITS_OWN[receiver]


def test_everything_was_looked_at(played: Played) -> None:
    pages = {"/", "/alerts", "/records", "/deliveries", "/deliveries/odd", "/queues", "/queues/awb-deliveries"}
    pages |= {"/queues/awb-deliveries/jobs/poison", "/queues/awb-deliveries/jobs/foreign", "/queues/unknown"}
    pages |= {"/queues/quarantine", "/queues/quarantine/no-json", "/queues/quarantine/no-payload"}
    reached = {path.removeprefix("GET ") for path, status in played.statuses.items() if status == 200}
    assert pages - reached == set()
    assert "/api/v1/deliveries/odd" in reached
    assert any(path.startswith("/api/v1/records/") for path in reached)
    assert {played.statuses[f"GET {path}, Redis away"] for path in ("/", "/queues", "/api/v1/usage")} == {503}
    assert played.statuses["awb status"] == 69
    assert b"Traceback" in played.came_out["log"]
    assert b"notification will be tried again" in played.came_out["log"]
    assert b"550 5.1.1" in played.came_out["GET /api/v1/notifications"]


def test_nothing_planted_comes_out_anywhere(played: Played) -> None:
    leaks = {where: found for where, text in played.came_out.items() if (found := played.planted.found_in(text))}
    assert leaks == {}


def test_redis_holds_of_the_planted_only_what_the_table_allows(played: Played) -> None:
    leaks = {
        key: wrong
        for key, text in played.held.items()
        if (wrong := {name for name in played.planted.found_in(text) if not allowed(name, key)})
    }
    assert leaks == {}
    held = {name for text in played.held.values() for name in played.planted.found_in(text)}
    assert held == set(MAY_LIE_IN_REDIS)


def allowed(name: str, key: str) -> bool:
    return name in MAY_LIE_IN_REDIS and fnmatch(key, MAY_LIE_IN_REDIS[name][0])


def test_nothing_else_was_ever_written_to_redis(played: Played) -> None:
    """The queue included: what must not be kept is dropped before the first write."""
    assert len(played.written) > 10_000
    assert played.planted.found_in(played.written) == set(MAY_LIE_IN_REDIS)
