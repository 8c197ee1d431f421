"""Notifications reach the person they are for, by the way that settings and rules say, once and in order."""

import email
import email.policy
import json
from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import redis
import time_machine

from app.core.relay.letter import letter_of
from app.store.rq import jobqueue
from tests.conftest import RedisServer, make_config
from tests.notifiers.mailserver import MailServer, running
from tests.notifiers.slacksink import TOKEN, WebApi, web_api
from tests.relay.world import RELAY_SECRET, World
from tests.web.make import everything, notification
from tests.workers.make import drain

CODE = "4711f00d-0000-4000-8000-123456789abc"


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with running(MailServer()) as server:
        yield server


@pytest.fixture
def make(redis_server: RedisServer, connection: "redis.Redis", clock: time_machine.Traveller, mail: MailServer) -> Any:
    def build(relay: str = "email", **settings: Any) -> World:
        given = {
            "relay": relay,
            "relay_secret": RELAY_SECRET,
            "deployment": "prod",
            "smtp_url": f"smtp://127.0.0.1:{mail.port}?tls=none",
            "email_from": "Coder <coder@example.com>",
            "coder_url": "https://coder.example.com",
            **settings,
        }
        return World(connection, make_config(redis_server.url, **given), clock)

    return build


@pytest.fixture
def slack() -> Iterator[WebApi]:
    with web_api() as api:
        api.users["ada@example.com"] = "U0ADA"
        yield api


def by_slack(slack: WebApi, **more: Any) -> dict[str, Any]:
    return {"relay": "slack", "slack_bot_token": TOKEN, "slack_api_url": slack.url, **more}


def message(message_id: str, address: str = "ada@example.com", **more: Any) -> bytes:
    body = json.loads(notification(message_id, user_email=address, user_name="Ada Example", **more.pop("payload", {})))
    words = {
        "title": f"News {message_id}",
        "body": f"The task {message_id} is done.",
        "body_markdown": f"The task **{message_id}** is done.",
    }
    return json.dumps({**body, **words, **more}).encode()


def passcode(message_id: str = "otp-1", address: str = "ada@example.com") -> bytes:
    url = f"https://coder.example.com/reset-password/change?otp={CODE}&email=ada%40example.com"
    payload = {
        "notification_name": "One-Time Passcode",
        "notification_template_id": "62f86a30-2330-4b61-a26d-311ff3b608cf",
        "labels": {"one_time_passcode": CODE},
        "actions": [{"label": "Reset password", "url": url}],
    }
    words = {"title": "Reset your password for Coder", "body": "Use the link.", "body_markdown": "Use the link."}
    return message(message_id, address, payload=payload, **words)


def read(mail: MailServer) -> list[EmailMessage]:
    found = []
    for envelope in mail.mails:
        assert isinstance(envelope.content, bytes)
        found.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
    return found  # type: ignore[return-value]


def subjects(mail: MailServer) -> list[str]:
    return [str(one["Subject"]) for one in read(mail)]


def part(one: EmailMessage, kind: str) -> str:
    body = one.get_body((kind,))
    assert body is not None
    return str(body.get_content())


def test_a_person_gets_title_text_and_links_by_mail(make: Any, mail: MailServer) -> None:
    world = make()
    actions = [
        {"label": "View task", "url": "https://coder.example.com/tasks/ada/w0"},
        {"label": "x", "url": "javascript:1"},
    ]
    world.post(message("m-1", payload={"actions": actions}))
    world.drain()
    [one] = read(mail)
    assert mail.mails[0].rcpt_tos == ["ada@example.com"]
    assert (one["From"], one["To"]) == ("Coder <coder@example.com>", "Ada Example <ada@example.com>")
    assert one["Subject"] == "News m-1"
    assert one["Auto-Submitted"] == "auto-generated"
    text, page = part(one, "plain"), part(one, "html")
    assert "Hi Ada Example," in text
    assert "The task m-1 is done." in text
    assert "View task: https://coder.example.com/tasks/ada/w0" in text
    assert "<strong>m-1</strong>" in page
    assert 'href="https://coder.example.com/tasks/ada/w0">View task</a>' in page
    assert "https://coder.example.com/settings/notifications?disabled=a2eb2d60-90a6-45ff-9c4b-d7cfcfb8a06e" in page
    assert "javascript" not in text + page
    assert world.state("m-1", "relay")["via"] == "email"
    assert world.originals() == []


@pytest.mark.parametrize(
    ("markdown", "there", "absent"),
    [
        ("[x](javascript:alert(1))", "x", 'javascript:alert(1)"'),
        ("<script>alert(1)</script>", "&lt;script&gt;", "<script"),
        ("![pixel](https://evil.example/p.png)", "", "<img"),
        ('<a href="https://evil.example" onclick="x()">y</a>', "onclick", '<a href="https://evil.example" onclick'),
        (
            "[**dormant**](https://coder.com/docs)",
            '<a href="https://coder.com/docs" rel="noopener noreferrer"><strong>',
            "**",
        ),
        ("one\ntwo", "one<br", "one two"),
        ("- a\n- b", "<li>a</li>", "- a"),
    ],
)
def test_markdown_is_rendered_and_nothing_harmful_gets_through(
    make: Any, mail: MailServer, markdown: str, there: str, absent: str
) -> None:
    world = make()
    world.post(message("m-1", body_markdown=markdown))
    world.work()
    page = part(read(mail)[0], "html")
    assert there in page
    assert absent not in page


def test_a_body_of_an_old_coder_without_markdown_and_with_hostile_headers_goes_out(make: Any, mail: MailServer) -> None:
    world = make()
    old = {"body_markdown": "", "title": "Reset\r\nBcc: all@example.com =?utf-8?q?x?=", "body": "Old"}
    world.post(message("m-1", **old))
    world.work()
    [one] = read(mail)
    assert one["Bcc"] is None
    assert one["Subject"] == "Reset Bcc: all@example.com = ?utf-8?q?x?="
    assert "Old" in part(one, "html")
    assert mail.mails[0].rcpt_tos == ["ada@example.com"]


def test_off_relays_nothing_and_rules_do_not_change_that(make: Any, mail: MailServer, tmp_path: Path) -> None:
    world = make("off", email_to="ops@example.com", rules=rules(tmp_path, relay="email"))
    world.post(passcode())
    world.work()
    assert mail.mails == []
    assert world.originals() == []


def rules(tmp_path: Path, **table: Any) -> Path:
    lines = [f"{key} = {json.dumps(value)}" for key, value in {"name": "mine", **table}.items()]
    counting = '[[rule]]\nname = "a"\nreason = "b"\noutcome = "ignored"\nwhen = { name = "x" }\n'
    file = tmp_path / "rules.toml"
    file.write_text(f"{counting}\n[[relay]]\n" + "\n".join(lines) + "\n")
    return file


@pytest.mark.parametrize(
    ("table", "got"),
    [
        ({"templates": ["Task *"]}, ["News other"]),
        ({"groups": "task events"}, ["News other"]),
        ({"recipients": ["*@example.com"]}, []),
        ({"recipients": ["*@EXAMPLE.org"]}, ["News m-1", "News other"]),
        ({"templates": ["Task *"], "recipients": ["bob@*"]}, ["News m-1", "News other"]),
    ],
)
def test_a_rule_keeps_what_it_names_from_people_but_never_a_passcode(
    make: Any, mail: MailServer, tmp_path: Path, table: dict[str, Any], got: list[str]
) -> None:
    world = make(rules=rules(tmp_path, relay="none", **table))
    world.post(message("m-1"))
    world.post(message("other", payload={"notification_name": "User account created", "notification_template_id": ""}))
    world.post(passcode())
    world.work()
    assert sorted(subjects(mail)) == sorted([*got, "Reset your password for Coder"])


def test_a_passcode_has_a_worker_of_its_own_and_leaves_no_trace(make: Any, mail: MailServer) -> None:
    world = make()
    for number in range(5):
        world.post(message(f"m-{number}", f"user{number}@example.com"))
    world.post(message("mine"))
    world.post(passcode())
    assert 0 < world.connection.ttl("awb:v1:prod:relay:original:otp-1") <= 1200
    held = everything(world.connection)
    for secret in (CODE, "ada@example.com", "user1@example.com", "ada%40example"):
        assert secret.encode() not in held
    drain(world.connection, world.config, jobqueue.PASSCODES)
    assert subjects(mail) == ["Reset your password for Coder"]
    assert "otp-1" not in world.originals()
    world.work()
    assert CODE in part(read(mail)[0], "html")
    assert world.originals() == []
    assert CODE.encode() not in everything(world.connection)


def test_a_passcode_that_cannot_be_delivered_is_given_up_after_twenty_minutes(make: Any, mail: MailServer) -> None:
    mail.answers["MAIL"] = [f"451 later {CODE}"] * 1000
    world = make()
    world.post(passcode())
    world.wait(1190)
    assert world.state("otp-1", "relay")["state"] == "pending"
    assert int(world.state("otp-1", "relay")["attempts"]) > 20
    world.wait(60)
    state = world.state("otp-1", "relay")
    assert (state["state"], state["reason"]) == ("failed", "It was not accepted (serverError).")
    assert world.originals() == []
    assert world.store.relays.again("otp-1", "relay", world.now()) == -1
    assert CODE.encode() not in everything(world.connection)


def test_a_persons_notifications_arrive_in_order_though_one_is_put_off(make: Any, mail: MailServer) -> None:
    """Greylisting holds up one person, and nobody else."""
    mail.answers["RCPT"] = ["450 greylisted"]
    world = make()
    for number in range(3):
        world.post(message(f"m-{number}"))
    world.post(message("other", "bob@example.com"))
    world.work()
    assert subjects(mail) == ["News other"]
    world.wait(60)
    assert subjects(mail) == ["News other", "News m-0", "News m-1", "News m-2"]


def test_an_address_that_is_refused_fails_at_once_and_its_reason_names_no_address(make: Any, mail: MailServer) -> None:
    mail.answers["RCPT"] = ["550 <ada@example.com>: no such user"]
    world = make()
    world.post(message("m-1"))
    world.post(message("m-2"))
    world.work()
    state = world.state("m-1", "relay")
    assert state["state"] == "failed"
    assert "no such user" in state["reason"]
    assert b"ada@example.com" not in everything(world.connection)
    assert subjects(mail) == ["News m-2"]
    assert world.store.relays.again("m-1", "relay", world.now()) == 1
    world.work()
    assert subjects(mail) == ["News m-2", "News m-1"]


def test_a_mail_server_that_is_down_is_asked_by_one_at_a_time_and_loses_nothing(make: Any, mail: MailServer) -> None:
    world = make(smtp_url="smtp://127.0.0.1:1?tls=none")
    for number in range(20):
        world.post(message(f"m-{number}", f"user{number}@example.com"))
    world.work()
    tried = [number for number in range(20) if world.state(f"m-{number}", "relay").get("attempts", "0") != "0"]
    assert len(tried) == 1
    up = make()
    world.config = up.config
    world.wait(120)
    assert sorted(subjects(mail)) == sorted(f"News m-{number}" for number in range(20))


def test_what_could_not_be_delivered_within_the_time_is_given_up_and_its_content_goes(
    make: Any, mail: MailServer
) -> None:
    mail.answers["MAIL"] = ["451 later"] * 1000
    world = make(relay_keep_minutes=30)
    world.post(message("m-1"))
    assert 0 < world.connection.ttl("awb:v1:prod:relay:original:m-1") <= 1800
    world.wait(1750)
    assert world.state("m-1", "relay")["state"] == "pending"
    world.wait(1200)
    assert world.state("m-1", "relay")["state"] == "failed"


def test_a_direct_message_reaches_whoever_slack_knows_and_an_email_all_others(
    make: Any, mail: MailServer, slack: WebApi
) -> None:
    world = make(**by_slack(slack))
    actions = [{"label": "View task", "url": "https://coder.example.com/tasks/ada/w0"}]
    for number in range(2):
        world.post(message(f"m-{number}", body_markdown="**done** <!channel> & more", payload={"actions": actions}))
    world.post(message("other", "bob@example.com"))
    world.drain()
    assert subjects(mail) == ["News other"]
    assert slack.methods == [
        "users.lookupByEmail", "conversations.open", "chat.postMessage", "chat.postMessage", "users.lookupByEmail",
    ]  # fmt: skip
    first = slack.calls[2][1]
    assert first["channel"] == "DU0ADA"
    header, markdown, buttons = first["blocks"]
    assert header["text"]["text"] == "News m-0"
    assert markdown == {"type": "markdown", "text": "**done** &lt;!channel&gt; &amp; more"}
    assert buttons["elements"][0]["url"] == "https://coder.example.com/tasks/ada/w0"
    assert "View task: https://coder.example.com/tasks/ada/w0" in first["text"]
    assert [world.state(one, "relay")["via"] for one in ("m-0", "m-1", "other")] == ["slack", "slack", "email"]
    held = everything(world.connection)
    assert b"ada@example.com" not in held
    # Somebody who joins Slack is found an hour later.
    slack.users["bob@example.com"] = "U0BOB"
    world.post(message("again", "bob@example.com"))
    world.work()
    world.connection.delete(*world.connection.scan_iter(match="*:relay:slack:*"))
    world.post(message("joined", "bob@example.com"))
    world.work()
    assert [world.state(one, "relay")["via"] for one in ("again", "joined")] == ["email", "slack"]


@pytest.mark.parametrize("word", ["token_revoked", "missing_scope", "user_disabled", "cannot_dm_bot", "something_new"])
@pytest.mark.parametrize("method", ["users.lookupByEmail", "conversations.open", "chat.postMessage"])
def test_whatever_slack_refuses_for_good_goes_by_email(
    make: Any, mail: MailServer, slack: WebApi, word: str, method: str
) -> None:
    slack.refusals[method] = [word]
    world = make(**by_slack(slack))
    world.post(message("m-1"))
    world.work()
    assert subjects(mail) == ["News m-1"]
    assert world.state("m-1", "relay")["via"] == "email"


def test_a_limited_slack_is_waited_for_but_not_by_a_passcode_and_not_for_long(
    make: Any, mail: MailServer, slack: WebApi
) -> None:
    slack.refusals["chat.postMessage"] = ["ratelimited"] * 100
    world = make(**by_slack(slack))
    world.post(message("m-1"))
    world.post(passcode())
    world.work()
    assert subjects(mail) == ["Reset your password for Coder"]
    world.wait(500)
    assert len(mail.mails) == 1
    world.wait(900)
    assert subjects(mail)[1:] == ["News m-1"]


def test_blocks_that_slack_does_not_take_are_left_out(make: Any, slack: WebApi) -> None:
    slack.refusals["chat.postMessage"] = ["invalid_blocks"]
    world = make(**by_slack(slack))
    world.post(message("m-1"))
    world.work()
    assert "blocks" not in slack.calls[-1][1]
    assert "The task m-1 is done." in slack.calls[-1][1]["text"]


def test_a_storm_is_held_back_and_summed_up_once(make: Any, mail: MailServer) -> None:
    world = make(relay_limit=5, relay_limit_minutes=10)
    for number in range(12):
        world.post(
            message(f"m-{number}", payload={"actions": [{"label": "View", "url": f"https://c.example/{number}"}]})
        )
    world.post(message("other", "bob@example.com"))
    world.post(passcode())
    world.work()
    assert sorted(subjects(mail)) == sorted(
        [*(f"News m-{number}" for number in range(5)), "News other", "Reset your password for Coder"]
    )
    world.wait(500)
    assert len(mail.mails) == 7
    world.wait(200)
    assert len(mail.mails) == 8
    summary = read(mail)[-1]
    assert summary["Subject"] == "Summary of 7 notifications from Coder"
    text, page = part(summary, "plain"), part(summary, "html")
    for number in range(5, 12):
        assert f"News m-{number}" in text
        assert f"https://c.example/{number}" in page
    assert "more than 5 notifications within 10 minutes" in text
    assert {world.state(f"m-{number}", "relay")["state"] for number in range(12)} == {"sent"}
    assert "In a summary of 7" in world.state("m-11", "relay")["reason"]
    assert world.originals() == []
    world.post(message("later"))
    world.work()
    assert subjects(mail)[-1] == "News later"


def test_a_recipient_without_an_address_that_mail_can_reach_fails_with_a_reason(make: Any, mail: MailServer) -> None:
    world = make()
    world.post(message("m-1", "no address"))
    world.post(message("m-2", ""))
    world.work()
    assert world.state("m-1", "relay")["state"] == "failed"
    assert world.state("m-2", "relay") == {}
    assert mail.mails == []


def test_a_letter_is_readable_whatever_coder_sends() -> None:
    odd = {
        "payload": {
            "actions": ["x", {"label": 1, "url": "https://a\ud800b"}, {"url": "https://x.example/"}],
            "user_name": None,
        }
    }
    letter = letter_of(json.dumps(odd).encode())
    assert letter.title == "A notification from Coder"
    assert letter.actions == (("https://a?b", "https://a?b"), ("https://x.example/", "https://x.example/"))
    assert letter.base_url == "https://a?b" or letter.base_url.startswith("https://a")


def test_waiting_hides_behind_no_clock_that_was_set_back(make: Any, mail: MailServer) -> None:
    world = make()
    world.post(message("m-1"))
    world.traveller.shift(timedelta(seconds=-30))
    world.work()
    assert mail.mails == []
    world.wait(60)
    assert subjects(mail) == ["News m-1"]
