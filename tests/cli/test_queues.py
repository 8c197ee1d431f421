"""`awb queues`, `awb replay` and `awb quarantine`: what they print, do, and end with."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from app.config.load import Config
from app.store.audit import Audit
from app.store.receive.inbox import Inbox
from app.store.rq import jobqueue
from app.store.rq.queues import Queues
from tests.cli.conftest import Awb
from tests.conftest import RedisServer
from tests.pipeline.deadletter import DELIVERIES, fail, swift, work_off, write_failed
from tests.pipeline.streams import DEPLOYMENT, STARTED_AT, config_for, resumes, used
from tests.web.make import notification
from tests.workers.make import accept, jobs_in

AWAY = "unix:///nowhere/redis.sock"
HERE = {"AWB_DEPLOYMENT": DEPLOYMENT}


@pytest.fixture(autouse=True, scope="module")
def _swift(redis_server: RedisServer) -> Iterator[None]:
    yield from swift(redis_server.url)


@pytest.fixture
def config(redis_server: RedisServer) -> Config:
    return config_for(redis_server.url)


def odd(number: int) -> list[Any]:
    return [(DEPLOYMENT, f"odd{n}", STARTED_AT + 86_400 * n, {"notification_name": "Odd"}) for n in range(number)]


# ---- queues ----


def test_queues_are_listed_with_workers_and_failed_jobs(awb: Awb, connection: Any) -> None:
    accept(connection, resumes(2))
    write_failed(connection, 1, error="ValueError: [bold]odd token=planted")
    result = awb("queues", **HERE)
    assert (result.exit_code, result.stderr) == (0, "")
    rows = [line.split() for line in result.stdout.splitlines()]
    assert [row for row in rows if row[:2] == [DELIVERIES, "2"] and row[-2:] == ["1", "running"]]
    assert "No workers are registered" in result.stdout
    assert re.search(r"delivery-prod-m0 .* 4 +ValueError: \[bold\]odd token=\*\*\*", result.stdout)


def test_queues_are_json_for_programs(awb: Awb, connection: Any) -> None:
    write_failed(connection, 30)
    Queues(connection).pause(DELIVERIES, "ada")
    found = json.loads(awb("queues", "--json", **HERE).stdout)
    deliveries, *others = found["queues"]
    assert [row["name"] for row in (deliveries, *others)] == list(jobqueue.QUEUES)
    assert (deliveries["failed"], deliveries["paused"], deliveries["paused_by"]) == (30, True, "ada")
    assert deliveries["paused_at"].endswith("Z")
    assert (others[0]["paused"], others[0]["paused_at"]) == (False, None)
    assert (found["suspended"], found["workers"], len(found["failed_jobs"])) == (False, [], 20)
    assert found["failed_jobs"][0]["reason"] == "ValueError: odd"


def test_jobs_are_requeued_by_id_and_it_is_said_which_were_not(
    awb: Awb, connection: "redis.Redis", config: Config
) -> None:
    (job_id,) = fail(connection, config, resumes(1))
    first, second = (awb("queues", "requeue", job_id, **HERE) for _ in range(2))
    assert (first.exit_code, first.stdout) == (0, f"{job_id}: requeued\n")
    assert (second.exit_code, "nothing done" in second.stdout) == (1, True)
    work_off(connection, config)
    assert used(connection) == 1
    (line,) = Audit(connection, DEPLOYMENT).newest(10)
    assert (line.action, line.detail) == ("requeue job", job_id)
    assert line.actor.endswith(" (cli)")


def test_all_failed_jobs_of_a_queue_are_requeued(awb: Awb, connection: "redis.Redis", config: Config) -> None:
    fail(connection, config, resumes(3))
    assert awb("queues", "requeue", "--all-failed", DELIVERIES, **HERE).stdout == "3 jobs requeued.\n"
    assert len(jobs_in(connection)["queued"]) == 3


def test_all_failed_jobs_are_deleted_only_by_one_who_means_it(awb: Awb, connection: Any) -> None:
    write_failed(connection, 2)
    asked = awb("queues", "delete", "--all-failed", DELIVERIES, stdin=b"n\n", **HERE)
    assert (asked.exit_code, len(jobs_in(connection)["failed"])) == (1, 2)
    done = awb("queues", "delete", "--all-failed", DELIVERIES, "--yes", **HERE)
    assert (done.exit_code, done.stdout, jobs_in(connection)["failed"]) == (0, "2 jobs deleted.\n", [])


@pytest.mark.parametrize("words", [["requeue"], ["delete"], ["requeue", "x", "--all-failed", DELIVERIES]])
def test_what_to_work_on_is_said_in_one_way(awb: Awb, words: list[str]) -> None:
    assert awb("queues", *words).exit_code == 2


def test_a_queue_is_paused_and_resumed(awb: Awb, connection: "redis.Redis") -> None:
    said = [awb("queues", act, DELIVERIES, **HERE).stdout for act in ("pause", "pause", "resume", "resume")]
    assert said == [
        f"{DELIVERIES} is paused.\n",
        f"{DELIVERIES} was already paused.\n",
        f"{DELIVERIES} is running again.\n",
        f"{DELIVERIES} was not paused.\n",
    ]
    assert awb("queues", "pause", "theirs").exit_code == 2


# ---- replay ----


def test_deliveries_are_replayed_by_id(awb: Awb, connection: "redis.Redis", config: Config) -> None:
    accept(connection, [*odd(1), *resumes(1)])
    work_off(connection, config)
    result = awb("replay", "odd0", "11111111-r0", "none", **HERE)
    assert (result.exit_code, result.stdout) == (1, "odd0: queued\n11111111-r0: understood\nnone: not known\n")
    again = awb("replay", "odd0", "--json", **HERE)
    assert json.loads(again.stdout) == [{"message_id": "odd0", "became": "under way"}]


@pytest.mark.parametrize(
    ("options", "number"),
    [(["--unknown"], 3), (["--since", "2026-03-03"], 2), (["--unknown", "--since", "2027-01-01"], 0)],
)
def test_what_was_not_understood_is_replayed(
    awb: Awb, connection: "redis.Redis", config: Config, options: list[str], number: int
) -> None:
    accept(connection, odd(3))
    work_off(connection, config)
    result = awb("replay", *options, **HERE)
    assert result.stdout == f"{number} deliveries checked, {number} queued for classification.\n"
    assert result.exit_code == 0
    assert json.loads(awb("replay", *options, "--json", **HERE).stdout) == {"looked_at": number, "queued": 0}
    assert awb("replay", *options, "--deployment", "eu", **HERE).stdout.startswith("0 deliveries")


@pytest.mark.parametrize("words", [[], ["x", "--unknown"], ["--since", "yesterday"]])
def test_what_to_replay_is_said_in_one_way(awb: Awb, words: list[str]) -> None:
    assert awb("replay", *words).exit_code == 2


# ---- quarantine ----


@pytest.fixture
def inbox(connection: "redis.Redis") -> Inbox:
    found = Inbox(connection, DEPLOYMENT)
    found.quarantine("good", STARTED_AT, "was not read then", notification("m1", user_email="planted"), keep=True)
    found.quarantine("bad", STARTED_AT, "not valid JSON", b"planted {", keep=True)
    return found


def test_the_quarantine_is_listed_without_content(awb: Awb, inbox: Inbox) -> None:
    assert sorted(line.split()[0] for line in awb("quarantine", **HERE).stdout.splitlines()) == ["bad", "good"]
    assert len(json.loads(awb("quarantine", "--json", **HERE).stdout)) == 2
    assert awb("quarantine", "--deployment", "eu", **HERE).stdout == "The quarantine is empty.\n"


def test_a_quarantined_body_is_shown_redacted(awb: Awb, inbox: Inbox) -> None:
    good, bad = awb("quarantine", "show", "good", **HERE), awb("quarantine", "show", "bad", **HERE)
    assert "awb quarantine release good" in good.stdout
    assert '"workspace": "w0"' in good.stdout
    assert "so it is not shown" in bad.stdout
    as_json = json.loads(awb("quarantine", "show", "good", "--json", **HERE).stdout)
    assert (as_json["releasable"], as_json["received_at"]) == (True, "2026-03-02T08:00:00Z")
    assert "planted" not in good.output + bad.output + json.dumps(as_json)
    assert awb("quarantine", "show", "none", **HERE).exit_code == 1
    for words in (["--deployment", "eu", "show", "good"], ["show", "good", "--deployment", "eu"]):
        assert awb("quarantine", *words, **HERE).exit_code == 1


def test_quarantined_bodies_are_released_or_stay(
    awb: Awb, inbox: Inbox, connection: "redis.Redis", config: Config
) -> None:
    result = awb("quarantine", "release", "good", "bad", **HERE)
    assert result.exit_code == 1
    assert result.stdout.startswith("good: queued for classification\nbad: still not a valid notification")
    work_off(connection, config)
    assert used(connection) == 1
    assert [row["message_id"] for row in inbox.quarantined()] == ["bad"]


def test_quarantined_bodies_are_discarded(awb: Awb, inbox: Inbox) -> None:
    result = awb("quarantine", "discard", "bad", "none", **HERE)
    assert (result.exit_code, result.stdout) == (1, "bad: discarded\nnone: not found\n")
    assert [row["message_id"] for row in inbox.quarantined()] == ["good"]


@pytest.mark.parametrize(
    "words",
    [["queues"], ["queues", "requeue", "x"], ["queues", "pause", DELIVERIES], ["replay", "x"], ["replay", "--unknown"],
     ["quarantine"], ["quarantine", "show", "x"], ["quarantine", "release", "x"], ["quarantine", "discard", "x"]],
    ids=" ".join,
)  # fmt: skip
def test_without_redis_they_end_with_code_69(awb: Awb, words: list[str]) -> None:
    result = awb(*words, AWB_REDIS_URL=AWAY)
    assert (result.exit_code, result.stdout) == (69, "")
    assert result.stderr.endswith("awb: Redis is unreachable\n")
