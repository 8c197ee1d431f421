"""What becomes known only when its usage period is over."""

from app.core.count.meter import AWB
from app.core.limit.period import Period
from app.store.store import Store
from tests.exact.play import DEPLOYMENT
from tests.exact.stage import Stage, day, licence, tasks


def used_in(stage: Stage, first: int, last: int) -> int:
    """Return what was used from one day up to, not including, another."""
    usage = stage.usage()
    period = Period(day(first).date(), day(last).date())
    return Store(stage.connection, DEPLOYMENT).snapshot(AWB).usage(period, usage.limit, usage.as_of, top=False).used


def test_a_build_of_a_closed_period_that_becomes_known_late_corrects_history_without_an_alert(stage: Stage) -> None:
    world = stage.world
    world.licence = licence(limit=10, start=day(0), end=day(20))
    tasks(world, 4)
    stage.tell()
    stage.look()
    stage.warn()
    tasks(world, 8)
    stage.forget()
    world.advance_to(day(22))
    world.licence = licence(limit=10, start=day(21), end=day(50))
    before = used_in(stage, 0, 21)
    stage.look()
    assert stage.warn() == [("summary", "")]
    stage.assert_exact()
    assert (before, used_in(stage, 0, 21), stage.usage().used) == (4, 12, 0)
    stage.look()
    assert stage.warn() == []
