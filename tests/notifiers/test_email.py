import base64
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Literal

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from app.core.alert.alert import Alert, AlertKind
from app.core.alert.decision import Reason
from app.core.alert.severity import Severity
from app.core.text.mailbox import Mailbox
from app.notifiers.base import FailureReason, NotifyError
from app.notifiers.email.message import render
from app.notifiers.email.server import SmtpServer
from app.notifiers.email.smtp import EmailNotifier
from tests.notifiers.mailserver import HANG_UP, PASSWORD, USER, MailServer, running
from tests.notifiers.samples import (
    BIDI_AND_CONTROLS,
    NOW,
    SNAPSHOTS,
    alert,
    charted,
    notification,
    with_text_everywhere,
)

SENDER, RECIPIENT = "awb@example.com", "ops@example.com"
FROM, TO = Mailbox.parse(SENDER), Mailbox.parse(RECIPIENT)
RETRY, FINAL = False, True


class Trust:
    """A certificate authority of our own, with the file that a client needs to trust it."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.file = str(folder / "ca.pem")
        self.authority.cert_pem.write_to_path(self.file)

    def context(self, name: str = "localhost") -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(name).configure_cert(context)
        return context


@pytest.fixture(scope="session")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return Trust(tmp_path_factory.mktemp("trust"))


def notifier(
    server: MailServer,
    *,
    tls: Literal["starttls", "implicit", "none"] = "none",
    ca_file: str | None = None,
    user: str | None = None,
    password: str = PASSWORD,
) -> EmailNotifier:
    smtp = SmtpServer("localhost", server.port, tls, user, password if user else None, ca_file)
    return EmailNotifier(smtp, FROM, TO, "coder.example.com")


def failure_of(call: Any, *arguments: Any) -> NotifyError:
    with pytest.raises(NotifyError) as caught:
        call(*arguments)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert PASSWORD not in repr(caught.value)
    return caught.value


def mail_of(of: Alert, identity: str = "awb-prod-90") -> EmailMessage:
    """Return the message as a reader gets it: written to bytes and parsed again."""
    sent = render(notification(of, identity), sender=FROM, recipient=TO, host="coder.example.com", sent_at=NOW)
    parsed = message_from_bytes(sent.as_bytes(policy=policy.SMTP), policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def body_of(mail: EmailMessage, kind: Literal["plain", "html"]) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


# Handing over, against a real server.


def test_starttls_and_sign_in_deliver_the_mail(trust: Trust) -> None:
    with running(MailServer(), starttls=trust.context(), auth_required=True) as server:
        notifier(server, tls="starttls", ca_file=trust.file, user=USER).send(notification())
    assert (server.over_tls, server.signed_in) == ([True], [True])
    assert (server.mails[0].mail_from, server.mails[0].rcpt_tos) == (SENDER, [RECIPIENT])
    assert server.commands == ["AUTH", "MAIL", "RCPT", "DATA", "QUIT"]


def test_implicit_tls_and_sign_in_deliver_the_mail(trust: Trust) -> None:
    with running(MailServer(), implicit=trust.context()) as server:
        notifier(server, tls="implicit", ca_file=trust.file, user=USER).send(notification())
    assert (server.over_tls, server.signed_in) == ([True], [True])


def test_a_trusted_relay_may_go_without_tls_and_password() -> None:
    with running(MailServer()) as server:
        notifier(server).send(notification())
    assert (server.over_tls, server.signed_in) == ([False], [False])


def test_a_loopback_server_may_have_the_password_without_tls() -> None:
    with running(MailServer()) as server:
        notifier(server, user=USER).send(notification())
    assert server.signed_in == [True]


def test_a_server_without_starttls_gets_neither_password_nor_mail(trust: Trust) -> None:
    with running(MailServer()) as server:
        error = failure_of(notifier(server, tls="starttls", ca_file=trust.file, user=USER).send, notification())
    assert (error.reason, error.permanent) == (FailureReason.TLS, FINAL)
    assert "STARTTLS" in str(error)
    assert server.commands == ["QUIT"]


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("name", ["localhost", "other.example.com"])
def test_an_untrusted_certificate_or_another_host_name_gets_nothing(trust: Trust, tls: Any, name: str) -> None:
    options = {tls: trust.context(name)}
    with running(MailServer(), **options) as server:
        ca_file = None if name == "localhost" else trust.file
        error = failure_of(notifier(server, tls=tls, ca_file=ca_file, user=USER).send, notification())
    assert (error.reason, error.permanent) == (FailureReason.TLS, RETRY)
    assert "certificate" in str(error)
    assert server.commands == []


def test_a_missing_ca_file_is_a_tls_failure(tmp_path: Path) -> None:
    error = failure_of(notifier(MailServer(port=1), tls="implicit", ca_file=str(tmp_path / "none.pem")).probe)
    assert error.reason == FailureReason.TLS


@pytest.mark.parametrize(
    ("answer", "reason", "permanent"),
    [
        ("535 5.7.8 Authentication failed", FailureReason.AUTH_ERROR, FINAL),
        ("534 5.7.9 Mechanism is too weak", FailureReason.AUTH_ERROR, FINAL),
        ("550 5.7.1 Account locked", FailureReason.AUTH_ERROR, FINAL),
        ("454 4.7.0 Temporary authentication failure", FailureReason.SERVER_ERROR, RETRY),
        ("421 4.7.0 Too many connections", FailureReason.SERVER_ERROR, RETRY),
    ],
)
@pytest.mark.parametrize("call", ["send", "probe"])
def test_a_refused_password_is_final_unless_the_server_says_later(
    trust: Trust, answer: str, reason: FailureReason, permanent: bool, call: str
) -> None:
    # smtplib tries the next mechanism after a refusal; the last answer counts.
    with running(MailServer(answers={"AUTH": [answer] * 2}), starttls=trust.context()) as server:
        to = notifier(server, tls="starttls", ca_file=trust.file, user=USER)
        error = failure_of(to.probe) if call == "probe" else failure_of(to.send, notification())
    assert (reason, permanent) == (error.reason, error.permanent)
    assert "MAIL" not in server.commands


def test_a_wrong_password_is_an_auth_error(trust: Trust) -> None:
    with running(MailServer(), starttls=trust.context()) as server:
        to = notifier(server, tls="starttls", ca_file=trust.file, user=USER, password="wrong")
        error = failure_of(to.send, notification())
    assert (error.reason, error.permanent) == (FailureReason.AUTH_ERROR, FINAL)
    assert "535" in str(error)


def test_a_server_that_offers_no_sign_in_is_an_auth_error() -> None:
    with running(MailServer(), auth_require_tls=True) as server:
        error = failure_of(notifier(server, user=USER).send, notification())
    assert (error.reason, error.permanent) == (FailureReason.AUTH_ERROR, FINAL)


def test_a_server_that_repeats_the_password_is_not_quoted(trust: Trust) -> None:
    plain = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
    alone = base64.b64encode(PASSWORD.encode()).decode()
    answer = f"535 refused {PASSWORD} {plain} {alone}"
    with running(MailServer(answers={"AUTH": [answer] * 2}), starttls=trust.context()) as server:
        error = failure_of(notifier(server, tls="starttls", ca_file=trust.file, user=USER).probe)
    assert str(error).endswith("535 refused <secret> <secret> <secret>")


def test_a_long_or_odd_answer_is_cut_and_cleaned() -> None:
    with running(MailServer(answers={"RCPT": ["550 \x1b[31mno\x07" + "x" * 400]})) as server:
        error = failure_of(notifier(server).send, notification())
    assert len(str(error)) < 230
    assert str(error).isprintable()


@pytest.mark.parametrize("answer", [HANG_UP, "500 What?"])
def test_an_accepted_mail_stays_accepted_when_the_goodbye_fails(answer: str) -> None:
    with running(MailServer(answers={"QUIT": [answer]})) as server:
        notifier(server).send(notification())
    assert len(server.mails) == 1


@contextmanager
def scripted_server(*lines: bytes) -> Iterator[int]:
    """Answer the greeting and each line that comes in with the next of `lines`, then hang up."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as incoming:
            for line in lines:
                connection.sendall(line)
                incoming.readline()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


@pytest.mark.parametrize(
    ("lines", "reason", "permanent"),
    [
        ((b"554 No service yet\r\n",), FailureReason.SERVER_ERROR, RETRY),
        ((b"421 Too busy\r\n",), FailureReason.SERVER_ERROR, RETRY),
        ((b"HTTP/1.1 400 Bad Request\r\n",), FailureReason.SERVER_ERROR, RETRY),
        ((), FailureReason.NETWORK, RETRY),
        ((b"220 mail\r\n",), FailureReason.NETWORK, RETRY),
        ((b"220 mail\r\n", b"250-mail\r\n250 STARTTLS\r\n", b"454 Not now\r\n"), FailureReason.SERVER_ERROR, RETRY),
        ((b"220 mail\r\n", b"250-mail\r\n250 STARTTLS\r\n", b"220 Go\r\nplain text\r\n"), FailureReason.TLS, RETRY),
    ],
)
def test_a_connection_that_never_gets_going_is_tried_again(
    lines: tuple[bytes, ...], reason: FailureReason, permanent: bool
) -> None:
    with scripted_server(*lines) as port:
        error = failure_of(notifier(MailServer(port=port), tls="starttls", user=USER).send, notification())
    assert (reason, permanent) == (error.reason, error.permanent)


def test_a_closed_port_and_an_unknown_host_are_network_failures() -> None:
    with scripted_server() as port:
        failure_of(notifier(MailServer(port=port)).probe)
    assert failure_of(notifier(MailServer(port=port)).probe).reason == FailureReason.NETWORK
    unknown = EmailNotifier(SmtpServer("mail.invalid", 25, "none"), FROM, TO)
    error = failure_of(unknown.probe)
    assert (error.reason, error.permanent) == (FailureReason.NETWORK, RETRY)


def test_a_probe_signs_in_but_sends_nothing(trust: Trust) -> None:
    with running(MailServer(), starttls=trust.context()) as server:
        notifier(server, tls="starttls", ca_file=trust.file, user=USER).probe()
    assert server.commands == ["AUTH", "NOOP", "QUIT"]


def test_a_retried_notification_keeps_its_message_id() -> None:
    with running(MailServer(answers={"RCPT": ["450 Greylisted"]})) as server:
        to = notifier(server)
        failure_of(to.send, notification())
        for identity in ("awb-prod-90", "awb-prod-90", "awb-prod-100"):
            to.send(notification(identity=identity))
    first, again, other = (message_from_bytes(mail.content or b"")["Message-ID"] for mail in server.mails)
    assert first == again != other


def test_what_arrives_is_what_was_rendered() -> None:
    with running(MailServer()) as server:
        notifier(server).send(notification())
    content = server.mails[0].content
    assert isinstance(content, bytes)
    assert content.isascii()
    arrived = message_from_bytes(content, policy=policy.default)
    assert isinstance(arrived, EmailMessage)
    assert body_of(mail_of(alert()), "plain") == body_of(arrived, "plain")


# What a mail looks like.


ACKNOWLEDGED = replace(charted(), reason=Reason.ACKNOWLEDGED, actor="Acknowledged by ada, silent until 11 May 2026")
DIGEST = replace(charted(used=412), reason=Reason.DIGEST, kind=AlertKind.DIGEST, level="", severity=Severity.OK)
REVIEWED = {
    "mail_warning": alert(),
    "mail_critical": alert(used=1050, level="100%", reason=Reason.ESCALATED),
    "mail_ok": alert(used=12, level="", reason=Reason.RESOLVED),
    "mail_chart": charted(),
    "mail_acknowledged": ACKNOWLEDGED,
    "mail_digest": DIGEST,
}


@pytest.mark.parametrize("name", REVIEWED)
def test_the_mail_is_the_reviewed_one(name: str) -> None:
    mail = mail_of(REVIEWED[name])
    headers = "".join(f"{key}: {value}\n" for key, value in mail.items() if key not in {"Content-Type", "MIME-Version"})
    assert (SNAPSHOTS / f"{name}.txt").read_text("utf-8") == f"{headers}\n{body_of(mail, 'plain')}"


class Reader(HTMLParser):
    """Collects what a person and a mail program would get out of the HTML."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.styles: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.links: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.styles += [value or "" for name, value in attrs if name == "style"]
        self.pictures += [dict(attrs)] if tag == "img" else []
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]

    def handle_data(self, data: str) -> None:
        self.words += data


def test_both_parts_say_the_same_and_plain_text_comes_first() -> None:
    mail = mail_of(alert())
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert mail.get_content_type() == "multipart/alternative"
    plain, page = body_of(mail, "plain"), Reader(body_of(mail, "html"))
    shown = alert()
    for text in [shown.headline, shown.summary, shown.meaning, shown.footer, *sum(shown.facts, ()), "Warning"]:
        assert text in plain
        assert text in page.words
    assert [url for _, url in shown.links] == page.links
    assert all(url in plain for _, url in shown.links)


@pytest.mark.parametrize("shown", REVIEWED.values(), ids=REVIEWED)
def test_the_page_reads_in_light_and_dark_without_styles_and_without_pictures(shown: Alert) -> None:
    page = Reader(body_of(mail_of(shown), "html"))
    for style in page.styles:
        assert "color" not in style.replace("background:", "") or ("background:" in style and "color:#ffffff" in style)
    # Beyond the frame that keeps lines short, nothing is wider than a phone may make it.
    assert all("width:100%" in style for style in page.styles if re.search(r"(?<!-)width:\d+px", style))
    assert page.tags <= {
        "html", "head", "meta", "style", "title", "body", "div", "p", "b", "h1", "table", "tr", "th", "td", "a", "img",
    }  # fmt: skip


def test_a_chart_is_inline_and_its_alternative_text_says_the_same() -> None:
    mail = mail_of(charted())
    assert [part.get_content_type() for part in mail.walk()] == [
        "multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png",
    ]  # fmt: skip
    (picture,) = Reader(body_of(mail, "html")).pictures
    (part,) = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert picture["src"] == f"cid:{part['Content-ID'].strip('<>')}"
    assert part.get_content_disposition() == "inline"
    assert picture["alt"] == (
        "Usage went from 0 on 1 January 2026 to 912 on 4 May 2026, half of that by 7 February 2026; the limit is "
        "1,000. It is expected to be reached on 2 June 2026."
    )
    assert (picture["alt"] or "") in body_of(mail, "plain")
    assert (picture["width"], picture["height"]) == ("440", "220")


@pytest.mark.parametrize("burn_up", [(), ((date(2026, 1, 1), 3),), ((date(2026, 1, 1), 3), (date(2026, 1, 1), 4))])
def test_without_two_days_there_is_no_chart(burn_up: Any) -> None:
    mail = mail_of(replace(charted(), burn_up=burn_up))
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert "went from" not in body_of(mail, "plain")


def test_the_bar_is_drawn_without_a_picture() -> None:
    page = body_of(mail_of(charted()), "html")
    assert '<td width="91%"' in page
    assert '<td width="100%"' in body_of(mail_of(replace(charted(), used=2000)), "html")
    assert "<td width=" not in body_of(mail_of(replace(charted(), limit=None)), "html")


def test_the_same_notification_is_the_same_mail_to_the_byte() -> None:
    first, second = (
        render(notification(charted()), sender=FROM, recipient=TO, host="x", sent_at=NOW).as_bytes() for _ in range(2)
    )
    assert first == second


def test_who_acknowledged_and_whom_it_stands_in_for_is_said() -> None:
    stand_in = replace(notification(ACKNOWLEDGED), stands_in_for="slack:C1")
    mail = render(stand_in, sender=FROM, recipient=TO, host="x", sent_at=NOW)
    assert mail["Subject"].startswith("[Coder AWB] [prod] Acknowledged: AWB")
    for text in (body_of(mail, "plain"), Reader(body_of(mail, "html")).words):
        assert "Acknowledged by ada, silent until 11 May 2026" in text
        assert "Sent here because slack:C1 could not be reached." in text


def test_mails_of_a_period_hang_on_one_root_that_no_mail_has() -> None:
    ninety, hundred = mail_of(alert(), "awb-90"), mail_of(alert(used=1000, level="100%"), "awb-100")
    other = mail_of(replace(alert(), group_key="prod:awb:2027-01-01"), "awb-50")
    assert ninety["References"] == ninety["In-Reply-To"] == hundred["References"] == hundred["In-Reply-To"]
    assert other["References"] != ninety["References"]
    assert len({ninety["Message-ID"], hundred["Message-ID"], ninety["References"]}) == 3


@pytest.mark.parametrize(
    "domain",
    [
        "coder.example.com",
        "x" * 47,
        "x" * 48,
        "a b",
        "",
        "ü.example",
        "a..b",
        "x\r\nBcc: y",
        "2001:db8::1",
        "x.example.",
    ],
)
def test_message_ids_are_whole_whatever_the_domain(domain: str) -> None:
    sent = render(notification(), sender=FROM, recipient=TO, host=domain, sent_at=NOW).as_bytes(policy=policy.SMTP)
    for name in (b"Message-ID", b"In-Reply-To", b"References"):
        lines = sent.replace(b"\r\n ", b" ").split(b"\r\n")
        (line,) = [line for line in lines if line.startswith(name + b":")]
        value = line.split(b":", 1)[1].strip()
        assert value.startswith(b"<")
        assert value.endswith(b">")
        assert b"=?" not in value
        assert b" " not in value


INJECTIONS = [
    "prod\r\nBcc: thief@example.com",
    "prod\nBcc: thief@example.com\n\nbody",
    "prod\x0bBcc: thief@example.com",
    "prod\u2028Bcc: thief@example.com",
    "=?utf-8?q?=0D=0ABcc:_thief=40example.com?=",
    "prod =\u202e?utf-8?q?=0D=0ABcc:_thief=40example.com?=",
    "prod =\u202e?utf-8?b?DQpCY2M6IHRoaWVm?=",
    "prod\r\n.\r\nQUIT",
]


@pytest.mark.parametrize("text", INJECTIONS)
def test_a_name_with_line_breaks_neither_adds_headers_nor_blocks_the_mail(text: str) -> None:
    with running(MailServer()) as server:
        notifier(server).send(notification(with_text_everywhere(text), identity=text))
    assert server.mails[0].rcpt_tos == [RECIPIENT]
    arrived = message_from_bytes(server.mails[0].content or b"", policy=policy.default)
    assert sorted(mail_of(alert()).keys()) == sorted(arrived.keys())
    assert arrived["Subject"].startswith("[Coder AWB] [prod") or text.startswith("=?")


def test_html_in_a_name_stays_text() -> None:
    page = Reader(body_of(mail_of(with_text_everywhere('<img src="https://evil.example/x">{0}&amp;"')), "html"))
    assert page.tags == Reader(body_of(mail_of(alert()), "html")).tags
    assert page.links == ["https://coder.example.com/"]
    assert '<img src="https://evil.example/x">{0}&amp;"' in page.words


@pytest.mark.parametrize("url", ["javascript:alert(1)", "ftp://x/", "//x/", "", "https://x/\r\nBcc: y"])
def test_only_web_links_are_shown(url: str) -> None:
    mail = mail_of(replace(alert(), links=(("Open", url),)))
    assert "Open" not in body_of(mail, "plain")
    assert Reader(body_of(mail, "html")).links == []


@given(st.text(st.characters()))
def test_no_text_at_all_breaks_the_mail(text: str) -> None:
    mail = mail_of(with_text_everywhere(text), identity=text)
    assert not set(BIDI_AND_CONTROLS) - {"\n"} & set(body_of(mail, "plain"))
    assert [defect for part in mail.walk() for defect in part.defects] == []
    assert all(len(line) <= 998 for line in mail.as_bytes(policy=policy.SMTP).split(b"\r\n"))


@pytest.mark.parametrize("text", ["x" * 100_000, "ü" * 5000, "🚨 " * 5000, "-" * 300, ""])
def test_headers_stay_short(text: str) -> None:
    mail = mail_of(with_text_everywhere(text))
    assert len(mail["Subject"]) <= 200
    assert all(len(mail[name]) <= 80 for name in ("List-Id", "X-AWB-Level", "X-Coder-Deployment"))


# Where to hand over.


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example.com", SmtpServer("mail.example.com", 587, "starttls")),
        ("smtp://mail.example.com/", SmtpServer("mail.example.com", 587, "starttls")),
        ("smtp://mail.example.com:2525", SmtpServer("mail.example.com", 2525, "starttls")),
        ("smtp://mail.example.com:465", SmtpServer("mail.example.com", 465, "implicit")),
        ("smtp://mail.example.com:465?tls=starttls", SmtpServer("mail.example.com", 465, "starttls")),
        ("smtps://mail.example.com", SmtpServer("mail.example.com", 465, "implicit")),
        ("smtps://mail.example.com:2465?tls=implicit", SmtpServer("mail.example.com", 2465, "implicit")),
        ("smtp://mail.example.com?tls=implicit", SmtpServer("mail.example.com", 465, "implicit")),
        ("smtp://relay?tls=none", SmtpServer("relay", 25, "none")),
        ("smtp://127.0.0.1:1025?tls=none", SmtpServer("127.0.0.1", 1025, "none")),
        ("smtp://[::1]:1025?tls=none", SmtpServer("::1", 1025, "none")),
        ("smtp://u:p@localhost?tls=none", SmtpServer("localhost", 25, "none", "u", "p")),
        ("smtp://u%40x:p%40%2F%3A%25@h", SmtpServer("h", 587, "starttls", "u@x", "p@/:%")),
        ("smtp://h?helo=meter.example.com", SmtpServer("h", 587, "starttls", helo="meter.example.com")),
        ("smtp://h?ca_file=/etc/ssl/our%20ca.pem", SmtpServer("h", 587, "starttls", ca_file="/etc/ssl/our ca.pem")),
    ],
)
def test_a_url_says_where_to_hand_over(url: str, expected: SmtpServer) -> None:
    assert expected == SmtpServer.parse(url)


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("", "must look like"),
        ("mail.example.com:587", "must look like"),
        ("http://hunter2@mail.example.com", "must look like"),
        ("smtp://:587", "must look like"),
        ("smtp://u:hunter2@h:port", "must look like"),
        ("smtp://u:hunter2@h:99999", "must look like"),
        ("smtp://u:hunter2/x@h", "must look like"),
        ("smtp://u:hunter2#x@h", "must look like"),
        ("smtp://u:hun[hunter2@h", "must look like"),
        ("smtp://u:hunter2@h\u2100st", "must look like"),
        ("smtp://h/hunter2", "must look like"),
        ("smtp://u:1?hunter2=x@h", "may follow"),
        ("smtp://u:p@h?hunter2=1", "may follow"),
        ("smtp://h?tls=", "may follow"),
        ("smtp://h?tls=hunter2", "must be starttls, implicit or none"),
        ("smtps://h?tls=starttls", "must be starttls, implicit or none"),
        ("smtps://h?tls=none", "must be starttls, implicit or none"),
        ("smtp://h?helo=hunter2%0d%0aQUIT", "must be a host name"),
        ("smtp://hunter2@h", "together"),
        ("smtp://:hunter2@h", "together"),
        ("smtp://u:hunter2%C3%BC@h", "ASCII"),
        ("smtp://u:hunter2@mail.example.com?tls=none", "without TLS"),
        ("smtp://u:hunter2@127.0.0.1.example.com?tls=none", "without TLS"),
        ("smtp://hunter2..x", "name or an address"),
        ("smtp://hunter2%20x", "name or an address"),
    ],
)
def test_a_wrong_url_is_refused_with_a_remedy_that_repeats_nothing(url: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy) as caught:
        SmtpServer.parse(url)
    assert "hunter2" not in f"{caught.value!r} {caught.value.__context__!r} {caught.value.__cause__!r}"


def test_no_representation_shows_the_password() -> None:
    server = SmtpServer.parse("smtp://u:hunter2@h")
    assert "hunter2" not in f"{server} {server!r} {EmailNotifier(server, FROM, TO)!r}"
