"""Verify and reconcile may die at any command to Redis: once more, and the count is exact."""

from datetime import timedelta

import pytest
import redis
import time_machine

from app.pipeline.count.reconcile import list_changes
from app.pipeline.count.verify import verify_due
from app.pipeline.watch.notices import give_notice
from app.pipeline.watch.sweep import _send_again
from app.simulator.licence import Seats
from app.store.store import Store
from tests.conftest import RedisServer
from tests.exact.play import DEPLOYMENT
from tests.exact.stage import Stage, licence, tasks
from tests.pipeline.fragile import Fuse, Where, fragile


def happen(stage: Stage) -> None:
    """Make a bit of everything: a task that goes on, one that runs, one that failed, one that is gone."""
    stage.world.licence = licence()
    one, two, three, gone = tasks(stage.world, 4)
    stage.tell()
    stage.look()
    stage.world.restart(one)
    stage.world.pause(two)
    stage.world.resume(two, unfinished=True)
    stage.world.restart(three, fails=True)
    stage.world.restart(gone)
    stage.world.delete(gone)
    stage.world.pass_time(10)


def dump(connection: "redis.Redis") -> dict[bytes, bytes]:
    return {key: connection.dump(key) for key in connection.scan_iter(count=1000)}


def restore(connection: "redis.Redis", saved: dict[bytes, bytes]) -> None:
    connection.flushall()
    for key, value in saved.items():
        connection.restore(key, 0, value)


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("told", [True, False], ids=["told", "lost"])
def test_a_crash_at_any_command_of_a_pass_and_then_another_pass_is_exact(
    stage: Stage, redis_server: RedisServer, told: bool, where: Where
) -> None:
    happen(stage)
    if told:
        stage.tell()
    saved = dump(stage.connection)

    def work(through: "redis.Redis") -> None:
        list_changes(Store(through, DEPLOYMENT), stage.api)
        verify_due(Store(through, DEPLOYMENT), stage.config, stage.api)

    with time_machine.travel(stage.world.now, tick=False):
        fuse = Fuse()
        work(fragile(redis_server.url, fuse))
        stage.assert_exact()
        assert fuse.sent > 40
        for at in range(1, fuse.sent + 1):
            restore(stage.connection, saved)
            # Threads take turns as they like, so the last commands may not be reached.
            try:
                work(fragile(redis_server.url, Fuse(at, where)))
            except redis.exceptions.ConnectionError:
                pass
            else:
                assert at > fuse.sent * 0.6
            work(stage.connection)
            stage.assert_exact()
            assert stage.state.mark("pass_begun_at") is None
            assert len({point.at for point in stage.state.drift()}) == len(stage.state.drift())


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_crash_at_any_command_of_giving_notice_says_everything_once(
    stage: Stage, redis_server: RedisServer, where: Where
) -> None:
    stage.world.licence, stage.world.ai_seats = licence(), Seats(10, 11)
    stage.world.upgrade((2, 37, 0))
    stage.look()

    def work(through: "redis.Redis") -> None:
        give_notice(Store(through, DEPLOYMENT), stage.config)

    saved = dump(stage.connection)
    with time_machine.travel(stage.world.now, tick=False):
        work(stage.connection)  # so that Redis knows every script
        restore(stage.connection, saved)
        fuse = Fuse()
        work(fragile(redis_server.url, fuse))
        assert len(stage.sent()) == 2
        for at in range(1, fuse.sent + 1):
            restore(stage.connection, saved)
            with pytest.raises(redis.exceptions.ConnectionError):
                work(fragile(redis_server.url, Fuse(at, where)))
            work(stage.connection)
            with time_machine.travel(stage.world.now + timedelta(minutes=1), tick=False):
                _send_again(Store(stage.connection, DEPLOYMENT))
            assert len(stage.sent()) == 2
            queued = stage.connection.lrange("rq:queue:awb-notifications", 0, -1)
            assert len(queued) == len(set(queued)) == 2
