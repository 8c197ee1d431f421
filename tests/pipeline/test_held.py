"""Quiet hours, silences, dry runs and fallbacks: what is not sent now, and what is told afterwards."""

import quopri
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
import time_machine

from app.clock import now
from app.config.load import Config
from app.core.alert.alert import AlertKind, Notification
from app.core.alert.decision import Reason
from app.pipeline.notify.address import substitutes
from app.pipeline.notify.send import send
from app.pipeline.operate.acknowledge import end
from app.pipeline.operate.silence import create_silence
from app.pipeline.watch.sweep import sweep
from app.simulator.sinks import SlackSink
from app.store.store import Store
from tests.conftest import RedisServer
from tests.core.make import alert
from tests.notifiers.mailserver import MailServer, running
from tests.pipeline.streams import DEPLOYMENT, config_for, outbox, resumes, run


@pytest.fixture
def slack() -> Iterator[SlackSink]:
    with SlackSink() as sink:
        yield sink


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    # A Monday; the deliveries of `resumes` arrived before it.
    with time_machine.travel(datetime(2026, 3, 23, 12, tzinfo=UTC), tick=False) as traveller:
        yield traveller


def send_what_is_queued(connection: Any, config: Config) -> None:
    """Do what the worker of the notifications does."""
    while job := connection.lpop("rq:queue:awb-notifications"):
        connection.delete(f"rq:job:{job.decode()}")
        send(Store(connection, DEPLOYMENT), config, job.decode().removeprefix(f"notification-{DEPLOYMENT}-"))


def pass_time(connection: Any, config: Config, clock: time_machine.Traveller, delta: timedelta) -> None:
    clock.shift(delta)
    sweep(connection, config)
    send_what_is_queued(connection, config)


def texts(slack: SlackSink) -> list[str]:
    return [str(message["text"]) for message in slack.messages]


def states(connection: "redis.Redis") -> list[tuple[str, str]]:
    return [(row["level"], row["state"]) for row in outbox(connection)]


def test_quiet_hours_delay_the_message_and_then_the_newest_state_is_reported(
    connection: "redis.Redis", redis_server: RedisServer, slack: SlackSink, clock: time_machine.Traveller
) -> None:
    config = config_for(redis_server.url, slack_webhook_url=slack.url, quiet_hours="18:00-08:00")
    clock.move_to(datetime(2026, 3, 23, 19, tzinfo=UTC))
    run(connection, config, resumes(15))
    send_what_is_queued(connection, config)
    pass_time(connection, config, clock, timedelta(hours=3))
    run(connection, config, resumes(18))  # evaluated in the night
    send_what_is_queued(connection, config)
    assert texts(slack) == []
    assert states(connection) == [("75%", "pending"), ("90%", "pending")]
    clock.move_to(datetime(2026, 3, 24, 8, tzinfo=UTC))
    pass_time(connection, config, clock, timedelta(minutes=1))
    assert states(connection) == [("75%", "superseded"), ("90%", "sent")]
    [text] = texts(slack)
    assert "90%" in text


def test_what_was_resolved_in_the_night_is_reported_as_resolved(
    connection: "redis.Redis", redis_server: RedisServer, slack: SlackSink, clock: time_machine.Traveller
) -> None:
    settings: dict[str, Any] = {"slack_webhook_url": slack.url, "quiet_hours": "18:00-08:00"}
    config, raised = (config_for(redis_server.url, **settings, limit=limit) for limit in (20, 200))
    clock.move_to(datetime(2026, 3, 23, 19, tzinfo=UTC))
    run(connection, config, resumes(15))
    send_what_is_queued(connection, config)
    sweep(connection, raised)
    clock.move_to(datetime(2026, 3, 24, 8, tzinfo=UTC))
    pass_time(connection, raised, clock, timedelta(minutes=1))
    [text] = texts(slack)
    assert "No threshold is reached any more" in text


def test_a_route_may_speak_at_night(
    connection: "redis.Redis", redis_server: RedisServer, slack: SlackSink, clock: time_machine.Traveller
) -> None:
    routes = '[{"levels": [">=100%"], "quiet_hours": []}, {}]'
    config = config_for(redis_server.url, slack_webhook_url=slack.url, quiet_hours="18:00-08:00", routes=routes)
    clock.move_to(datetime(2026, 3, 23, 19, tzinfo=UTC))
    run(connection, config, resumes(18))
    send_what_is_queued(connection, config)
    run(connection, config, resumes(20))
    send_what_is_queued(connection, config)
    [text] = texts(slack)
    assert "100%" in text


def test_a_silence_holds_its_level_and_lets_the_next_one_speak(
    connection: "redis.Redis", redis_server: RedisServer, slack: SlackSink, clock: time_machine.Traveller
) -> None:
    config = config_for(redis_server.url, slack_webhook_url=slack.url)
    until = datetime(2026, 3, 26, tzinfo=UTC)
    create_silence(Store(connection, DEPLOYMENT), {"alert": "awb", "level": "90%"}, until, "ada", "month end")
    run(connection, config, resumes(18))
    send_what_is_queued(connection, config)
    assert texts(slack) == []
    [row] = outbox(connection)
    assert (row["state"], row["attempts"], row["held"]) == ("pending", 0, "Silenced by ada: month end")
    run(connection, config, resumes(20))
    send_what_is_queued(connection, config)
    [text] = texts(slack)
    assert "100%" in text
    clock.move_to(until)
    pass_time(connection, config, clock, timedelta(minutes=1))
    assert states(connection) == [("90%", "superseded"), ("100%", "sent")]


def test_what_still_holds_when_a_silence_is_taken_back_is_reported(
    connection: "redis.Redis", redis_server: RedisServer, slack: SlackSink, clock: time_machine.Traveller
) -> None:
    config = config_for(redis_server.url, slack_webhook_url=slack.url)
    until = datetime(2026, 6, 1, tzinfo=UTC)
    silence = create_silence(Store(connection, DEPLOYMENT), {"meter": "awb"}, until, "ada", "")
    run(connection, config, resumes(18))
    send_what_is_queued(connection, config)
    ended = end(Store(connection, DEPLOYMENT), config, silence.id, "grace")
    assert ended
    assert ended.ended_by == "grace"
    pass_time(connection, config, clock, timedelta(minutes=1))
    assert states(connection) == [("90%", "sent")]


def test_a_warning_outlasts_a_silence_that_is_longer_than_history_is_kept(
    connection: "redis.Redis", redis_server: RedisServer, slack: SlackSink, clock: time_machine.Traveller
) -> None:
    config = config_for(redis_server.url, slack_webhook_url=slack.url, keep_days=7)
    until = datetime(2026, 4, 22, tzinfo=UTC)
    create_silence(Store(connection, DEPLOYMENT), {"meter": "awb"}, until, "ada", "migration")
    run(connection, config, resumes(18))
    send_what_is_queued(connection, config)
    while now() < until:
        pass_time(connection, config, clock, timedelta(days=1))
        if now() < until:
            assert states(connection) == [("90%", "pending")]
    assert states(connection) == [("90%", "sent")]
    assert "90%" in texts(slack)[0]


def test_a_dry_run_decides_and_records_and_sends_nothing(
    connection: "redis.Redis", redis_server: RedisServer, slack: SlackSink, clock: time_machine.Traveller
) -> None:
    config = config_for(redis_server.url, slack_webhook_url=slack.url, dry_run="true")
    run(connection, config, resumes(18))
    send_what_is_queued(connection, config)
    assert states(connection) == [("90%", "dry-run")]
    assert texts(slack) == []


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with running(MailServer()) as server:
        yield server


def with_mail(redis_server: RedisServer, slack: SlackSink, mail: MailServer, **more: Any) -> Config:
    smtp = {"smtp_url": f"smtp://127.0.0.1:{mail.port}?tls=none", "email_from": "awb@example.com"}
    routes = '[{"receivers": ["slack"]}]'
    settings: dict[str, Any] = {"slack_webhook_url": slack.url, **smtp, "email_to": "ops@example.com", "routes": routes}
    return config_for(redis_server.url, **settings, fallback="email:*", **more)


def test_a_channel_that_refuses_for_good_is_replaced_by_another_that_says_so(
    connection: "redis.Redis", redis_server: RedisServer, slack: SlackSink, mail: MailServer, clock: Any
) -> None:
    config = with_mail(redis_server, slack, mail)
    slack.fail_next(1, 404)
    run(connection, config, resumes(18))
    send_what_is_queued(connection, config)
    assert {row["receiver"]: (row["state"], row["stands_in_for"]) for row in outbox(connection)} == {
        "slack": ("failed", None),
        "email:ops@example.com": ("sent", "slack"),
    }
    [sent] = mail.mails
    said = " ".join(quopri.decodestring(sent.content or b"").decode().split())
    assert "slack could not be reached: Slack answered 404" in said
    assert slack.url not in said


def test_a_channel_that_is_away_for_long_is_replaced_once_and_tried_on(
    connection: "redis.Redis", redis_server: RedisServer, slack: SlackSink, mail: MailServer, clock: Any
) -> None:
    config = with_mail(redis_server, slack, mail)
    slack.fail_next(6, 500)
    run(connection, config, resumes(18))
    send_what_is_queued(connection, config)
    for _ in range(24):
        pass_time(connection, config, clock, timedelta(minutes=10))
    assert len(mail.mails) == 1
    assert len(slack.messages) == 1


def test_a_fallback_that_fails_breeds_no_other(
    connection: "redis.Redis", redis_server: RedisServer, slack: SlackSink, mail: MailServer, clock: Any
) -> None:
    config = with_mail(redis_server, slack, mail)
    slack.fail_next(1, 404)
    mail.answers["RCPT"] = ["550 5.1.1 no such user"]
    run(connection, config, resumes(18))
    for _ in range(3):
        pass_time(connection, config, clock, timedelta(hours=1))
    assert [(row["receiver"], row["state"]) for row in sorted(outbox(connection), key=lambda row: row["receiver"])] == [
        ("email:ops@example.com", "failed"),
        ("slack", "failed"),
    ]


def test_every_kind_of_alert_has_a_name_that_routes_know() -> None:
    assert {kind.value for kind in AlertKind} == {
        "threshold", "forecast", "scope", "burst", "notice", "digest", "test",
    }  # fmt: skip


@pytest.mark.parametrize("reason", [Reason.TEST, Reason.ACKNOWLEDGED])
def test_what_concerns_one_receiver_alone_has_no_stand_in(
    redis_server: RedisServer, slack: SlackSink, mail: MailServer, reason: Reason
) -> None:
    config = with_mail(redis_server, slack, mail)
    failed = Notification("n1", "slack", datetime(2026, 3, 23, tzinfo=UTC), replace(alert(), reason=reason))
    assert substitutes(config, failed, "404", same_channel=False) == []
    warning = replace(failed, alert=alert())
    assert [one.receiver for one in substitutes(config, warning, "404", same_channel=False)] == [
        "email:ops@example.com"
    ]
