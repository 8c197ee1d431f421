import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import redis
import time_machine

from app.config.load import Config
from app.core.alert.alert import Alert, AlertKind, Notification
from app.core.alert.decision import AlertState, Reason
from app.core.alert.handle import Handle
from app.core.alert.silence import silencing
from app.pipeline.operate.acknowledge import StaleError, acknowledge, end, snooze
from app.store.alert.alerts import Alerts, Change
from app.store.alert.outbox import Outbox
from app.store.alert.silences import Silences
from app.store.store import Store
from tests.conftest import RedisServer, make_config
from tests.core.make import bare_alert
from tests.pipeline.fragile import Fuse, Where, fragile

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
PROD = "prod"
FIRING = AlertState("90%", date(2026, 1, 1), NOW, NOW, date(2027, 1, 1), 1000)
ALERT = bare_alert(headline="AWB 90%", summary="Coder deployment “prod” has reached 90%.")
HIGHER = replace(ALERT, level="100%", reason=Reason.ESCALATED)


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def config(redis_server: RedisServer) -> Config:
    return make_config(redis_server.url, slack_bot_token="xoxb-1-SECRET", slack_channel="C0ONE0000,C0TWO0000")


def say(connection: "redis.Redis", said: Alert = ALERT, state: AlertState = FIRING) -> None:
    alerts = Alerts(connection, PROD)
    version, _ = alerts.state(said.name)
    assert alerts.announce(said.name, version, Change(state, NOW, said))


def begin_thread(connection: "redis.Redis", receiver: str = "slack:C0ONE0000", said: Alert = ALERT) -> None:
    Outbox(connection, PROD).mark_sent(Notification("n1", receiver, NOW, said), NOW, Handle(receiver[6:], "1.0"))


def told(connection: "redis.Redis") -> list[dict[str, Any]]:
    return [row for row in Outbox(connection, PROD).history() if row["reason"] == "acknowledged"]


def events(connection: "redis.Redis") -> list[dict[str, Any]]:
    return [event for event in Alerts(connection, PROD).events() if event["reason"] == "acknowledged"]


def test_who_acknowledged_what_and_when_is_kept(connection: "redis.Redis", config: Config) -> None:
    say(connection)
    assert acknowledge(Store(connection, PROD), config, "awb", "90%", "ada") is True
    assert Silences(connection, PROD).acknowledges("awb", FIRING)
    [event] = events(connection)
    assert (event["actor"], event["at"], event["because"]) == ("ada", NOW.timestamp(), "Acknowledged by ada.")
    assert Alerts(connection, PROD).state("awb")[1] == FIRING


def test_it_is_shown_where_there_is_a_thread_and_nowhere_else(connection: "redis.Redis", config: Config) -> None:
    say(connection)
    begin_thread(connection)
    begin_thread(connection, "slack:C0GONE000")
    acknowledge(Store(connection, PROD), config, "awb", "90%", "ada")
    [row] = told(connection)
    assert (row["receiver"], row["state"]) == ("slack:C0ONE0000", "pending")
    attempt = Outbox(connection, PROD).claim(row["id"], NOW, 60)
    assert attempt is not None
    assert attempt.notification.alert == replace(ALERT, reason=Reason.ACKNOWLEDGED, actor="Acknowledged by ada")


def test_a_second_acknowledgement_changes_nothing(connection: "redis.Redis", config: Config) -> None:
    say(connection)
    begin_thread(connection)
    assert acknowledge(Store(connection, PROD), config, "awb", "90%", "ada") is True
    assert acknowledge(Store(connection, PROD), config, "awb", "90%", "bob") is False
    given = Silences(connection, PROD).acknowledgement("awb")
    assert given is not None
    assert given.by == "ada"
    assert (len(told(connection)), len(events(connection))) == (1, 1)


def test_of_many_at_once_one_is_reported(connection: "redis.Redis", config: Config) -> None:
    say(connection)
    begin_thread(connection)
    threads = [
        threading.Thread(target=acknowledge, args=(Store(connection, PROD), config, "awb", "90%", f"user{n}"))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told(connection)) == len(events(connection)) == 1
    given = Silences(connection, PROD).acknowledgement("awb")
    assert given is not None
    assert acknowledge(Store(connection, PROD), config, "awb", "90%", "late") is False


def acknowledges(connection: "redis.Redis", config: Config) -> object:
    return acknowledge(Store(connection, PROD), config, "awb", "90%", "ada")


def snoozes(connection: "redis.Redis", config: Config) -> object:
    return snooze(Store(connection, PROD), config, "awb", "90%", "ada", NOW + timedelta(days=1))


@pytest.mark.parametrize("does", [acknowledges, snoozes])
@pytest.mark.parametrize("where", ["before", "after"])
def test_what_died_anywhere_is_whole_after_the_next_click(
    connection: "redis.Redis",
    redis_server: RedisServer,
    config: Config,
    clock: time_machine.Traveller,
    does: Callable[["redis.Redis", Config], object],
    where: Where,
) -> None:
    for at in range(1, 30):
        connection.flushall()
        clock.move_to(NOW)
        say(connection)
        begin_thread(connection)
        older = snooze(Store(connection, PROD), config, "awb", "90%", "bob", NOW + timedelta(days=2))
        fuse = Fuse(at, where)
        with suppress(redis.ConnectionError):
            does(fragile(redis_server.url, fuse), config)
        clock.move_to(NOW + timedelta(minutes=1))
        does(connection, config)
        assert events(connection)[-1]["actor"] == "bob"
        assert {event["actor"] for event in events(connection)[:-1]} == {"ada"}
        assert len(told(connection)) == 2
        silences = Silences(connection, PROD)
        if does is acknowledges:
            assert silences.acknowledges("awb", FIRING)
        else:
            assert [one.author for one in silences.active(NOW + timedelta(hours=1))] == ["ada"]
            assert silences.all()[0].id != older.id
        if not fuse.blown:
            assert at > 5
            return
    pytest.fail("the fuse blew at every command")


def test_no_level_means_the_one_that_stands(connection: "redis.Redis", config: Config) -> None:
    say(connection, HIGHER, replace(FIRING, level="100%"))
    acknowledge(Store(connection, PROD), config, "awb", "", "ada")
    given = Silences(connection, PROD).acknowledgement("awb")
    assert given is not None
    assert given.level == "100%"


STALE: list[tuple[Alert | None, AlertState, str, str]] = [
    (None, FIRING, "", "resolved"),
    (replace(ALERT, level="", reason=Reason.RESOLVED), replace(FIRING, level=""), "", "resolved"),
    (HIGHER, replace(FIRING, level="100%"), "", "at 100% now, no longer at 90%"),
    (replace(ALERT, group_key="prod:awb:2027-01-01"), FIRING, "prod:awb:2026-01-01", "a period that is over"),
]


@pytest.mark.parametrize(("said", "state", "group_key", "word"), STALE)
@pytest.mark.parametrize("how", ["acknowledge", "snooze"])
def test_what_no_longer_stands_is_answered_and_left_alone(
    connection: "redis.Redis",
    config: Config,
    said: Alert | None,
    state: AlertState,
    group_key: str,
    word: str,
    how: str,
) -> None:
    if said:
        say(connection, said, state)
        begin_thread(connection, said=said)
    before = Alerts(connection, PROD).state("awb")
    asked = partial(snooze, until=None) if how == "snooze" else acknowledge
    with pytest.raises(StaleError, match=word):
        asked(Store(connection, PROD), config, "awb", "90%", "ada", group_key=group_key)
    assert Alerts(connection, PROD).state("awb") == before
    assert Silences(connection, PROD).acknowledgement("awb") is None
    assert (Silences(connection, PROD).all(), told(connection), events(connection)) == ([], [], [])


def test_a_snooze_holds_its_level_and_no_higher_one(connection: "redis.Redis", config: Config) -> None:
    say(connection)
    made = snooze(Store(connection, PROD), config, "awb", "90%", "ada", NOW + timedelta(days=7), "on holiday")
    assert (made.author, made.comment, made.ends_at) == ("ada", "on holiday", NOW + timedelta(days=7))
    active = Silences(connection, PROD).active(NOW)
    assert silencing(active, ALERT.labels("slack"), NOW) == made
    assert silencing(active, replace(ALERT, reason=Reason.REPEAT).labels("slack"), NOW) == made
    assert silencing(active, HIGHER.labels("slack"), NOW) is None
    assert silencing(active, replace(ALERT, name="scope-1").labels("slack"), NOW) is None
    assert silencing(active, ALERT.labels("slack"), NOW + timedelta(days=7)) is None


@pytest.mark.parametrize(
    ("period_end", "expected"),
    [(date(2027, 1, 1), datetime(2027, 1, 1, tzinfo=UTC)), (None, NOW + timedelta(days=366))],
)
def test_a_snooze_until_the_next_level_ends_with_the_period(
    connection: "redis.Redis", config: Config, period_end: date | None, expected: datetime
) -> None:
    say(connection, state=replace(FIRING, period_end=period_end))
    assert snooze(Store(connection, PROD), config, "awb", "90%", "ada", None).ends_at == expected


def test_a_period_that_is_over_cannot_be_snoozed_into_the_next(connection: "redis.Redis", config: Config) -> None:
    say(connection, state=replace(FIRING, period_end=date(2026, 5, 4)))
    with pytest.raises(StaleError, match="period"):
        snooze(Store(connection, PROD), config, "awb", "90%", "ada", None)


def test_a_snooze_cannot_end_before_it_begins(connection: "redis.Redis", config: Config) -> None:
    say(connection)
    with pytest.raises(ValueError, match="future"):
        snooze(Store(connection, PROD), config, "awb", "90%", "ada", NOW)


def test_who_snoozed_it_is_shown_with_the_end(connection: "redis.Redis", config: Config) -> None:
    say(connection)
    begin_thread(connection)
    snooze(Store(connection, PROD), config, "awb", "90%", "ada", NOW + timedelta(days=1))
    said = Alerts(connection, PROD).last("awb")
    assert said is not None
    assert said.actor == "Snoozed until 5 May 2026, 09:30 UTC by ada"
    assert len(told(connection)) == len(events(connection)) == 1
    assert events(connection)[0]["actor"] == "ada"


def test_the_same_snooze_twice_is_one(connection: "redis.Redis", config: Config) -> None:
    say(connection)
    begin_thread(connection)
    both = [snooze(Store(connection, PROD), config, "awb", "90%", "ada", NOW + timedelta(days=1)) for _ in range(2)]
    assert both[0] == both[1]
    assert (len(Silences(connection, PROD).all()), len(told(connection)), len(events(connection))) == (1, 1, 1)


def test_the_last_snooze_of_a_level_counts(
    connection: "redis.Redis", config: Config, clock: time_machine.Traveller
) -> None:
    say(connection)
    snooze(Store(connection, PROD), config, "awb", "90%", "ada", NOW + timedelta(days=7))
    clock.move_to(NOW + timedelta(hours=1))
    shorter = snooze(Store(connection, PROD), config, "awb", "90%", "bob", NOW + timedelta(days=1))
    assert Silences(connection, PROD).active(NOW + timedelta(hours=2)) == [shorter]


def test_what_was_ended_can_be_snoozed_again(
    connection: "redis.Redis", config: Config, clock: time_machine.Traveller
) -> None:
    say(connection)
    first = snooze(Store(connection, PROD), config, "awb", "90%", "ada", None)
    clock.move_to(NOW + timedelta(hours=1))
    end(Store(connection, PROD), config, first.id, "ada")
    again = snooze(Store(connection, PROD), config, "awb", "90%", "ada", None)
    assert Silences(connection, PROD).active(NOW + timedelta(hours=1)) == [again]


def test_names_are_no_patterns(connection: "redis.Redis", config: Config) -> None:
    say(connection, replace(ALERT, name="scope-[a]*", kind=AlertKind.SCOPE))
    made = snooze(Store(connection, PROD), config, "scope-[a]*", "90%", "ada", None)
    assert made.matches(replace(ALERT, name="scope-[a]*").labels())
    assert not made.matches(replace(ALERT, name="scope-a").labels())


def test_a_bursts_words_name_its_level(connection: "redis.Redis", config: Config) -> None:
    burst = replace(ALERT, name="burst-1", kind=AlertKind.BURST, level="20 builds")
    say(connection, burst, replace(FIRING, level="burst"))
    assert acknowledge(Store(connection, PROD), config, "burst-1", "20 builds", "ada") is True
    assert Silences(connection, PROD).acknowledges("burst-1", replace(FIRING, level="burst"))
    assert snooze(Store(connection, PROD), config, "burst-1", "20 builds", "ada", None).matches(burst.labels())


def test_an_end_brings_back_what_was_held_and_is_reported(
    connection: "redis.Redis", config: Config, clock: time_machine.Traveller
) -> None:
    say(connection)
    begin_thread(connection)
    made = snooze(Store(connection, PROD), config, "awb", "90%", "ada", NOW + timedelta(days=1))
    outbox = Outbox(connection, PROD)
    outbox.add([Notification("held", "slack", NOW, ALERT)], NOW)
    outbox.hold("held", "Silenced by ada.", made.ends_at)
    clock.move_to(NOW + timedelta(hours=1))
    ended = end(Store(connection, PROD), config, made.id, "bob")
    assert ended is not None
    assert (ended.ended_by, ended.ends_at) == ("bob", NOW + timedelta(hours=1))
    assert "held" in outbox.overdue(NOW + timedelta(hours=1))
    assert [event["because"] for event in events(connection)] == [
        "Snooze ended by bob.",
        "Snoozed until 5 May 2026, 09:30 UTC by ada.",
    ]


def test_an_end_after_the_level_changed_tells_nobody(connection: "redis.Redis", config: Config) -> None:
    say(connection)
    made = snooze(Store(connection, PROD), config, "awb", "90%", "ada", None)
    say(connection, HIGHER, replace(FIRING, level="100%"))
    assert end(Store(connection, PROD), config, made.id, "bob") is not None
    assert len(events(connection)) == 1


def test_ending_what_is_not_there_or_ended_already_changes_nothing(
    connection: "redis.Redis", config: Config, clock: time_machine.Traveller
) -> None:
    say(connection)
    assert end(Store(connection, PROD), config, "nothing", "bob") is None
    made = snooze(Store(connection, PROD), config, "awb", "90%", "ada", NOW + timedelta(days=1))
    clock.move_to(NOW + timedelta(days=2))
    assert end(Store(connection, PROD), config, made.id, "bob") == made
    assert len(events(connection)) == 1


@pytest.mark.parametrize(("by", "kept"), [("ada\nroot", "ada root"), ("", "somebody"), ("x" * 500, "x" * 100)])
def test_names_are_one_short_line(connection: "redis.Redis", config: Config, by: str, kept: str) -> None:
    say(connection)
    acknowledge(Store(connection, PROD), config, "awb", "90%", by)
    assert events(connection)[0]["actor"] == kept
