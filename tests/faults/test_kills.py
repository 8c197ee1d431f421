"""Any part may be killed at any moment: what was answered 2xx is counted once, and every warning comes."""

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from app.core.limit.limits import Limit
from app.core.limit.threshold import highest_level
from app.simulator.estimate import Estimator
from app.simulator.notifications import Message
from app.simulator.sinks import SlackSink
from app.simulator.world import AI_TEMPLATES
from app.store.server.connection import connect
from tests.conftest import wait_until
from tests.faults.system import PARTS, Client, System, finish_later, processes, processes_of
from tests.pipeline.streams import books, config_for, levels, messages_of, outbox, used
from tests.workers.make import NOTHING, ROOT, environment, jobs_in

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")


def expected(messages: Sequence[Message]) -> int:
    estimator = Estimator(config_for("unix:///nowhere").rules, frozenset(AI_TEMPLATES))
    for message in messages:
        estimator.add(message.body)
    return estimator.total


def hold(redis_url: str, messages: Sequence[Message], limit: int) -> None:
    """Hold the ledger and the outbox against what was posted."""
    connection, total = connect(redis_url), expected(messages)
    for queue in ("awb-deliveries", "awb-notifications"):
        assert jobs_in(connection, queue) == NOTHING
    held = books(connection)
    assert {message.id for message in messages} - {key.rpartition(":")[2] for key in held["verdicts"]} == set()
    assert len(held["verdicts"]) == len(messages)
    assert used(connection) == len(held["records"]) == total
    highest = highest_level(total, Limit(limit), config_for(redis_url).thresholds)
    assert highest
    assert levels(connection)[highest.name] == 1
    assert set(levels(connection).values()) == {1}
    rows = outbox(connection)
    # What a kill delayed until a higher level had been sent is not sent any more: the receiver knows more already.
    overtaken = [row for row in rows if row["state"] != "sent"]
    assert {row["state"] for row in overtaken} <= {"superseded"}
    assert rows[-1]["state"] == "sent"
    assert rows[-1]["level"] == highest.name


def hold_messages(texts: Iterable[str], rows: Sequence[dict[str, Any]], *, exactly_once: bool) -> None:
    """Hold the outbox against what Slack received."""
    found = {text: [row["id"] for row in rows if row["headline"] in text] for text in texts}
    assert all(len(ids) == 1 for ids in found.values()), found
    told = {ids[0] for ids in found.values()}
    sent = {row["id"] for row in rows if row["state"] == "sent"}
    assert sent <= told
    # A kill between sending and noting it, and then a higher level: the message is not sent a second time.
    overtaken = [row for row in rows if row["id"] in told - sent]
    assert not exactly_once or not overtaken, overtaken
    assert all(row["attempts"] > 1 for row in overtaken), overtaken


@pytest.mark.parametrize(
    ("victims", "exactly_once"),
    [
        (("receiver", "delivery worker", "scheduler"), True),
        # Only who dies between sending and noting it, or takes away where it is noted, doubles a message.
        (("notification worker", "Redis"), False),
        (tuple(PARTS), False),
    ],
)
def test_parts_are_killed_while_a_thousand_deliveries_come_in(
    victims: tuple[str, ...], exactly_once: bool, short_dir: Path
) -> None:
    seed = len(victims)
    rng, messages = random.Random(seed), messages_of(seed, 800, failures=False)[:1000]
    limit = expected(messages) * 9 // 10
    with SlackSink() as slack, System(short_dir, slack_webhook_url=slack.url, limit=limit).started() as system:
        with Client(system, messages, seed, held=True) as client:
            # Each falls while posts are under way; those behind wait, so that the last victim finds some, too.
            moments = sorted(rng.sample(range(20, client.total - 20), len(victims) * 2))
            for victim, until in zip(rng.sample(victims * 2, len(victims) * 2), moments, strict=True):
                wait_until(lambda victim=victim: system.part(victim))
                client.let(until + 20)
                wait_until(lambda until=until: len(client.taken) >= until)
                system.signal(victim)
            client.let(client.total)
            client.wait()
        # Most often the rest is done at once; what has to wait for a claim or a heartbeat is done below.
        with suppress(AssertionError):
            wait_until(lambda: system.used() == expected(messages), 8)
        assert system.stop() == 0
        assert processes_of(short_dir) == []
        server = finish_later(short_dir, slack_webhook_url=slack.url, limit=limit)
        try:
            hold(server.url, messages, limit)
            texts = Counter(message["text"] for message in slack.messages)
            assert not exactly_once or set(texts.values()) == {1}
            hold_messages(texts, outbox(connect(server.url)), exactly_once=exactly_once)
        finally:
            server.stop()


def test_when_the_supervisor_is_killed_its_children_go_and_the_next_one_goes_on(short_dir: Path) -> None:
    messages = messages_of(3, 200, failures=False)
    with System(short_dir, limit=10_000).started() as first:
        with Client(first, messages, seed=2) as client:
            client.wait()
        wait_until(lambda: first.used() == expected(messages))
        parts = {name: first.part(name) for name in PARTS}
        os.kill(first.pid, signal.SIGKILL)
        # Redis stays for the moment: the next supervisor shuts it down in order, under the lock.
        python = [pid for name, pid in parts.items() if name != "Redis"]
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in python))
        with System(short_dir, limit=10_000).started() as second:
            assert second.used() == expected(messages)
            assert not Path(f"/proc/{parts['Redis']}").exists()
            assert second.stop() == 0
    assert processes_of(short_dir) == []


def test_a_second_instance_on_the_same_data_is_refused(short_dir: Path) -> None:
    with System(short_dir).started() as first:
        environ = environment("", data_dir=short_dir, bind="127.0.0.1:0")
        del environ["AWB_REDIS_URL"]
        command = [sys.executable, "-m", "app.cli", "run"]
        second = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
        assert second.returncode not in (0, None)
        assert f"another instance (process {first.pid})" in second.stderr
        assert "AWB_DATA_DIR" in second.stderr
        assert first.ready()
        assert first.stop() == 0


def test_a_stop_in_the_middle_of_deliveries_loses_none_and_leaves_no_process(short_dir: Path) -> None:
    messages = messages_of(4, 800, failures=False)[:1000]
    with System(short_dir, limit=10_000).started() as system:
        with Client(system, messages, seed=3) as client:
            wait_until(lambda: len(client.taken) > 200)
            children = processes(system.pid)
            assert system.stop() == 0
            assert "part did not stop in time" not in system.output.read_text(encoding="utf-8")
            assert not any(Path(f"/proc/{pid}").exists() for pid in children)
            assert processes_of(short_dir) == []
            system.started()
            client.wait()
        wait_until(lambda: system.used() == expected(messages))
        assert system.stop() == 0


def test_a_redis_that_hangs_is_answered_503_and_then_all_goes_on(short_dir: Path) -> None:
    messages = messages_of(5, 60, failures=False)
    with System(short_dir, limit=10_000).started() as system:
        assert [system.post(message) for message in messages[:5]] == [202] * 5
        system.signal("Redis", signal.SIGSTOP)
        try:
            assert system.post(messages[5], timeout=30) == 503
        finally:
            system.signal("Redis", signal.SIGCONT)
        # Redis may have done what it was asked before it hung up; then the retry is a duplicate.
        # A probe that was under way when Redis came back may still hold the place of the one that tries.
        wait_until(lambda: system.post(messages[5]) in (200, 202))
        with Client(system, messages[6:], seed=4) as client:
            client.wait()
        wait_until(lambda: system.used() == expected(messages))
        assert system.stop() == 0


def test_a_full_redis_is_answered_503_and_then_all_goes_on(short_dir: Path) -> None:
    messages = messages_of(6, 200, failures=False)
    with System(short_dir, limit=10_000).started() as system:
        assert [system.post(message) for message in messages[:5]] == [202] * 5
        # A worker that is still starting would not end: it waits until Redis has room.
        wait_until(lambda: system.used() == expected(messages[:5]))
        workers = {name: system.part(name) for name in PARTS if name.endswith("worker")}
        system.connection().config_set("maxmemory", 1)
        assert system.post(messages[5]) == 503
        system.connection().config_set("maxmemory", 0)
        # Stopped, so that it has work in hand when Redis is full, however fast it is.
        stopped = system.signal("delivery worker", signal.SIGSTOP)
        with Client(system, messages[5:], seed=5) as client:
            wait_until(lambda: len(client.taken) > len(messages) // 4)
            system.connection().config_set("maxmemory", 1)
            os.kill(stopped, signal.SIGCONT)
            # With work in hand a worker ends; the supervisor starts another one, which works on when there is room.
            wait_until(lambda: system.part("delivery worker") not in (workers["delivery worker"], None))
            system.connection().config_set("maxmemory", 0)
            client.wait()
        wait_until(lambda: system.used() == expected(messages))
        assert system.stop() == 0
