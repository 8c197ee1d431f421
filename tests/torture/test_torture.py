"""The short form of `make torture`, and proof that its checker finds broken promises."""

import random
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis

from app.core.count.meter import AWB
from app.pipeline.count.intake import take
from app.pipeline.watch.warn import warn
from app.store.receive.inbox import Inbox
from app.store.store import Store
from tests.conftest import make_config
from tests.torture.check import Outcome, levels, violations
from tests.torture.clock import Clock
from tests.torture.planted import BUGS, Bug, NotThereError, run
from tests.torture.rounds import Plan, Round
from tests.torture.traffic import ESTIMATED, Letter, letters_of, units
from tests.workers.make import ROOT, drain

linux = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")


@linux
def test_a_short_torture_breaks_no_promise(tmp_path: Path) -> None:
    clock = Clock(tmp_path)
    plan = Plan(seed=2, kind="always", strict=False, coder=True, clock=False, disk=False)
    with clock.governing():
        result = Round(plan, clock, seconds=6).run()
    assert result.violations == []
    assert result.faults.total() > 10
    assert result.deliveries > 100


@linux
@pytest.mark.long
@pytest.mark.parametrize("seed", range(3, 15))
def test_torture_breaks_no_promise(tmp_path: Path, seed: int) -> None:
    clock = Clock(tmp_path)
    with clock.governing():
        assert Round(Plan.of(seed), clock, seconds=25).run().violations == []


class Books:
    """A small correct ledger and its world; each test breaks it in one place."""

    def __init__(self, connection: "redis.Redis", url: str) -> None:
        self.connection = connection
        self.config = make_config(url, deployments=ESTIMATED, limit=20, thresholds="50%,100%", forecast_alerts="false")
        self.letters = letters_of(random.Random(5), 30)
        for letter in self.letters:
            take(Inbox(connection, ESTIMATED), letter.body, letter.id)
            letter.taken_at = 1.0
        drain(connection, self.config)
        store = Store(connection, ESTIMATED)
        warn(store, self.config, AWB)
        self.rig: Any = SimpleNamespace(
            team=None, limit=20, slack=SimpleNamespace(texts=["75 %"]), mail=SimpleNamespace(subjects=[])
        )

    def found(self, doublings: int = 0) -> str:
        return "\n".join(violations(self.rig, self.connection, Outcome(self.letters, doublings, one_period=False)))

    @property
    def unit(self) -> Letter:
        return next(letter for letter in self.letters if letter.workspace)

    def keys(self, pattern: str) -> list[bytes]:
        return sorted(self.connection.scan_iter(match=f"awb:v1:{ESTIMATED}:{pattern}"))


@pytest.fixture
def books(connection: "redis.Redis", config: Any) -> Books:
    return Books(connection, config.settings.redis_url.get_secret_value())


def test_the_checker_has_nothing_to_say_of_books_that_are_right(books: Books) -> None:
    assert sum(units(books.letters).values()) > 10
    assert books.found() == ""


def lose_a_verdict(books: Books) -> None:
    books.connection.delete(f"awb:v1:{ESTIMATED}:delivery:{books.unit.id}")


def lose_a_record(books: Books) -> None:
    books.connection.delete(books.keys("record:*")[0])


def count_twice(books: Books) -> None:
    key = books.keys("record:*")[0]
    books.connection.copy(key, key.rpartition(b":")[0] + b":99")


def move_a_total(books: Books) -> None:
    day = next(field for field in books.connection.hkeys(f"awb:v1:{ESTIMATED}:totals:{AWB}") if field[:2] == b"d:")
    books.connection.hincrby(f"awb:v1:{ESTIMATED}:totals:{AWB}", day.decode(), 1)


def bury_a_job(books: Books) -> None:
    books.connection.zadd("rq:failed:awb-deliveries", {"delivery-x": 9e9})


def say_it_twice(books: Books) -> None:
    books.rig.slack.texts *= 2


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lose_a_verdict, "was answered 2xx and has no verdict"),
        (lose_a_record, "units, of"),
        (count_twice, "units, of"),
        (move_a_total, "totals of"),
        (bury_a_job, "is dead letter"),
        (say_it_twice, "Slack got 2 times, without a crash"),
    ],
)
def test_the_checker_sees_what_is_wrong(books: Books, spoil: Callable[[Books], object], said: str) -> None:
    spoil(books)
    assert said in books.found()


ROW = {"id": "a", "receiver": "slack", "reason": "first", "level": "50%", "state": "sent"}
GOT = "AWB 50%. Coder deployment “estimated” has reached 50% of its limit."


@pytest.mark.parametrize(
    ("rows", "texts", "said"),
    [
        ([ROW], [GOT], []),
        ([ROW], [], ["a is marked as sent, and Slack never got it"]),
        ([], [], ["12 of 20 used, and 50 % was sent to nobody"]),
        ([ROW, {**ROW, "id": "b", "level": "75%", "state": "failed"}], [GOT], ["75% was announced and sent to nobody"]),
        ([ROW, {**ROW, "id": "b", "level": "25%", "state": "superseded"}], [GOT], []),
    ],
)
def test_the_checker_sees_a_level_that_nobody_got(rows: list[Any], texts: list[str], said: list[str]) -> None:
    rig: Any = SimpleNamespace(limit=20, slack=SimpleNamespace(texts=texts))
    found = list(levels(rig, rows, used=12))
    assert len(found) == len(said)
    assert all(one in other for one, other in zip(said, found, strict=True))


def test_a_message_that_came_again_is_excused_by_a_crash_behind_it_and_by_nothing_else(books: Books) -> None:
    say_it_twice(books)
    assert books.found(doublings=1) == ""
    assert books.found(doublings=0) != ""


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_every_planted_bug_fits_the_tree(bug: Bug) -> None:
    assert bug.changed(ROOT) != (ROOT / bug.file).read_text(encoding="utf-8")
    assert all((ROOT / test).exists() for test in bug.tests.split())


def test_a_planted_bug_that_fits_no_more_says_so(tmp_path: Path) -> None:
    (tmp_path / "file.py").write_text("pass\n")
    bug = Bug("a bug", "file.py", "return 1\n", "return 2\n", "tests")
    with pytest.raises(NotThereError, match=r"a bug: file\.py has this 0 times"):
        bug.plant(tmp_path)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_every_planted_bug_is_caught(bug: Bug) -> None:
    verdict = run(bug)
    assert verdict.caught, verdict.said
