"""Logs: JSON lines, and nothing secret in any of them, wherever it was put."""

import json
import logging
import os
import subprocess
import sys
import traceback
from collections import UserDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
import redis
import structlog
from hypothesis import example, given
from hypothesis import strategies as st
from rq.worker import SimpleWorker

from app import logs
from app.config.secrettexts import secret_texts
from app.config.settings import Settings
from app.store.rq import jobqueue
from tests.workers.make import ROOT

SMTP_PASSWORD = "p@ss/w0rd:x"
SLACK_PATH = "T0AAAAAAA/B0BBBBBBB/cccCCCdddDDD"
SETTINGS = Settings(
    webhook_secret="planted-webhook-secret",
    webhook_secret_previous="planted-former-secret",
    redis_url="rediss://:planted-redis-password@redis.test:6379/0",
    slack_webhook_url=f"https://hooks.slack.com/services/{SLACK_PATH}",
    smtp_url="smtp://meter:p%40ss%2Fw0rd%3Ax@mail.test:587",
    email_from="awb@example.com",
    email_to=["ops@example.com"],
    coder_token="planted-coder-token",
)

#: A text with something secret, and the part of it that no line may show.
SECRETS = [
    ("the webhook secret", "it is planted-webhook-secret, really", "planted-webhook-secret"),
    ("the former secret", "(planted-former-secret)", "planted-former-secret"),
    ("the coder token", "got planted-coder-token.", "planted-coder-token"),
    ("the Redis URL", "cannot open rediss://:planted-redis-password@redis.test:6379/0", "planted-redis"),
    ("the Slack URL", f"POST https://hooks.slack.com/services/{SLACK_PATH} failed", "cccCCCdddDDD"),
    ("the Slack path", f"Max retries exceeded with url: /services/{SLACK_PATH}", "cccCCCdddDDD"),
    ("the SMTP password", f"535 no such user with {SMTP_PASSWORD}", "w0rd"),
    ("the SMTP password, quoted", "smtp://meter:p%40ss%2Fw0rd%3Ax@mail.test:587", "w0rd"),
    ("another Slack URL", "https://hooks.slack.com/services/T1/B1/elsewhere99", "elsewhere99"),
    ("another Slack path", "url: /services/T1AAAA/B1BBBB/elsewhere99 (Caused by", "elsewhere99"),
    ("user info of a URL", "https://user:pl4nted@git.example.com/x.git", "pl4nted"),
    ("user info with an at sign", "smtp://user:pl4@nted@mail.example.com", "nted"),
    ("a token as user info", "https://pl4nted@git.example.com/x.git", "pl4nted"),
    ("an address", "no such user: ada.lovelace+x@mail.example.com", "lovelace"),
    ("an address with an apostrophe", "to o'brien@example.com", "brien@"),
    ("a local address", "RCPT TO:<ada@localhost>", "ada@"),
    ("a passcode", "the passcode: K7QX-94TW", "K7QX"),
    ("a passcode in a dict", "{'labels': {'one_time_passcode': 'K7QX-94TW'}}", "K7QX"),
    ("a passcode in JSON", '{"one_time_passcode": "K7QX-94TW"}', "K7QX"),
    ("a passcode in a link", "https://coder.test/reset-password/change?otp=K7QX-94TW&email=x", "K7QX"),
    ("Basic auth", "Authorization: Basic cGw0bnRlZDpwbDRudGVk", "cGw0"),
    ("Basic auth in a dict", "{'Authorization': 'Basic cGw0bnRlZDpwbDRudGVk'}", "cGw0"),
    ("Basic auth in a tuple", "('authorization', b'Basic cGw0bnRlZDpwbDRudGVk')", "cGw0"),
    ("Basic auth in an environ", "HTTP_AUTHORIZATION='Basic cGw0bnRlZDpwbDRudGVk'", "cGw0"),
    ("a bearer token", "Authorization: Bearer pl4nted", "pl4nted"),
    ("a bearer token alone", "sent Bearer pl4nted-pl4nted-pl4nted", "pl4nted"),
    ("Coder's token header", "Coder-Session-Token: pl4nted-123", "pl4nted"),
    ("a password in a query", "GET /x?password=pl4nted&y=1", "pl4nted"),
]
IDS = [row[0] for row in SECRETS]
log = structlog.get_logger("tests.logs")
pytestmark = pytest.mark.usefixtures("logging_restored")


@dataclass
class Holder:
    what: str


def nested(text: str) -> Any:
    mixed = [1, {"deep": (text, [text])}, {text}, text.encode(), UserDict(a=text)]
    return {"list": mixed, text: "as key"}


def deeper(text: str, depth: int) -> Any:
    return text if depth == 0 else {"in": [deeper(text, depth - 1)]}


def everywhere(text: str) -> None:
    """Log a text in every way there is."""
    log.info(text)
    log.info("a field", field=text, holder=Holder(text), error=ValueError(text), nested=nested(text))
    log.info("deep", deep=deeper(text, 12))
    plain = logging.getLogger("somebody.elses")
    plain.warning("as argument: %s %r %s", text, text, {"in": text})
    plain.warning(text.replace("%", "%%"))
    try:
        try:
            {}[text]
        except KeyError as error:
            raise RuntimeError(f"again: {text}") from error
    except RuntimeError:
        log.exception("failed")
        log.warning("failed", exc_info=True, stack_info=True)
        plain.exception("failed with %s", text)
        log.error("formatted by hand", trace=traceback.format_exc())
    with structlog.contextvars.bound_contextvars(context=text):
        log.info("in a context")
    logging.getLogger("rq.worker").error("job failed: %s", text, extra={"more": text})


@pytest.mark.parametrize(("text", "secret"), [row[1:] for row in SECRETS], ids=IDS)
@pytest.mark.parametrize("log_format", ["json", "text"])
def test_what_is_secret_is_in_no_line(
    capfd: pytest.CaptureFixture[str], log_format: str, text: str, secret: str
) -> None:
    logs.configure(log_format, "debug", secret_texts(SETTINGS))
    everywhere(text)
    written = capfd.readouterr().err
    assert written.count("\n") >= 10
    assert secret not in written


@pytest.mark.parametrize(
    "key", ["secret", "webhook_secret", "smtp_password", "coder_token", "one_time_passcode", "Authorization", "otp"]
)
def test_fields_with_secret_names_are_masked_at_any_depth(capfd: pytest.CaptureFixture[str], key: str) -> None:
    logs.configure("json", "info")
    log.info("fields", **{key: "xyzzy"}, nested={"a": [{key: "xyzzy"}]}, listed={key: ["xyzzy"]})
    written = capfd.readouterr().err
    assert json.loads(written)[key] == "***"
    assert "xyzzy" not in written


HARMLESS = [
    "delivery quarantined",
    "https://coder.example.com:8443/@ada/workspace",
    "https://coder.example.com/@ada/workspace",
    "awb-deliveries: 3f0c2f5e-8f1f-4b52-8b0e-1d8f7a0c9e11",
    "/services/status",
    "basic checks are done, bearer of good news",
    "the authorization failed",
    "no webhook secret is set",
    "unix:///var/lib/awb/redis.sock",
    "2 of 3 tokens left",
]


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_harmless_stays_readable(capfd: pytest.CaptureFixture[str], text: str) -> None:
    logs.configure("json", "info", secret_texts(SETTINGS))
    log.info(text, field=text)
    line = json.loads(capfd.readouterr().err)
    assert (line["event"], line["field"]) == (text, text)


def test_every_line_is_an_object_with_time_level_and_logger(capfd: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")
    log.info("with\nline feed", number=7, flag=True, none=None, ratio=0.5, text="“ä”", items=[1, "two"])
    logging.getLogger("plain").warning("plain %s", "words")
    try:
        int("broken")
    except ValueError:
        log.exception("failed")
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [(line["event"], line["level"], line["logger"]) for line in lines] == [
        ("with\nline feed", "info", "tests.logs"),
        ("plain words", "warning", "plain"),
        ("failed", "error", "tests.logs"),
    ]
    assert all(line["timestamp"].endswith("Z") for line in lines)
    kept = {key: lines[0][key] for key in ("number", "flag", "none", "ratio", "text", "items")}
    assert kept == {"number": 7, "flag": True, "none": None, "ratio": 0.5, "text": "“ä”", "items": [1, "two"]}
    assert "ValueError: invalid literal" in lines[2]["exception"]


def test_a_value_that_holds_itself_is_no_end(capfd: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")
    loop: list[Any] = ["planted@example.com"]
    loop.append(loop)
    log.info("round", loop=loop)
    written = capfd.readouterr().err
    assert json.loads(written)["event"] == "round"
    assert "planted@" not in written


@pytest.mark.parametrize(
    ("level", "written"),
    [("debug", ["debug", "info", "warning", "error"]), ("info", ["info", "warning", "error"]), ("error", ["error"])],
)
def test_only_lines_of_the_level_are_written(capfd: pytest.CaptureFixture[str], level: str, written: list[str]) -> None:
    logs.configure("json", level)
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)(name)
    assert [json.loads(line)["event"] for line in capfd.readouterr().err.splitlines()] == written


def test_rqs_loggers_write_by_our_handler_alone(capfd: pytest.CaptureFixture[str], connection: "redis.Redis") -> None:
    """A job that fails with secrets in its arguments and its error, in a worker that sets its logging up itself."""
    logs.configure("json", "info", secret_texts(SETTINGS))
    queue = jobqueue.queue(jobqueue.MAINTENANCE, connection)
    job = queue.enqueue("builtins.int", "planted-webhook-secret ada@example.com", description="a job")
    SimpleWorker([queue], connection=connection, serializer=queue.serializer).work(burst=True, logging_level="INFO")
    captured = capfd.readouterr()
    lines = [json.loads(line) for line in captured.err.splitlines()]
    assert captured.out == ""
    assert any(line["logger"] == "rq.worker" and job.id in line["event"] for line in lines)
    assert "invalid literal for int()" in captured.err
    assert "planted-webhook-secret" not in captured.err
    assert "ada@example.com" not in captured.err


def test_all_of_rqs_loggers_are_ours() -> None:
    """RQ 3.0 names them so; one more would write past the redaction."""
    import rq.cli  # noqa: F401, PLC0415 - imports what there is of RQ

    logs.configure("json", "info")
    named = {name for name in logging.root.manager.loggerDict if name.startswith("rq.")}
    (handler,) = logging.getLogger().handlers
    loggers = [logging.getLogger(name) for name in named]
    strays = [logger.name for logger in loggers if logger.handlers != [handler] and not logger.propagate]
    strays += [logger.name for logger in loggers if set(logger.handlers) - {handler}]
    assert strays == []


PIECES = ["Authorization", "coder-session-token", "basic", "Bearer", "otp", "secret", "x" * 20, "a@b", "://u:p@h", "k"]
PIECES += [":", "=", ",", " ", "\n", "'", '"', "/services/T1/B2/x", "hooks.slack.com/", "(", "b'"]


# Letters that re.IGNORECASE takes for s, k and i.
@example("pa\u017f\u017fcode:x")
@example("to\u212aen=x")
@example("\u017fecret=x")
@example("BA\u017fIC xxxxxxxxxxxxxxxxxxxx")
@example("bas\u0131c xxxxxxxxxxxxxxxxxxxx")
@example("author\u0131zation: x")
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_the_quick_look_passes_over_nothing_that_a_pattern_takes_out(text: str) -> None:
    slow = text
    for pattern, replacement in logs._PATTERNS:
        slow = pattern.sub(replacement, slow)
    assert logs.redact_text(text) == slow


def test_a_line_that_nobody_can_read_stops_no_work() -> None:
    """As in a container whose log driver has died."""
    work = "from app import logs; import structlog; logs.configure('json', 'info'); log = structlog.get_logger('app.x')"
    work += "; log.info('one'); log.warning('two'); print('done')"
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(
            [sys.executable, "-c", work], cwd=ROOT, stdout=subprocess.PIPE, stderr=writing, check=False
        )
    finally:
        os.close(writing)
    assert ended.stdout == b"done\n"


def test_lines_of_several_threads_stay_whole(capfd: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")
    plain = logging.getLogger("plain")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: plain.warning("%s", n) if n % 2 else log.info(n, much="x" * 9000), range(400)))
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert {str(line["event"]) for line in lines} == {str(n) for n in range(400)}
