"""The stand-ins for Slack and a mail server."""

import smtplib
import sys
import time
from email.message import EmailMessage

import pytest
import requests

from app.simulator.sinks import MailSink, SinkError, SlackSink
from tests.conftest import PATIENCE


def mail(subject: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "awb@example.com", "ops@example.com", subject
    message.set_content("90% are used – “soon” all")
    return message


def test_slack_answers_ok_and_keeps_the_message_with_its_arrival() -> None:
    before = time.time()
    with SlackSink() as slack:
        answer = requests.post(slack.url, json={"text": "90%"}, timeout=PATIENCE)
        assert (answer.status_code, answer.text) == (200, "ok")
    assert slack.messages == [{"text": "90%"}]
    assert before <= slack.posts[0].at <= time.time()


def test_slack_listens_on_loopback_behind_a_secret_path() -> None:
    with SlackSink() as slack:
        assert slack.url.startswith("http://127.0.0.1:")
        answer = requests.post(slack.url + "x", json={"text": "90%"}, timeout=PATIENCE)
        assert (answer.status_code, answer.text) == (404, "no_service")
        assert requests.post(slack.url, data=b"no json", timeout=PATIENCE).status_code == 400
    assert slack.messages == []


@pytest.mark.parametrize(("status", "retry_after"), [(429, 3), (500, None)])
def test_slack_can_refuse_the_first_posts(status: int, retry_after: int | None) -> None:
    with SlackSink() as slack:
        slack.fail_next(2, status, retry_after)
        answers = [requests.post(slack.url, json={"text": str(n)}, timeout=PATIENCE) for n in range(3)]
    assert [answer.status_code for answer in answers] == [status, status, 200]
    assert answers[0].headers.get("Retry-After") == (None if retry_after is None else str(retry_after))
    assert slack.messages == [{"text": "2"}]


def test_the_mail_server_keeps_parsed_messages() -> None:
    with MailSink() as sink, smtplib.SMTP("127.0.0.1", sink.port, timeout=PATIENCE) as client:
        client.send_message(mail("AWB 90%"))
    (received,) = sink.mails
    assert received.recipients == ("ops@example.com",)
    assert received.message["Subject"] == "AWB 90%"
    assert "“soon”" in received.message.get_body(("plain",)).get_content()


def test_the_mail_server_can_refuse() -> None:
    with (
        MailSink(refuse="451 try again later") as sink,
        smtplib.SMTP("127.0.0.1", sink.port, timeout=PATIENCE) as client,
    ):
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.send_message(mail("AWB 90%"))
        assert refused.value.smtp_code == 451
    assert sink.mails == []


def test_without_its_package_the_mail_server_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiosmtpd.controller", None)
    with pytest.raises(SinkError, match="the extra `demo` installs"):
        MailSink()
