"""`awb doctor`: every check by its id, with real parts that are well or not."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import redis
import responses
from click.testing import CliRunner
from click.testing import Result as CliResult

from app.cli import main
from app.config.load import Config
from app.doctor.counting import examine_counting
from app.doctor.examine import Result, examine
from app.pipeline.watch.sweep import sweep
from app.store import keys
from app.store.rq import jobqueue
from app.store.rq.queues import Queues
from app.store.server.connection import connect
from app.web.factory import create_app
from tests.cli.make import DEPLOYMENT, build, put
from tests.conftest import SECRET, RedisServer, make_config
from tests.notifiers import mailserver
from tests.web.guarded import HASHES, OPEN
from tests.web.make import Receiver, basic, notification, receiver
from tests.web.proxies import every_proxy, serving
from workers import runtime
from workers.runner import worker

ROOT = Path(__file__).parents[1]
OK, WARNING, ERROR = Result.OK, Result.WARNING, Result.ERROR


@pytest.fixture(scope="module")
def running(redis_server: RedisServer) -> Iterator[Receiver]:
    with receiver(redis_server.url) as started:
        yield started


@contextmanager
def answering(code: int, text: bytes = b"", **headers: str) -> Iterator[str]:
    """Run an HTTP server that answers every request alike; yield its base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response_only(code)
            for name, value in {"Content-Length": str(len(text)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def outcomes(config: Config, connection: Any) -> dict[str, Result]:
    found = list(examine(config, connection))
    assert all(finding.hint for finding in found if finding.outcome is not OK)
    return {finding.check: finding.outcome for finding in found}


def register_workers(connection: "redis.Redis", config: Config) -> None:
    for name in jobqueue.QUEUES:
        worker(name, connection, config).register_birth()
    runtime.forget()


def at(running: Receiver, redis_server: RedisServer, **settings: Any) -> Config:
    return make_config(redis_server.url, bind=f"127.0.0.1:{running.port}", **settings)


def test_when_all_is_well_every_check_is_ok(
    running: Receiver, redis_server: RedisServer, connection: "redis.Redis"
) -> None:
    server = mailserver.MailServer()
    with answering(400, b"no_text") as slack, mailserver.running(server):
        config = at(
            running,
            redis_server,
            slack_webhook_url=f"{slack}/services/T0/B0/X",
            smtp_url=f"smtp://127.0.0.1:{server.port}?tls=none",
            email_from="awb@example.com",
            email_to="ops@example.com",
        )
        client = create_app(config, connection).test_client()
        assert client.post("/v1/webhook", headers=basic(), data=notification()).status_code == 202
        sweep(connection, config)
        register_workers(connection, config)
        assert outcomes(config, connection) == dict.fromkeys(
            [
                "secret.present",
                "redis.reachable",
                "redis.version",
                "redis.persistence",
                "redis.loss",
                "redis.policy",
                "clock.redis",
                "receiver.reachable",
                "access.loopback",
                "receiver.slack",
                "receiver.email:ops@example.com",
                "workers.alive",
                "scheduler.alive",
                "input.refused",
                "input.deliveries",
                "input.quarantine",
                "jobs.failed",
                "notifications.overdue",
                "receivers.configured",
                "receivers.working",
            ],
            OK,
        )
    assert server.mails == []


def test_a_bare_installation_is_shown_what_is_missing(
    running: Receiver, redis_server: RedisServer, connection: "redis.Redis"
) -> None:
    found = outcomes(at(running, redis_server, webhook_secret="", ai_templates=""), connection)
    assert {check: outcome for check, outcome in found.items() if outcome is not OK} == {
        "secret.present": ERROR,
        "receivers.configured": ERROR,
        "count.templates": WARNING,
        "workers.alive": ERROR,
        "scheduler.alive": WARNING,
        "input.deliveries": WARNING,
    }


def test_the_secret_is_examined(connection: "redis.Redis") -> None:
    rotating = make_config(webhook_secret_previous="the-former-secret-of-the-tests")
    assert outcomes(rotating, connection)["secret.rotation"] is WARNING
    for public_url, expected in (("", WARNING), ("http://awb.test", WARNING), ("https://awb.test", None)):
        config = make_config(bind="0.0.0.0:1", public_url=public_url)
        assert outcomes(config, connection).get("secret.transport") is expected


def test_without_redis_that_is_the_one_error_about_redis(running: Receiver, redis_server: RedisServer) -> None:
    found = outcomes(at(running, redis_server), connect("unix:///nowhere"))
    assert found["redis.reachable"] is ERROR
    assert found["receiver.reachable"] is OK
    assert not {"redis.version", "redis.policy", "scheduler.alive", "input.deliveries"} & set(found)


@pytest.mark.parametrize(
    ("setting", "value", "usual", "check", "outcome"),
    [
        ("maxmemory-policy", "allkeys-lru", "noeviction", "redis.policy", ERROR),
        ("maxmemory-policy", "volatile-ttl", "noeviction", "redis.policy", ERROR),
        ("appendonly", "no", "yes", "redis.persistence", WARNING),
        ("appendfsync", "no", "always", "redis.appendfsync", WARNING),
    ],
)
def test_settings_of_redis_that_lose_data_are_found(
    connection: Any, setting: str, value: str, usual: str, check: str, outcome: Result
) -> None:
    connection.config_set(setting, value)
    try:
        assert outcomes(make_config(), connection)[check] is outcome
    finally:
        connection.config_set(setting, usual)


@pytest.mark.parametrize("deployment", [DEPLOYMENT, "eu"])
def test_builds_that_lie_in_the_future_are_found(connection: Any, deployment: str) -> None:
    config = make_config(deployments="eu")
    connection.sadd(keys.DEPLOYMENTS, "eu")
    now = datetime.now(UTC)
    put(connection, [build(1, now + timedelta(minutes=2))], deployment)
    assert "clock.records" not in outcomes(config, connection)
    put(connection, [build(2, now + timedelta(hours=3))], deployment)
    (found,) = [one for one in examine_counting(config, connection) if one.check == "clock.records"]
    assert (found.outcome, found.subject) == (WARNING, deployment)
    assert found.message.startswith("1 build is in the future")


@pytest.mark.parametrize(("minutes", "found"), [(0, {}), (-3, {"clock.coder": WARNING}), (3, {"clock.coder": WARNING})])
def test_a_clock_that_is_not_coders_is_found(connection: "redis.Redis", minutes: int, found: dict[str, Result]) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
    with answering(200, b"{}", Date=date) as coder:
        config = make_config(coder_url=coder, coder_token="a-token-of-the-tests")
        said = outcomes(config, connection)
    assert {check: outcome for check, outcome in said.items() if check == "clock.coder"} == found


ELSEWHERE = [
    (301, {"Location": "https://awb.example.com/v1/webhook"}, {"receiver.redirect": ERROR}),
    (302, {"Location": "/login"}, {"receiver.redirect": ERROR}),
    (308, {"Location": "/v1/webhook/"}, {"receiver.redirect": ERROR}),
    (405, {}, {"receiver.reachable": OK}),
    (200, {}, {"receiver.reachable": ERROR}),
    (404, {}, {"receiver.reachable": ERROR}),
    (502, {}, {"receiver.reachable": ERROR}),
    (405, {"Date": "Tue, 01 Jan 2030 00:00:00 GMT"}, {"receiver.reachable": OK, "clock.receiver": WARNING}),
    (405, {"Date": "some day"}, {"receiver.reachable": OK}),
]


@pytest.mark.parametrize(("code", "headers", "expected"), ELSEWHERE)
def test_what_answers_under_the_public_url_is_examined(
    connection: "redis.Redis", code: int, headers: dict[str, str], expected: dict[str, Result]
) -> None:
    with answering(code, **headers) as base:
        found = outcomes(make_config(public_url=base), connection)
    about = {check: found[check] for check in found if check.startswith(("receiver.r", "clock.rec"))}
    assert about == expected


def test_a_receiver_that_is_not_there_is_an_error(connection: "redis.Redis") -> None:
    with answering(200) as gone:
        pass
    assert outcomes(make_config(public_url=gone), connection)["receiver.reachable"] is ERROR


@pytest.mark.parametrize(
    ("code", "text", "outcome"),
    [
        (400, b"no_text", OK),
        (400, b"invalid_payload", OK),
        (404, b"no_service", ERROR),
        (403, b"invalid_token", ERROR),
        (410, b"channel_is_archived", ERROR),
        (429, b"rate_limited", ERROR),
        (500, b"", ERROR),
        (302, b"", ERROR),
    ],
)
def test_slack_is_asked_without_a_message(connection: "redis.Redis", code: int, text: bytes, outcome: Result) -> None:
    with answering(code, text, Location="/elsewhere") as slack:
        config = make_config(slack_webhook_url=f"{slack}/services/T0/B0/planted")
        findings = list(examine(config, connection))
    (finding,) = [finding for finding in findings if finding.check == "receiver.slack"]
    assert finding.outcome is outcome
    assert "planted" not in "".join(f"{finding.message}{finding.hint}" for finding in findings)


def test_a_mail_server_that_refuses_is_an_error_for_each_recipient(connection: "redis.Redis") -> None:
    server = mailserver.MailServer(answers={"AUTH": ["535 no"] * 9})
    with mailserver.running(server):
        config = make_config(
            smtp_url=f"smtp://meter:planted@127.0.0.1:{server.port}?tls=none",
            email_from="awb@example.com",
            email_to="ops@example.com,cto@example.com",
        )
        found = outcomes(config, connection)
    assert found["receiver.email:ops@example.com"] is ERROR
    assert found["receiver.email:cto@example.com"] is ERROR
    assert server.mails == []


def test_a_scheduler_that_stopped_is_noticed(connection: "redis.Redis", config: Config) -> None:
    sweep(connection, config)
    assert outcomes(config, connection)["scheduler.alive"] is OK
    assert connection.hget(keys.MARKS, "last_sweep_at")
    connection.hset(keys.MARKS, "last_sweep_at", 1_000_000)
    assert outcomes(config, connection)["scheduler.alive"] is ERROR


def test_a_queue_without_a_living_worker_is_an_error_that_names_it(connection: "redis.Redis", config: Config) -> None:
    register_workers(connection, config)
    assert outcomes(config, connection)["workers.alive"] is OK
    (gone,) = [found for found in Queues(connection).workers() if found.queue == jobqueue.DELIVERIES]
    connection.expire(f"rq:worker:{gone.name}", 10)
    dead = [one for one in examine(config, connection) if one.check == "workers.alive" and one.outcome is ERROR]
    assert [finding.message for finding in dead] == [f"{jobqueue.DELIVERIES}: no worker is running"]


def test_what_was_put_aside_is_a_warning(connection: "redis.Redis", config: Config) -> None:
    client = create_app(config, connection).test_client()
    client.post("/v1/webhook", headers=basic(), data=b"{")
    found = outcomes(config, connection)
    assert (found["input.deliveries"], found["input.quarantine"]) == (WARNING, WARNING)
    client.post("/v1/webhook", headers=basic(), data=notification())
    found = outcomes(config, connection)
    assert (found["input.deliveries"], found["input.quarantine"]) == (OK, WARNING)


# ---- The command ----


def doctor(config: Config, *options: str, **environ: str) -> CliResult:
    settings = config.settings
    known = {
        "AWB_REDIS_URL": settings.redis_url.get_secret_value() if settings.redis_url else "",
        "AWB_WEBHOOK_SECRET": SECRET,
        "AWB_BIND": settings.bind,
        "AWB_AI_TEMPLATES": "ai-template",
    }
    return CliRunner().invoke(main, ["doctor", *options], env={**known, **environ})


def test_the_command_ends_with_1_only_for_an_error(
    running: Receiver, redis_server: RedisServer, connection: "redis.Redis", logging_restored: None
) -> None:
    config = at(running, redis_server)
    register_workers(connection, config)
    assert doctor(config).exit_code == 1
    with answering(400, b"no_text") as slack:
        result = doctor(config, "--json", AWB_SLACK_WEBHOOK_URL=f"{slack}/services/T0/B0/X")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert all(set(row) == {"check", "outcome", "message", "hint"} for row in found)
    assert {row["check"]: row["outcome"] for row in found}["scheduler.alive"] == "warning"


def test_the_command_prints_whatever_a_server_says(
    running: Receiver, redis_server: RedisServer, connection: "redis.Redis", logging_restored: None
) -> None:
    """Words in brackets are no markup."""
    server = mailserver.MailServer(answers={"AUTH": ["535 [/bold] [red]go away"] * 3})
    mail = {"AWB_EMAIL_FROM": "awb@example.com", "AWB_EMAIL_TO": "ops@example.com"}
    with mailserver.running(server):
        url = f"smtp://meter:planted@127.0.0.1:{server.port}?tls=none"
        result = doctor(at(running, redis_server), AWB_SMTP_URL=url, **mail)
    assert result.exit_code == 1
    assert "[/bold] [red]go away" in result.stdout
    assert re.search(r"^ERROR +receiver\.email:ops@example\.com", result.stdout, re.MULTILINE)


def test_the_command_without_redis_still_tells_the_rest(
    running: Receiver, redis_server: RedisServer, logging_restored: None
) -> None:
    result = doctor(at(running, redis_server), "--json", AWB_REDIS_URL="unix:///nowhere")
    found = {row["check"]: row["outcome"] for row in json.loads(result.stdout)}
    assert (result.exit_code, found["redis.reachable"], found["receiver.reachable"]) == (1, "error", "ok")


USAGE = {"status": 200, "json": {"used": 3, "limit": 10}}


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (USAGE, ERROR),
        ({"status": 200, "body": "<h1>Sign in</h1>", "content_type": "text/html"}, OK),
        ({"status": 200, "json": {"status": "please sign in"}}, OK),
        ({"status": 401}, OK),
        ({"status": 403}, OK),
        ({"status": 303}, OK),
    ],
)
def test_a_proxy_that_lets_everybody_in_is_found(
    redis_server: RedisServer, connection: "redis.Redis", answer: dict[str, Any], outcome: Result
) -> None:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as web:
        web.get("https://awb.example.com/v1/webhook", status=405)
        web.get("https://awb.example.com/api/v1/usage", **answer)
        config = make_config(redis_server.url, public_url="https://awb.example.com")
        assert outcomes(config, connection)["access.public"] is outcome


@pytest.mark.parametrize("header", ["Host", "X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Auth-Request-User"])
def test_a_door_that_one_header_opens_is_found(connection: "redis.Redis", header: str) -> None:
    """The proxy passes on what a stranger writes, and something behind it believes it."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as web:
        web.get("https://awb.example.com/v1/webhook", status=405)
        sent = [responses.matchers.header_matcher({header: value}) for value in HEADER_VALUES[header]]
        for matcher in sent:
            web.get("https://awb.example.com/api/v1/usage", match=[matcher], **USAGE)
        web.get("https://awb.example.com/api/v1/usage", status=403)
        proxy = {"proxy_addresses": "10.0.0.5", "proxy_user_header": "X-Auth-Request-User", "proxy_admins": "ada"}
        config = make_config(public_url="https://awb.example.com", **proxy)
        found = {finding.check: finding for finding in examine(config, connection)}
    assert found["access.public"].outcome is ERROR
    assert "do it now" in found["access.public"].hint


HEADER_VALUES = {
    "Host": ["localhost"],
    "X-Forwarded-For": ["127.0.0.1"],
    "X-Real-IP": ["127.0.0.1"],
    "Forwarded": ["for=127.0.0.1;host=localhost"],
    "X-Auth-Request-User": ["ada"],
}


@pytest.mark.parametrize(
    ("serves", "doctors", "outcome"),
    [
        ({}, {}, OK),
        ({"admin_password_hash": HASHES["admin"]}, {"admin_password_hash": HASHES["admin"]}, OK),
        ({"trust_loopback": "never"}, {"trust_loopback": "never"}, OK),
        # The service was not restarted after the settings changed.
        ({}, {"admin_password_hash": HASHES["admin"]}, ERROR),
        ({}, {"trust_loopback": "never"}, ERROR),
        (
            {"trust_loopback": "always", "api_tokens": OPEN["api_tokens"]},
            {"trust_loopback": "always", "api_tokens": OPEN["api_tokens"]},
            WARNING,
        ),
    ],
)
def test_who_gets_in_on_this_machine_is_examined(
    redis_server: RedisServer,
    connection: "redis.Redis",
    monkeypatch: pytest.MonkeyPatch,
    serves: dict[str, str],
    doctors: dict[str, str],
    outcome: Result,
) -> None:
    # A proxy of the environment does not lead to this machine.
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    config = make_config(redis_server.url, **serves)
    with serving(create_app(config, connection), config) as (_, port):
        for bind in (f"127.0.0.1:{port}", f"localhost:{port}"):
            found = outcomes(make_config(redis_server.url, bind=bind, **doctors), connection)
            assert found["access.loopback"] is outcome


def test_an_address_that_others_reach_and_that_asks_nobody_here_is_a_warning(
    redis_server: RedisServer, connection: "redis.Redis"
) -> None:
    config = make_config(redis_server.url)
    with serving(create_app(config, connection), config) as (_, port):
        found = outcomes(make_config(redis_server.url, bind=f"0.0.0.0:{port}"), connection)
    assert found["access.loopback"] is WARNING


def test_an_open_door_behind_a_real_proxy_is_found(redis_server: RedisServer, connection: "redis.Redis") -> None:
    serves = make_config(redis_server.url, trust_loopback="always", api_tokens=OPEN["api_tokens"])
    closed = make_config(redis_server.url, api_tokens=OPEN["api_tokens"])
    for config, outcome in ((serves, ERROR), (closed, OK)):
        with serving(create_app(config, connection), config) as address, every_proxy(address) as proxies:
            for name, (_, port) in proxies.items():
                # It leads to the proxy on loopback, but does not look like loopback, as a public name does not.
                public = f"http://0.0.0.0:{port}"
                settings = config.settings.model_copy(update={"public_url": public, "bind": f"127.0.0.1:{address[1]}"})
                found = outcomes(replace(config, settings=settings), connection)
                assert found["access.public"] is outcome, name


def test_a_dry_run_is_reported(redis_server: RedisServer, connection: "redis.Redis") -> None:
    found = outcomes(make_config(redis_server.url, dry_run="true"), connection)
    assert found["alerts.dry-run"] is Result.WARNING
