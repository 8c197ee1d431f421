"""`awb alerts`, `silence` and `notify`: what people do about warnings, and who is said to have done it."""

import getpass
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from app.core.alert.alert import AlertKind
from app.core.count.meter import AWB
from app.pipeline.watch.warn import warn
from app.simulator.sinks import MailSink, SlackSink
from app.store.alert.silences import Silences
from app.store.audit import Audit
from app.store.store import Store
from tests.cli.conftest import Awb, rows_of
from tests.cli.make import DEPLOYMENT, build, put
from tests.conftest import RedisServer, make_config

ME = f"{getpass.getuser()} (cli)"
NOW = datetime.now(UTC)


@pytest.fixture
def firing(connection: "redis.Redis", redis_server: RedisServer) -> None:
    put(connection, [build(n) for n in range(8)])
    warn(Store(connection, DEPLOYMENT), make_config(redis_server.url, limit=10), AWB)


def acts(connection: "redis.Redis") -> list[tuple[str, str]]:
    return [(entry.actor, entry.action) for entry in Audit(connection, DEPLOYMENT).newest(10)]


# ---- alerts ----


def test_alerts_show_how_each_stands(awb: Awb, firing: None) -> None:
    told = json.loads(awb("alerts", "--json").stdout)["alerts"]
    assert [(alert["name"], alert["state"]) for alert in told] == [("awb", "firing"), ("forecast-awb", "ok")]
    row = rows_of(awb("alerts"))[1]
    assert row.split()[:3] == ["awb", "firing", "75%"]
    assert "by nobody" in row
    assert row.endswith("AWB 80% – 8 of 10 used")


def test_an_acknowledgement_is_kept_with_its_author_and_audited(
    awb: Awb, firing: None, connection: "redis.Redis"
) -> None:
    first, second = awb("alerts", "ack", "awb", "--level", "75%"), awb("alerts", "ack", "awb", "--json")
    assert first.stdout == f"awb is acknowledged by {ME}.\n"
    assert json.loads(second.stdout) == {"alert": "awb", "acknowledged_by": ME, "new": False}
    (alert, *_) = json.loads(awb("alerts", "--json").stdout)["alerts"]
    assert alert["acknowledged_by"] == ME
    assert acts(connection) == [(ME, "acknowledge alert")]


def test_a_level_that_is_no_share_can_be_named(awb: Awb, connection: "redis.Redis", redis_server: RedisServer) -> None:
    put(connection, [build(n) for n in range(8)])
    warn(Store(connection, DEPLOYMENT), make_config(redis_server.url, limit=10, soft_limit=7, thresholds="99%"), AWB)
    assert awb("alerts", "ack", "awb", "--level", "soft limit").exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [(["abw"], "did you mean “awb”?"), (["awb", "--level", "90%"], "at 75% now"), (["forecast-awb"], "firing: awb")],
)
def test_what_does_not_stand_cannot_be_acknowledged(
    awb: Awb, firing: None, connection: "redis.Redis", words: list[str], said: str
) -> None:
    result = awb("alerts", "ack", *words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr
    assert acts(connection) == []


def test_the_deployment_may_be_named_before_or_behind_the_subcommand(awb: Awb, firing: None) -> None:
    assert awb("alerts", "--deployment", "eu", "ack", "awb").exit_code == 1
    assert awb("alerts", "ack", "awb", "--deployment", "eu").exit_code == 1
    assert awb("alerts", "--deployment", DEPLOYMENT, "ack", "awb").exit_code == 0


# ---- silence ----


@pytest.mark.parametrize(
    ("words", "ends"),
    [
        (["--for", "30m"], NOW + timedelta(minutes=30)),
        (["--for", "12h"], NOW + timedelta(hours=12)),
        (["--for", "7d"], NOW + timedelta(days=7)),
        (["--for", "2w"], NOW + timedelta(days=14)),
    ],
)
def test_a_silence_holds_for_a_time(awb: Awb, connection: "redis.Redis", words: list[str], ends: datetime) -> None:
    told = json.loads(awb("silence", "add", "level=90%", "scope=user:*", *words, "--comment", "known", "--json").stdout)
    assert (told["matchers"], told["author"]) == ({"level": "90%", "scope": "user:*"}, ME)
    (kept,) = Silences(connection, DEPLOYMENT).all()
    assert (kept.id, kept.comment) == (told["id"], "known")
    assert abs(kept.ends_at - ends) < timedelta(minutes=10)
    assert acts(connection) == [(ME, "add silence")]


def test_until_is_a_time_of_the_configured_zone(awb: Awb) -> None:
    day = (NOW + timedelta(days=3)).date()
    words = ["silence", "add", "alert=awb", "--comment", "x", "--json", "--until"]
    told = [
        json.loads(awb(*words, until, AWB_TIME_ZONE="Asia/Kolkata").stdout)["ends_at"]
        for until in (f"{day}", f"{day} 18:00")
    ]
    assert told == [f"{day - timedelta(days=1)}T18:30:00Z", f"{day}T12:30:00Z"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["level=90%", "--for", "7d"], "--comment"),
        (["level=90%", "--for", "7d", "--comment", " "], "give the reason"),
        (["level=90%", "--comment", "x"], "either --for or --until"),
        (["level=90%", "--for", "7d", "--until", "2099-01-01", "--comment", "x"], "either --for or --until"),
        (["level=90%", "--for", "7", "--comment", "x"], "write 30m, 12h, 7d or 2w"),
        (["level=90%", "--for", "²d", "--comment", "x"], "write 30m, 12h, 7d or 2w"),
        (["level=90%", "--for", "99999w", "--comment", "x"], "days away"),
        (["level=90%", "--for", "0d", "--comment", "x"], "in the past"),
        (["level=90%", "--until", "2020-01-01", "--comment", "x"], "in the past"),
        (["levle=90%", "--for", "7d", "--comment", "x"], "did you mean “level”?"),
        (["--for", "7d", "--comment", "x"], "MATCHER"),
    ],
)
def test_a_silence_that_cannot_be_is_a_usage_error(
    awb: Awb, connection: "redis.Redis", words: list[str], said: str
) -> None:
    result = awb("silence", "add", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert Silences(connection, DEPLOYMENT).all() == []


def test_silences_are_listed_ended_and_then_over(awb: Awb, connection: "redis.Redis") -> None:
    made = json.loads(awb("silence", "add", "level=90%", "--for", "7d", "--comment", "[bold]x", "--json").stdout)["id"]
    assert rows_of(awb("silence", "list"))[1].endswith("[bold]x")
    missing = awb("silence", "end", made[:-1])
    assert (missing.exit_code, f"did you mean “{made}”?" in missing.stderr) == (1, True)
    assert awb("silence", "end", made).exit_code == 0
    assert awb("silence", "list").stdout == "No active silences.\n"
    (over,) = json.loads(awb("silence", "list", "--all", "--json").stdout)["silences"]
    assert (over["id"], over["active"], over["ended_by"]) == (made, False, ME)
    assert acts(connection) == [(ME, "end silence"), (ME, "add silence")]


# ---- notify test ----


def mail(sink: MailSink) -> dict[str, str]:
    return {"AWB_SMTP_URL": sink.url, "AWB_EMAIL_FROM": "awb@example.com", "AWB_EMAIL_TO": "ops@example.com"}


def test_a_test_message_reaches_every_receiver_now(awb: Awb, connection: "redis.Redis") -> None:
    with SlackSink() as slack, MailSink() as smtp:
        result = awb("notify", "test", AWB_SLACK_WEBHOOK_URL=slack.url, **mail(smtp))
        assert (result.exit_code, rows_of(result)) == (0, ["sent  slack", "sent  email:ops@example.com"])
        assert "Test message" in slack.messages[0]["blocks"][0]["text"]["text"]
        assert smtp.mails[0].recipients == ("ops@example.com",)
    assert acts(connection) == [(ME, "send test message")]


def test_one_failure_is_reported_and_ends_with_code_1(awb: Awb) -> None:
    with SlackSink() as slack, MailSink(refuse="550 no such user") as smtp:
        told = awb("notify", "test", "--json", AWB_SLACK_WEBHOOK_URL=slack.url, **mail(smtp))
    assert told.exit_code == 1
    sent, failed = json.loads(told.stdout)["receivers"]
    assert sent == {"receiver": "slack", "state": "sent", "error": None}
    assert (failed["receiver"], failed["state"]) == ("email:ops@example.com", "failed")
    assert "550" in failed["error"]


def test_only_the_named_receivers_are_tried_and_redis_is_not_needed(awb: Awb) -> None:
    with SlackSink() as slack, MailSink() as smtp:
        more = {"AWB_SLACK_WEBHOOK_URL": slack.url, **mail(smtp), "AWB_REDIS_URL": "unix:///nowhere"}
        result = awb("notify", "test", "slack", "slack", **more)
        assert (result.exit_code, rows_of(result)) == (0, ["sent  slack"])
        assert (len(slack.messages), smtp.mails) == (1, [])
        wrong = awb("notify", "test", "slak", **more)
    assert (wrong.exit_code, "did you mean “slack”?" in wrong.stderr) == (1, True)


def test_without_receivers_it_says_how_to_have_one(awb: Awb) -> None:
    result = awb("notify", "test")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "AWB_SLACK_WEBHOOK_URL" in result.stderr


# ---- notify preview ----


@pytest.mark.parametrize("kind", list(AlertKind))
def test_every_kind_of_message_can_be_seen_without_redis(awb: Awb, kind: AlertKind) -> None:
    result = awb("notify", "preview", "--kind", kind.value, AWB_REDIS_URL="unix:///nowhere")
    assert result.exit_code == 0
    told = json.loads(awb("notify", "preview", "--kind", kind.value, "--json").stdout)
    assert told["message"]["kind"] == kind.value
    assert told["message"]["headline"] in result.stdout
    assert [name for name in told["variables"] if f"{{{{ {name} }}}}" not in result.stdout] == []


@pytest.mark.parametrize(
    ("level", "used"), [("75%", 1500), ("900 builds", 900), ("+10%", 2200), ("33", 660), ("100%", 2000)]
)
def test_the_level_and_the_limit_are_those_asked_for(awb: Awb, level: str, used: int) -> None:
    message = json.loads(awb("notify", "preview", "--level", level, "--json", AWB_LIMIT="2000").stdout)["message"]
    assert (message["used"], message["limit"]) == (used, 2000)


@pytest.mark.parametrize("limit", ["0", "unlimited"])
def test_where_shares_mean_nothing_the_included_builds_are_the_sample(awb: Awb, limit: str) -> None:
    message = json.loads(awb("notify", "preview", "--json", AWB_LIMIT=limit).stdout)["message"]
    assert (message["used"], message["limit"]) == (900, 1000)


def test_a_level_that_is_none_is_a_usage_error(awb: Awb) -> None:
    result = awb("notify", "preview", "--level", "most")
    assert (result.exit_code, "is no threshold" in result.stderr) == (2, True)


def own(headline: str) -> dict[str, Any]:
    return {"AWB_TEXTS": json.dumps({"headline": headline})}


def test_own_words_are_previewed_beside_what_they_may_use(awb: Awb) -> None:
    told = json.loads(awb("notify", "preview", "--json", **own("{{ left }} left of {{ limit }}!")).stdout)
    assert told["message"]["headline"] == "100 left of 1000!"
    assert told["variables"]["headline"] == "AWB 90% – 900 of 1,000 used"


@pytest.mark.parametrize("template", ["{{ lft }}", "{{ left", "{{ ''.__class__ }}"])
def test_own_words_that_cannot_be_are_a_mistake_of_the_configuration(awb: Awb, template: str) -> None:
    for words in (["notify", "preview"], ["config", "check"], ["notify", "test"]):
        result = awb(*words, **own(template))
        assert result.exit_code == 78
        assert "texts.headline" in result.stderr


def test_the_mail_can_be_looked_at_in_a_browser(awb: Awb, tmp_path: Path) -> None:
    file = tmp_path / "mail.html"
    assert awb("notify", "preview", "--html", str(file)).stdout == f"{file}: written\n"
    text = file.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "900 of 1,000" in text
    assert "cid:" not in text
    assert "data:image/" in text
    wrong = awb("notify", "preview", "--html", str(tmp_path / "nowhere" / "mail.html"))
    assert (wrong.exit_code, "cannot be written" in wrong.stderr) == (1, True)


def test_the_slack_message_is_block_kit(awb: Awb) -> None:
    message = json.loads(awb("notify", "preview", "--slack").stdout)
    assert message["blocks"][0]["type"] == "header"
