"""One contract for every notifier: what each answer of the other side means, and what never gets out.

A new notifier over HTTP is one more Row.
"""

import base64
import json
import logging
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from threading import Thread
from typing import Any, NamedTuple

import pytest
import requests
import trustme

from app.core.alert.alert import Notification
from app.core.text.mailbox import Mailbox
from app.net.session import WebSession
from app.notifiers.apprise import AppriseNotifier
from app.notifiers.base import FailureReason, Notifier, NotifyError
from app.notifiers.email.server import SmtpServer
from app.notifiers.email.smtp import EmailNotifier
from app.notifiers.slack.bot import SlackBot
from app.notifiers.slack.webhook import SlackWebhook
from app.notifiers.webhook import SignedWebhook
from tests.notifiers.httpsink import Reply, answer, hang_up, raw, silence, sink, trickle
from tests.notifiers.mailserver import HANG_UP, PASSWORD, SLOW, USER, MailServer, running
from tests.notifiers.samples import BIDI_AND_CONTROLS, alert, charted, notification, with_text_everywhere

FROM, TO = Mailbox.parse("awb@example.com"), Mailbox.parse("ops@example.com")
SECRET = "xoxb-T0SECRETSECRET"
KEY = base64.b64encode(b"a key of thirty-two bytes for us").decode()
#: Seconds for an answer and for the whole exchange: short where the other side keeps silent, so that tests stay quick.
WAIT, PATIENCE, BOUND = 0.3, 0.6, 15.0
#: Words in the names of tests, and of their cases, in which it does.
SILENT = ("silence", "byte by byte", "byte_by_byte", "goodbye")


class Outcome(NamedTuple):
    reason: FailureReason | None = None
    permanent: bool = False
    retry_after: float | None = None


SENT = Outcome()
CLIENT = Outcome(FailureReason.CLIENT_ERROR, permanent=True)
AUTH = Outcome(FailureReason.AUTH_ERROR, permanent=True)
LATER = Outcome(FailureReason.SERVER_ERROR)
NETWORK = Outcome(FailureReason.NETWORK)
TLS = Outcome(FailureReason.TLS)
OK = answer(0)  # stands for the answer that the row calls success

HTTP: dict[str, tuple[Reply, Outcome]] = {
    "success": (OK, SENT),
    "201": (answer(201), SENT),
    "202": (answer(202), SENT),
    "204": (raw(b"HTTP/1.1 204 No Content\r\n\r\n"), SENT),
    "endless body": (answer(200, b"x" * 3_000_000), SENT),
    **{
        str(status): (answer(status, headers={"Location": f"/stolen/{SECRET}"}), CLIENT)
        for status in (301, 302, 307, 308)
    },
    **{str(status): (answer(status), CLIENT) for status in (400, 404, 405, 410, 413, 415, 422, 451)},
    **{str(status): (answer(status, f"no entry: {SECRET} {KEY}".encode()), AUTH) for status in (401, 403)},
    **{str(status): (answer(status), LATER) for status in (408, 409, 425, 500, 501, 502, 503, 504, 599)},
    "429": (answer(429), Outcome(FailureReason.RATE_LIMITED, retry_after=30.0)),
    "429, 7 s": (
        answer(429, headers={"Retry-After": "7"}),
        Outcome(FailureReason.RATE_LIMITED, retry_after=7.0),
    ),
    "503, a day": (
        answer(503, headers={"Retry-After": "86400"}),
        Outcome(FailureReason.SERVER_ERROR, retry_after=600.0),
    ),
    "503, nonsense": (
        answer(503, headers={"Retry-After": "soon"}),
        Outcome(FailureReason.SERVER_ERROR, retry_after=30.0),
    ),
    "hangs up": (hang_up, NETWORK),
    "garbage": (raw(b"\x00\xff\x00 no HTTP at all\r\n\r\n"), NETWORK),
    "status is no number": (raw(b"HTTP/1.1 abc OK\r\n\r\n"), NETWORK),
    "header too long": (raw(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n"), NETWORK),
    "silence": (silence, NETWORK),
}


def texts(body: bytes) -> Iterator[str]:
    """Yield what Slack shows; metadata and values of buttons are data."""

    def walk(value: Any) -> Iterator[str]:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if key == "text" and isinstance(inner, str):
                yield from inner.splitlines()
            elif isinstance(inner, dict | list):
                yield from walk(inner)

    yield from walk(json.loads(body))


def values(body: bytes) -> Iterator[str]:
    """Yield every text of a signed webhook's body, which is data as a whole."""
    assert body.isascii()
    told = json.loads(body)
    assert told["type"] == "awb.alert.first"
    data = told["data"]
    for name in ("deployment", "level", "headline", "summary", "meaning", "footer", "scope", "actor", "group_key"):
        yield data[name]
    for pair in data["facts"] + data["links"]:
        yield from pair


def title_and_message(body: bytes) -> Iterator[str]:
    told = json.loads(body)
    yield from (told["title"], *told["message"].splitlines())


@dataclass(frozen=True)
class Row:
    """A notifier over HTTP.

    Attributes:
        make: builds it for scheme and authority of a URL; SECRET belongs into what it must keep to itself.
        success: what its server says when it takes a message.
        differs: where the outcome is another than in the table.
        vague: it cannot tell why it failed, so everything is tried again.
        shown: yields what people or programs read out of a body.
        alive: matches what must not be in it.
    """

    name: str
    make: Callable[[str, str], Notifier]
    shown: Callable[[bytes], Iterator[str]]
    alive: str
    success: Reply = field(default=answer(200))
    differs: Mapping[str, Outcome] = field(default_factory=dict)
    vague: bool = False


class Hasty(WebSession):
    """Waits less long than the notifier would."""

    patience = PATIENCE

    def request(self, *arguments: Any, **more: Any) -> requests.Response:
        return super().request(*arguments, **{**more, "timeout": WAIT})


def apprise(scheme: str, authority: str) -> AppriseNotifier:
    kind = "jsons" if scheme == "https" else "json"
    return AppriseNotifier(f"{kind}://{authority}/{SECRET}?cto={WAIT}&rto={WAIT}", patience=PATIENCE)


ROWS = [
    Row(
        "slack",
        lambda scheme, authority: SlackWebhook(f"{scheme}://{authority}/services/{SECRET}", Hasty()),
        texts,
        r"[<>]|&(?!(amp|lt|gt);)",
        success=answer(200, b"ok"),
        differs={
            **dict.fromkeys(("201", "202", "204", "endless body", "409", "425"), CLIENT),
            **dict.fromkeys(("404", "410"), AUTH),
        },
    ),
    Row(
        "slack bot",
        lambda scheme, authority: SlackBot(SECRET, "C012345", api_url=f"{scheme}://{authority}/api", session=Hasty()),
        texts,
        r"[<>]|&(?!(amp|lt|gt);)",
        success=answer(200, b'{"ok":true,"channel":"C012345","ts":"1.2"}'),
        differs={
            **dict.fromkeys(("201", "202", "204", "409", "425"), CLIENT),
            "endless body": LATER,
        },
    ),
    Row(
        "webhook",
        lambda scheme, authority: SignedWebhook(f"{scheme}://{authority}/{SECRET}", KEY, Hasty(), patience=PATIENCE),
        values,
        r"[\r\n]",
    ),
    Row("apprise", apprise, title_and_message, r"[@<>*`|~#\[\]]|://evil", vague=True),
]
over_http = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


@pytest.fixture(autouse=True)
def _patient(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer for every other answer, which a busy machine gives late."""
    if not any(word in request.node.name for word in SILENT):
        monkeypatch.setitem(globals(), "WAIT", BOUND)
        monkeypatch.setitem(globals(), "PATIENCE", BOUND)
        monkeypatch.setattr(Hasty, "patience", BOUND)


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(autouse=True)
def _nothing_leaks(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    caplog.set_level(logging.WARNING, "mail.log")  # of the server, which may say what it likes
    caplog.set_level(logging.DEBUG)  # second, for each call sets the level of caplog's handler, too
    yield
    # The text of caplog starts anew with each phase of a test, and this is the one after the test's own.
    logged = "\n".join(logging.Formatter().format(record) for record in caplog.get_records("call"))
    written = capfd.readouterr()
    for secret in (SECRET, KEY, PASSWORD):
        assert secret not in logged + written.out + written.err


def outcome_of(notifier: Notifier, secret: str = SECRET, about: Any = None) -> Outcome:
    """Send, and return what became of it; within the bound, and without a word of what is secret."""
    began, error = time.monotonic(), None
    try:
        notifier.send(about or notification())
    except NotifyError as caught:
        error = caught
    assert time.monotonic() - began < BOUND
    if error is None:
        return SENT
    assert (error.__cause__, error.__context__) == (None, None)
    assert secret not in f"{error} {error!r} {error.args} {vars(error)} {notifier!r}"
    assert KEY not in f"{error!r} {vars(error)}"
    assert str(error).isprintable()
    assert len(str(error)) < 300
    return Outcome(error.reason, error.permanent, error.retry_after)


def as_told(row: Row, expected: Outcome, found: Outcome) -> None:
    if not row.vague or expected == SENT:
        assert found == expected
        return
    assert (found.permanent, found.retry_after) == (False, None)
    assert found.reason in {FailureReason.SERVER_ERROR, FailureReason.NETWORK}


def served(row: Row, reply: Reply) -> Any:
    return sink(row.success if reply is OK else reply)


@over_http
@pytest.mark.parametrize("situation", HTTP)
def test_every_answer_over_http_has_its_outcome(row: Row, situation: str) -> None:
    reply, expected = HTTP[situation]
    with served(row, reply) as server:
        found = outcome_of(row.make("http", f"127.0.0.1:{server.port}"))
    as_told(row, row.differs.get(situation, expected), found)
    assert len(server.requests) == 1, "neither a redirect followed nor a try of its own"


@over_http
def test_a_server_that_is_not_there_is_tried_again(row: Row) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for authority in (f"127.0.0.1:{port}", "nowhere.invalid"):
        as_told(row, NETWORK, outcome_of(row.make("http", authority)))


@over_http
def test_without_trust_in_the_server_nothing_is_sent(row: Row) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with sink(row.success, tls=context) as server:
        as_told(row, TLS, outcome_of(row.make("https", f"127.0.0.1:{server.port}")))
    with greeting_server(raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        as_told(row, TLS, outcome_of(row.make("https", f"127.0.0.1:{port}")))
    assert server.requests == []


@over_http
def test_a_server_that_sends_byte_by_byte_holds_nobody_up(row: Row) -> None:
    with sink(trickle(b"HTTP/1.1 200 OK\r\nX-Slow: ")) as server:
        as_told(row, NETWORK, outcome_of(row.make("http", f"127.0.0.1:{server.port}")))


@over_http
def test_what_was_refused_for_now_is_sent_again_the_same(row: Row) -> None:
    with sink(answer(429), row.success) as server:
        notifier = row.make("http", f"127.0.0.1:{server.port}")
        as_told(row, HTTP["429"][1], outcome_of(notifier, about=notification(charted())))
        assert outcome_of(notifier, about=notification(charted())) == SENT
    first, second = server.requests
    assert (first.method, first.path, first.body) == (second.method, second.path, second.body)
    assert first.headers.get("webhook-id") == second.headers.get("webhook-id")


CONTROLS = set(BIDI_AND_CONTROLS) | {"\x1b", "\x07"}
HOSTILE = [
    "@everyone",
    "@here",
    "<!channel>",
    "<@U12345678>",
    "<script>alert(1)</script>",
    "[free](https://evil.example/)",
    "https://evil.example/",
    "*bold* _it_ ~no~ `code` ||spoiler|| # head",
    "x\r\nBcc: thief@example.com\r\n\r\nbody",
    "safe\u202egpj.exe\u2066",
    "\x1b[31m\x00\x07",
    "&lt;!here&gt; {0} %s ${x} {{7*7}}",
    '","type":"awb.alert.none',
]


@over_http
@pytest.mark.parametrize("text", HOSTILE)
def test_no_name_comes_alive_over_http(row: Row, text: str) -> None:
    with sink(row.success) as server:
        assert outcome_of(row.make("http", f"127.0.0.1:{server.port}"), about=hostile(text)) == SENT
    (request,) = server.requests
    shown = list(row.shown(request.body))
    assert shown
    for line in shown:
        assert not re.search(row.alive, line)
        assert not CONTROLS & set(line)


def hostile(text: str) -> Notification:
    return notification(replace(with_text_everywhere(text), links=((text, "https://coder.example.com/"),)))


# E-mail, over SMTP.

REFUSED = Outcome(FailureReason.RECIPIENT_REFUSED, permanent=True)
SMTP = [
    ("MAIL", "450 4.3.2 Try later", LATER),
    ("MAIL", "421 4.3.2 Shutting down", LATER),
    ("MAIL", "550 5.7.1 Sender refused", CLIENT),
    ("MAIL", "530 5.7.0 Authentication required", AUTH),
    ("RCPT", "450 4.2.0 Greylisted", LATER),
    ("RCPT", "451 4.7.1 Greylisted", LATER),
    ("RCPT", "421 4.3.2 Shutting down", LATER),
    ("RCPT", "550 5.1.1 No such user", REFUSED),
    ("RCPT", "553 5.1.3 Bad address", REFUSED),
    ("RCPT", "530 5.7.0 Authentication required", AUTH),
    ("RCPT", f"550 you said {PASSWORD}", REFUSED),
    ("DATA", "451 4.3.0 Try later", LATER),
    ("DATA", "452 4.2.2 Mailbox full", LATER),
    ("DATA", "552 5.3.4 Too big", CLIENT),
    ("DATA", "554 5.7.1 Looks like spam", CLIENT),
    *((command, HANG_UP, NETWORK) for command in ("MAIL", "RCPT", "DATA")),
]


def mailer(port: int, host: str = "localhost", tls: Any = "none") -> EmailNotifier:
    server = SmtpServer(host, port, tls, USER, PASSWORD)
    return EmailNotifier(server, FROM, TO, "coder.example.com", patience=PATIENCE)


@pytest.mark.parametrize(("command", "said", "expected"), SMTP)
def test_every_answer_over_smtp_has_its_outcome_and_the_next_try_succeeds(
    command: str, said: str, expected: Outcome
) -> None:
    with running(MailServer(answers={command: [said]})) as server:
        assert outcome_of(mailer(server.port), PASSWORD) == expected
        assert outcome_of(mailer(server.port), PASSWORD) == SENT
    assert len(server.mails) == 1
    assert server.signed_in == [True]


def test_a_mail_that_was_greylisted_is_sent_again_the_same() -> None:
    with running(MailServer(answers={"DATA": ["451 4.7.1 Greylisted"]})) as server:
        assert outcome_of(mailer(server.port), PASSWORD, notification(charted())) == LATER
        for _ in range(2):
            assert outcome_of(mailer(server.port), PASSWORD, notification(charted())) == SENT
    first, second = server.mails
    assert b"image/png" in (first.content or b"")
    # But for the date: a mail is as old as its sending.
    assert undated(first.content) == undated(second.content) != first.content


def undated(mail: bytes | str | None) -> bytes:
    assert isinstance(mail, bytes)
    return re.sub(rb"(?m)^Date: .*$", b"", mail)


def test_a_mail_that_was_accepted_is_sent_however_slow_the_goodbye() -> None:
    with running(MailServer(answers={"QUIT": [SLOW]})) as server:
        assert outcome_of(mailer(server.port), PASSWORD) == SENT
    assert len(server.mails) == 1


def test_a_mail_server_that_is_not_there_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert outcome_of(mailer(port), PASSWORD) == NETWORK
    assert outcome_of(EmailNotifier(SmtpServer("nowhere.invalid", 25, "none"), FROM, TO), PASSWORD) == NETWORK


@pytest.mark.parametrize(
    ("greeting", "expected"),
    [
        (raw(b"554 No service yet\r\n"), LATER),
        (raw(b"\x00\xff\r\n"), LATER),
        (raw(b"220 " + b"x" * 100_000), LATER),
        (hang_up, NETWORK),
        (silence, NETWORK),
        (trickle(b"220-"), NETWORK),
    ],
    ids=["refuses", "garbage", "endless", "hangs up", "silence", "byte by byte"],
)
@pytest.mark.parametrize("tls", ["none", "implicit"])
def test_a_greeting_that_is_none_holds_nobody_up(greeting: Reply, expected: Outcome, tls: str) -> None:
    with greeting_server(greeting) as port:
        found = outcome_of(mailer(port, tls=tls), PASSWORD)
    assert found == expected or (tls == "implicit" and found in {TLS, NETWORK})


@contextmanager
def greeting_server(greeting: Reply) -> Iterator[int]:
    """Say something to whoever connects, before anything is asked."""

    def run() -> None:
        with suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                greeting(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=run, daemon=True).start()
        yield listener.getsockname()[1]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_name_comes_alive_in_a_mail(text: str) -> None:
    with running(MailServer()) as server:
        assert outcome_of(mailer(server.port), PASSWORD, hostile(text)) == SENT
        outcome_of(mailer(server.port), PASSWORD, notification(alert()))
    ours, plain = (message_from_bytes(mail.content or b"", policy=policy.default) for mail in server.mails)
    assert isinstance(ours, EmailMessage)
    assert ours.keys() == plain.keys()
    assert server.mails[0].rcpt_tos == ["ops@example.com"]
    page, words = (ours.get_body((kind,)) for kind in ("html", "plain"))
    assert page is not None
    assert words is not None
    assert re.findall(r'(?:href|src)="([^"]*)"', page.get_content()) == ["https://coder.example.com/"]
    assert "<script" not in page.get_content()
    assert not CONTROLS - {"\n", "\r"} & set(page.get_content() + words.get_content())
