"""Mail servers that are strict about names and addresses."""

import re
import socket
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import Any

import pytest
import time_machine
from aiosmtpd.smtp import SMTP

from app.config.load import ConfigError
from app.core.text.mailbox import Mailbox
from app.notifiers.base import FailureReason, NotifyError
from app.notifiers.directory import UnknownReceiverError, notifier, problems
from app.notifiers.email.message import NO_DOMAIN, render
from app.notifiers.receivers import receivers
from tests.conftest import make_config
from tests.notifiers.mailserver import MailServer, running
from tests.notifiers.samples import NOW, notification

A_NAME = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")


class StrictAtOnce(SMTP):
    """Refuses names that are not fully qualified with the greeting, as Postfix does without smtpd_delay_reject."""

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802
        if A_NAME.fullmatch(hostname):
            await super().smtp_EHLO(hostname)
        else:
            await self.push(f"504 5.5.2 <{hostname}>: Helo command rejected: need fully-qualified hostname")

    async def smtp_HELO(self, hostname: str) -> None:  # noqa: N802
        await self.smtp_EHLO(hostname)


class StrictLater(SMTP):
    """Greets anybody, and refuses the name with RCPT, as Postfix does by default."""

    async def smtp_RCPT(self, arg: str) -> None:  # noqa: N802
        if self.session and A_NAME.fullmatch(str(self.session.host_name)):
            await super().smtp_RCPT(arg)
        else:
            await self.push("450 4.7.1 <x>: Helo command rejected: Host not found" if arg.endswith("later@b.test>")
                            else "550 5.7.1 <x>: Helo command rejected: Host not found")  # fmt: skip


def settings(server: MailServer, to: str = "ops@example.com", **more: Any) -> Any:
    smtp = {"smtp_url": f"smtp://127.0.0.1:{server.port}?tls=none", "email_from": "awb@example.com", "email_to": to}
    return make_config(**{**smtp, **more}).settings


def send(server: MailServer, to: str = "ops@example.com", **more: Any) -> None:
    found = settings(server, to, **more)
    for receiver in receivers(found):
        notifier(found, receiver).send(notification())


def arrived(server: MailServer) -> Any:
    content = server.mails[-1].content
    assert isinstance(content, bytes)
    return message_from_bytes(content, policy=policy.default)


def nameless(monkeypatch: pytest.MonkeyPatch, name: str = "meter") -> None:
    """Make this a machine that does not know its own name, such as a container."""
    monkeypatch.setattr(socket, "getfqdn", lambda *_: name)


# The name in EHLO.


@pytest.mark.parametrize("kind", [StrictAtOnce, StrictLater])
def test_a_strict_server_is_greeted_by_the_sender_s_domain(monkeypatch: pytest.MonkeyPatch, kind: type[SMTP]) -> None:
    nameless(monkeypatch)
    with running(MailServer(), kind=kind) as server:
        send(server)
    assert server.greeted_by == ["example.com"]


@pytest.mark.parametrize(
    ("machine", "more", "name"),
    [
        ("meter", {"email_from": "awb@exämple.com"}, "xn--exmple-cua.com"),
        ("meter.corp.test", {"email_from": "awb@mailhost"}, "meter.corp.test"),
        ("localhost.localdomain", {"email_from": "awb@mailhost"}, "mailhost"),
        ("meter", {"email_from": "awb@mailhost"}, "mailhost"),
        ("127.0.0.1", {"email_from": "awb@mailhost"}, "mailhost"),
        ("meter", {"smtp_helo": "meter.example.net"}, "meter.example.net"),
        ("meter", {"smtp_helo": "MÉTER.example.net."}, "xn--mter-bpa.example.net"),
        ("meter", {"smtp_helo": "[192.0.2.7]"}, "[192.0.2.7]"),
    ],
)
def test_the_name_is_the_setting_or_the_best_that_is_known(
    monkeypatch: pytest.MonkeyPatch, machine: str, more: dict[str, str], name: str
) -> None:
    nameless(monkeypatch, machine)
    with running(MailServer()) as server:
        send(server, **more)
    assert server.greeted_by == [name]


def test_the_name_may_stand_in_the_url() -> None:
    with running(MailServer()) as server:
        url = f"smtp://127.0.0.1:{server.port}?tls=none&helo=relay.example.net"
        send(server, smtp_url=url)
        send(server, smtp_url=url, smtp_helo="other.example.net")
    assert server.greeted_by == ["relay.example.net", "other.example.net"]


@pytest.mark.parametrize("helo", ["a b", "x\r\nQUIT", "a..b", "[x]", "["])
def test_a_name_that_is_none_is_refused_with_the_configuration(helo: str) -> None:
    with pytest.raises(ConfigError, match=r"AWB_SMTP_HELO: must be a host name such as meter\.example\.com"):
        make_config(smtp_url="smtp://h", email_from="a@b.test", email_to="c@d.test", smtp_helo=helo)


@pytest.mark.parametrize("kind", [StrictAtOnce, StrictLater])
@pytest.mark.parametrize("to", ["ops@example.com", "later@b.test"])
def test_a_name_that_is_refused_is_tried_again_and_the_setting_is_named(kind: type[SMTP], to: str) -> None:
    with running(MailServer(), kind=kind) as server:
        with pytest.raises(NotifyError, match=r"set AWB_SMTP_HELO to a name that it accepts: (504|550|450)") as caught:
            send(server, to, smtp_helo="meter")
        assert (caught.value.reason, caught.value.permanent) == (FailureReason.SERVER_ERROR, False)
        send(server, to, smtp_helo="meter.example.com")
    assert server.greeted_by == ["meter.example.com"]


# Addresses.


@pytest.mark.parametrize("smtputf8", [False, True])
def test_an_international_domain_needs_nothing_of_the_server(smtputf8: bool) -> None:
    with running(MailServer(), enable_SMTPUTF8=smtputf8) as server:
        send(server, "Jörg <ops@exämple.com>", email_from="Zähler <awb@exämple.com>")
    [mail] = server.mails
    assert (mail.mail_from, mail.rcpt_tos) == ("awb@xn--exmple-cua.com", ["ops@xn--exmple-cua.com"])
    assert isinstance(mail.content, bytes)
    assert mail.content.isascii()
    assert (arrived(server)["To"], arrived(server)["From"]) == (
        "Jörg <ops@xn--exmple-cua.com>",
        "Zähler <awb@xn--exmple-cua.com>",
    )


def test_an_international_address_is_sent_by_smtputf8() -> None:
    with running(MailServer(), enable_SMTPUTF8=True) as server:
        send(server, "用户@例子.广告")
    [mail] = server.mails
    assert (mail.smtp_utf8, mail.rcpt_tos) == (True, ["用户@xn--fsqu00a.xn--4rr70v"])
    assert isinstance(mail.content, bytes)
    assert "To: 用户@xn--fsqu00a.xn--4rr70v".encode() in mail.content


@pytest.mark.parametrize(
    ("to", "more", "reason"),
    [
        ("jörg@example.com", {}, FailureReason.RECIPIENT_REFUSED),
        ("ops@example.com", {"email_from": "zähler@example.com"}, FailureReason.CLIENT_ERROR),
    ],
)
def test_without_smtputf8_an_international_address_fails_for_good_and_says_why(
    to: str, more: dict[str, str], reason: FailureReason
) -> None:
    with (
        running(MailServer()) as server,
        pytest.raises(NotifyError, match=r"does not offer SMTPUTF8, which the address .* needs") as caught,
    ):
        send(server, to, **more)
    assert (caught.value.reason, caught.value.permanent, server.mails) == (reason, True, [])


def test_a_name_before_the_address_is_shown_and_not_sent_to() -> None:
    with running(MailServer()) as server:
        send(server, '"Ops, the team" <ops@example.com>')
    assert server.mails[0].rcpt_tos == ["ops@example.com"]
    assert arrived(server)["To"] == '"Ops, the team" <ops@example.com>'


def test_spellings_of_one_address_are_one_recipient() -> None:
    spelled = "Ops@Example.com, ops@EXAMPLE.COM., Ops <OPS@example.com>, boss@exämple.com, boss@xn--exmple-cua.com"
    with running(MailServer()) as server:
        found = settings(server, spelled)
        assert receivers(found) == ["email:ops@example.com", "email:boss@exämple.com"]
        send(server, spelled)
    assert [mail.rcpt_tos for mail in server.mails] == [["Ops@example.com"], ["boss@xn--exmple-cua.com"]]


def test_routes_and_waiting_messages_may_spell_an_address_differently() -> None:
    found = settings(MailServer(port=1), "ops@exämple.com", routes='[{"receivers": ["email:Ops@xn--exmple-cua.com"]}]')
    assert problems(found) == []
    assert notifier(found, "email:OPS@EXÄMPLE.com").threads is False
    with pytest.raises(UnknownReceiverError):
        notifier(found, "email:ops@example.com")


# Headers.


def test_a_mail_is_as_old_as_its_sending() -> None:
    with running(MailServer()) as server:
        for day in (13, 14):
            with time_machine.travel(datetime(2026, 5, day, 8, tzinfo=UTC), tick=False):
                send(server)
    dates = [message_from_bytes(mail.content or b"", policy=policy.default)["Date"] for mail in server.mails]
    assert dates == ["Wed, 13 May 2026 08:00:00 +0000", "Thu, 14 May 2026 08:00:00 +0000"]


@pytest.mark.parametrize(
    ("url", "sender", "domain"),
    [
        ("https://coder.example.com", "awb@other.test", "coder.example.com"),
        ("https://coder.exämple.com:8443", "awb@other.test", "coder.xn--exmple-cua.com"),
        ("https://coder.example.com.", "awb@other.test", "coder.example.com"),
        ("https://[2001:db8::1]:8443", "awb@other.test", "[IPv6:2001:db8::1]"),
        ("https://10.0.0.5", "awb@other.test", "10.0.0.5"),
        ("https://coder", "awb@other.test", "coder"),
        ("", "awb@exämple.com", "xn--exmple-cua.com"),
        (f"https://{'x' * 60}.{'y' * 20}.example.com", "awb@other.test", "y" * 20 + ".example.com"),
        (f"https://{'x' * 60}", "awb@other.test", "other.test"),
        (f"https://{'x' * 60}", f"awb@{'y' * 60}", NO_DOMAIN),
    ],
)
def test_message_ids_are_of_a_domain_that_is_known(url: str, sender: str, domain: str) -> None:
    with running(MailServer()) as server:
        send(server, coder_url=url, email_from=sender)
    content = server.mails[0].content
    assert isinstance(content, bytes)
    for name in (b"Message-ID", b"In-Reply-To", b"References"):
        [found] = re.findall(rb"(?m)^%s: (\S+)\r?$" % name, content)
        assert re.fullmatch(rb"<[a-z]+\.[0-9a-f]{20}@" + re.escape(domain.encode()) + rb">", found)


def test_the_same_mail_at_the_same_time_is_the_same_to_the_byte() -> None:
    to = Mailbox.parse("Ops <ops@example.com>")
    first, second = (
        render(notification(), sender=to, recipient=replace(to), host="", sent_at=NOW).as_bytes() for _ in range(2)
    )
    assert first == second
