"""Sending: what the receiver answers decides what becomes of a notification, and no message is lost or doubled."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
import structlog
import time_machine

from app.config.load import Config
from app.notifiers.base import SEND_TIMEOUT
from app.pipeline.notify.send import CLAIM_SECONDS, retry_delay, send
from app.simulator.sinks import SlackSink
from app.store import keys
from app.store.store import Store
from tests.conftest import RedisServer
from tests.notifiers.mailserver import MailServer, running
from tests.pipeline.streams import DEPLOYMENT, config_for, outbox, resumes, run
from tests.stored import unpacked


@pytest.fixture
def slack() -> Iterator[SlackSink]:
    with SlackSink() as sink:
        yield sink


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with running(MailServer()) as server:
        yield server


@pytest.fixture
def to_slack(redis_server: RedisServer, slack: SlackSink, world_clock: time_machine.Traveller) -> Config:
    return config_for(redis_server.url, slack_webhook_url=slack.url, limit=1)


def mail_config(redis_server: RedisServer, mail: MailServer, *to: str) -> Config:
    smtp = {"smtp_url": f"smtp://127.0.0.1:{mail.port}?tls=none", "email_from": "awb@example.com"}
    return config_for(redis_server.url, **smtp, email_to=",".join(to), limit=1)


def announce(connection: "redis.Redis", config: Config) -> list[str]:
    """Cross the limit and return the ids of the notifications."""
    run(connection, config, resumes(1))
    return [row["id"] for row in outbox(connection)]


def states(connection: "redis.Redis") -> dict[str, tuple[str, int]]:
    return {row["receiver"]: (row["state"], row["attempts"]) for row in outbox(connection)}


def pending_at(connection: Any, identity: str) -> float | None:
    return connection.zscore(keys.pending(DEPLOYMENT), identity)


def test_a_notification_is_sent_once(connection: "redis.Redis", to_slack: Config, slack: SlackSink) -> None:
    [identity] = announce(connection, to_slack)
    assert [send(Store(connection, DEPLOYMENT), to_slack, identity) for _ in range(3)] == [None] * 3
    [message] = slack.messages
    assert "1 of 1" in message["text"]
    assert states(connection) == {"slack": ("sent", 1)}
    assert pending_at(connection, identity) is None


def test_slack_that_asks_for_patience_gets_it_without_anybody_sleeping(
    connection: "redis.Redis", to_slack: Config, slack: SlackSink, world_clock: time_machine.Traveller
) -> None:
    [identity] = announce(connection, to_slack)
    slack.fail_next(1, 429, retry_after=77)
    began = time.monotonic()
    delay = send(Store(connection, DEPLOYMENT), to_slack, identity)
    assert time.monotonic() - began < 77
    assert delay is not None
    assert 77 <= delay <= 77 * 1.2
    assert pending_at(connection, identity) == pytest.approx(time.time() + delay)
    assert states(connection) == {"slack": ("pending", 1)}
    world_clock.shift(timedelta(seconds=delay))
    assert send(Store(connection, DEPLOYMENT), to_slack, identity) is None
    assert states(connection) == {"slack": ("sent", 2)}
    assert len(slack.messages) == 1


@pytest.mark.parametrize(
    ("asked", "delay"), [(None, 5.0), (0.0, 1.0), (1.0, 1.0), (30.0, 30.0), (600.0, 600.0), (86_400.0, 600.0)]
)
def test_what_the_receiver_asks_for_is_kept_within_reason(asked: float | None, delay: float) -> None:
    assert retry_delay(1, asked) == delay


def test_chance_adds_up_to_a_fifth_and_takes_nothing_away() -> None:
    assert [retry_delay(2, None, chance) for chance in (0.0, 0.5, 1.0)] == [15, 16.5, 18]
    assert retry_delay(1, 30, 1.0) == 36


def test_attempts_grow_apart_up_to_an_hour() -> None:
    assert [retry_delay(attempt, None) for attempt in range(1, 9)] == [5, 15, 60, 300, 900, 3600, 3600, 3600]


def test_an_error_of_slack_itself_is_tried_again_until_it_works(
    connection: "redis.Redis", to_slack: Config, slack: SlackSink
) -> None:
    [identity] = announce(connection, to_slack)
    slack.fail_next(2, 500)
    first, second, last = (send(Store(connection, DEPLOYMENT), to_slack, identity) for _ in range(3))
    assert (first // 5, second // 15, last) == (1, 1, None)
    assert states(connection) == {"slack": ("sent", 3)}
    assert outbox(connection)[0]["error"] is None


def test_a_webhook_that_is_gone_fails_for_good(connection: "redis.Redis", to_slack: Config, slack: SlackSink) -> None:
    [identity] = announce(connection, to_slack)
    slack.fail_next(1, 404)
    assert send(Store(connection, DEPLOYMENT), to_slack, identity) is None
    assert states(connection) == {"slack": ("failed", 1)}
    assert pending_at(connection, identity) is None
    assert send(Store(connection, DEPLOYMENT), to_slack, identity) is None
    assert slack.messages == []


def test_after_a_day_of_failures_a_notification_is_given_up(
    connection: "redis.Redis", to_slack: Config, slack: SlackSink, world_clock: time_machine.Traveller
) -> None:
    [identity] = announce(connection, to_slack)
    slack.fail_next(4, 500)
    assert send(Store(connection, DEPLOYMENT), to_slack, identity) is not None
    world_clock.shift(timedelta(hours=24))
    assert send(Store(connection, DEPLOYMENT), to_slack, identity) is not None
    world_clock.shift(timedelta(seconds=1))
    assert send(Store(connection, DEPLOYMENT), to_slack, identity) is None
    assert states(connection) == {"slack": ("failed", 3)}


@pytest.mark.parametrize(
    ("answer", "state"),
    [("451 4.7.1 greylisted", "pending"), ("550 5.1.1 no such user", "failed")],
)
def test_one_recipient_that_is_refused_does_not_keep_the_other_from_his_mail(
    connection: "redis.Redis",
    redis_server: RedisServer,
    mail: MailServer,
    world_clock: time_machine.Traveller,
    answer: str,
    state: str,
) -> None:
    config = mail_config(redis_server, mail, "ada@example.com", "ops@example.com")
    ids = announce(connection, config)
    mail.answers["RCPT"] = [answer]
    for identity in ids:
        send(Store(connection, DEPLOYMENT), config, identity)
    refused, *others = sorted(states(connection).items(), key=lambda row: row[1][0] == "sent")
    assert refused[1] == (state, 1)
    assert others == [(others[0][0], ("sent", 1))]
    world_clock.shift(timedelta(minutes=1))
    for identity in ids:
        send(Store(connection, DEPLOYMENT), config, identity)
    arrived = sorted(recipient for envelope in mail.mails for recipient in envelope.rcpt_tos)
    assert len(arrived) == (2 if state == "pending" else 1)
    assert len(set(arrived)) == len(arrived)


@pytest.mark.parametrize(("command", "answer"), [("DATA", "451 try again later"), ("MAIL", "421 busy")])
def test_mail_that_the_server_puts_off_is_tried_again(
    connection: "redis.Redis",
    redis_server: RedisServer,
    mail: MailServer,
    world_clock: time_machine.Traveller,
    command: str,
    answer: str,
) -> None:
    config = mail_config(redis_server, mail, "ops@example.com")
    [identity] = announce(connection, config)
    mail.answers[command] = [answer]
    assert send(Store(connection, DEPLOYMENT), config, identity) == pytest.approx(5.5, abs=0.5)
    assert send(Store(connection, DEPLOYMENT), config, identity) is None
    assert len(mail.mails) == 1


def test_a_receiver_that_was_taken_out_of_the_configuration_fails_for_good(
    connection: "redis.Redis", redis_server: RedisServer, to_slack: Config, slack: SlackSink
) -> None:
    [identity] = announce(connection, to_slack)
    assert send(Store(connection, DEPLOYMENT), config_for(redis_server.url), identity) is None
    assert states(connection) == {"slack": ("failed", 1)}
    assert slack.posts == []


def test_of_two_jobs_for_one_notification_one_sends(
    connection: "redis.Redis", to_slack: Config, slack: SlackSink
) -> None:
    [identity] = announce(connection, to_slack)
    barrier = threading.Barrier(8)

    def job() -> None:
        barrier.wait()
        send(Store(connection, DEPLOYMENT), to_slack, identity)

    threads = [threading.Thread(target=job) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(slack.messages) == 1
    assert states(connection) == {"slack": ("sent", 1)}


def test_a_job_for_a_notification_that_never_was_does_nothing(
    connection: "redis.Redis", to_slack: Config, slack: SlackSink
) -> None:
    assert send(Store(connection, DEPLOYMENT), to_slack, "unknown") is None
    assert slack.posts == []


@pytest.fixture
def loud() -> Iterator[None]:
    """Log everything, as at the most talkative level."""
    before = structlog.get_config()
    structlog.reset_defaults()
    yield
    structlog.configure(**before)


@pytest.mark.usefixtures("loud")
@pytest.mark.parametrize("status", [404, 429, 500])
def test_the_slack_url_is_in_no_log_and_in_no_error(
    connection: "redis.Redis", to_slack: Config, slack: SlackSink, status: int
) -> None:
    [identity] = announce(connection, to_slack)
    slack.fail_next(1, status)
    with structlog.testing.capture_logs() as lines:
        send(Store(connection, DEPLOYMENT), to_slack, identity)
    assert lines
    _hold_no_secret(connection, slack, lines)


@pytest.mark.usefixtures("loud")
def test_the_slack_url_is_in_no_error_of_the_network(
    connection: "redis.Redis", to_slack: Config, redis_server: RedisServer
) -> None:
    with SlackSink() as gone:
        pass
    config = config_for(redis_server.url, slack_webhook_url=gone.url, limit=1)
    [identity] = announce(connection, config)
    with structlog.testing.capture_logs() as lines:
        assert send(Store(connection, DEPLOYMENT), config, identity) == pytest.approx(5.5, abs=0.5)
    _hold_no_secret(connection, gone, lines)


def _hold_no_secret(connection: "redis.Redis", slack: SlackSink, lines: Any) -> None:
    secret = slack.url.rpartition("/")[2]
    hashes = [connection.hgetall(key).values() for key in connection.scan_iter(count=1000, _type="hash")]
    held = b"".join(text for values in hashes for value in values for text in unpacked(value))
    assert secret not in json.dumps(lines, default=str)
    assert secret.encode() not in held


def test_a_receiver_that_is_configured_wrongly_leaves_the_outbox(
    connection: "redis.Redis", redis_server: RedisServer
) -> None:
    smtp = {"smtp_url": "smtp://127.0.0.1:1?tls=maybe", "email_from": "awb@example.com", "email_to": "ops@example.com"}
    config = config_for(redis_server.url, **smtp, limit=1)
    [identity] = announce(connection, config)
    send(Store(connection, DEPLOYMENT), config, identity)
    assert next(iter(states(connection).values()))[0] == "failed"


def test_a_claim_outlives_the_longest_attempt() -> None:
    # A mail takes a connection, TLS, a login and five commands, each of which may take as long.
    assert CLAIM_SECONDS >= 8 * SEND_TIMEOUT
