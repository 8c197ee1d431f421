"""Usage with Coder's API: the number, the limit and the period as an admin reads them on Coder's own page."""

from datetime import UTC, date, datetime, timedelta

import pytest
import redis

from app import clock
from app.config.load import Config
from app.core.coder.shapes import Entitlements, Feature
from app.core.count.meter import Mode
from app.core.limit.limits import Limit
from app.core.limit.period import Period
from app.pipeline.usage import active_meters, current_usage
from app.simulator.licence import Licence
from app.simulator.world import World
from app.store.coder.state import CoderState
from app.store.store import Store
from tests.conftest import make_config
from tests.exact.stage import Stage, build_at, day, licence, on_stage, tasks, truth

LIFETIME = Period(date(2025, 7, 1), None)
MICROSECOND = timedelta(microseconds=1)


def refresh(stage: Stage) -> None:
    """Let Coder compute its number anew, and look."""
    stage.world.pass_time(10)
    stage.look()


def test_before_the_first_pass_is_complete_the_number_is_an_estimate(stage: Stage) -> None:
    tasks(stage.world, 3)
    stage.tell()
    assert (stage.usage().mode, stage.usage().used) == (Mode.WEBHOOK_ONLY, 3)
    stage.listings()
    assert stage.usage().mode is Mode.WEBHOOK_ONLY
    stage.verify()
    assert (stage.usage().mode, stage.usage().used, stage.usage().provisional) == (Mode.VERIFIED, 3, 0)


def test_a_meter_that_no_api_proves_stays_an_estimate_after_a_pass(stage: Stage) -> None:
    refresh(stage)
    store = Store(stage.connection, stage.usage().deployment)
    assert stage.usage().mode is Mode.VERIFIED
    assert current_usage(store, stage.config, "prints", top=False).mode is Mode.WEBHOOK_ONLY


def test_community_goes_by_its_own_count_and_the_configured_limit(stage: Stage) -> None:
    tasks(stage.world, 4)
    refresh(stage)
    usage = stage.usage()
    assert (usage.used, usage.limit, usage.period) == (4, Limit(1000), LIFETIME)
    assert (usage.coder_actual, usage.drift) == (None, None)


def test_premium_without_a_claim_counts_for_good(stage: Stage) -> None:
    stage.world.licence = Licence()
    tasks(stage.world, 4)
    refresh(stage)
    usage = stage.usage()
    assert (usage.used, usage.limit, usage.period) == (4, Limit(1000), LIFETIME)
    assert (usage.coder_actual, usage.drift) == (4, 0)


def test_used_is_coders_number_and_what_was_proved_since(stage: Stage) -> None:
    stage.world.licence = licence(100)
    tasks(stage.world, 3)
    refresh(stage)
    heard = 3
    for n in range(1, 5):
        tasks(stage.world, 1)
        stage.tell()
        stage.verify()
        usage = stage.usage()
        assert (usage.coder_actual, usage.since_refresh, usage.used) == (heard, n, heard + n)
        assert usage.drift == 0
        assert usage.percent == float(heard + n)
    # Coder counted them meanwhile; nobody asked it yet.
    stage.world.pass_time(10)
    assert (stage.usage().coder_actual, stage.usage().used) == (3, 7)
    stage.look()
    assert (stage.usage().coder_actual, stage.usage().since_refresh, stage.usage().used) == (7, 0, 7)


def test_a_build_that_ended_when_coder_refreshed_is_in_its_number_alone(stage: Stage) -> None:
    stage.world.licence = licence(100)
    refreshed = stage.world.now + timedelta(minutes=10)
    build_at(stage.world, refreshed - MICROSECOND)
    build_at(stage.world, refreshed)
    stage.look()
    assert (stage.usage().coder_actual, stage.usage().since_refresh) == (2, 0)
    build_at(stage.world, refreshed + MICROSECOND)
    stage.look()
    usage = stage.usage()
    assert (usage.coder_actual, usage.since_refresh, usage.used, usage.drift) == (2, 1, 3, 0)


def test_builds_that_coder_counts_and_nobody_sees_are_in_used_and_in_drift(stage: Stage) -> None:
    stage.world.licence = licence(100)
    stage.world.version = (2, 29, 1)
    ada, template = stage.world.user("ada"), stage.world.templates[0]
    tasks(stage.world, 2)
    for _ in range(3):
        stage.world.create_workspace(ada, template, why="for people")
    refresh(stage)
    usage = stage.usage()
    assert (usage.coder_actual, usage.used) == (5, 5)
    # This version counts them and flags them like tasks; they name none, so they are no usage and a drift.
    assert (usage.counted, usage.drift) == (2, -3)


def test_a_count_that_coder_began_late_is_a_drift_that_stays(stage: Stage) -> None:
    stage.world.licence = licence(100)
    stage.world.usage_since = day(1)
    tasks(stage.world, 5)
    for n in range(1, 6):
        stage.world.advance_to(day(n, 9))
        tasks(stage.world, 2)
        stage.tell()
        refresh(stage)
        usage = stage.usage()
        assert (usage.used, usage.counted, usage.drift) == (2 * n, 5 + 2 * n, 5)
        assert stage.notices() == []


def test_tasks_deleted_before_the_meter_first_looked_are_in_coders_number(stage: Stage) -> None:
    stage.see_as(stage.world.user("ada"))
    stage.world.licence = licence(100)
    for workspace in tasks(stage.world, 3):
        stage.world.delete(workspace)
    stage.forget()
    refresh(stage)
    assert (stage.usage().used, stage.usage().counted, stage.usage().drift) == (3, 0, -3)


@pytest.mark.parametrize(
    ("first", "last"),
    [(day(8), day(10, 23.999)), (day(8, 15.5), day(10, 23.999)), (day(8, 23.999), day(10, 23.999))],
    ids=["from midnight", "from noon", "from the evening"],
)
def test_the_first_and_the_last_day_belong_to_the_period_as_a_whole(
    stage: Stage, first: datetime, last: datetime
) -> None:
    stage.world.licence = licence(100, first, last)
    inside = [day(8), day(8, 12), day(9), day(11) - timedelta(seconds=1)]
    build_at(stage.world, day(8) - MICROSECOND)
    for n, at in enumerate(inside, 1):
        build_at(stage.world, at)
        if at < last:
            stage.look()
            assert (stage.usage().used, stage.usage().counted) == (n, n)
            assert stage.usage().period == Period(date(2026, 3, 10), date(2026, 3, 13))
    assert len(stage.world.counted(stage.world.licence)) == len(inside)
    stage.tell()
    stage.verify()
    assert (stage.usage().used, stage.usage().drift) == (len(inside), 0)


def test_until_coder_tells_of_another_period_the_last_one_goes_on(stage: Stage) -> None:
    """Coder's answer of the evening is all there is until somebody asks again after midnight."""
    tasks(stage.world, 9)
    stage.world.licence = licence(10, day(8), day(10, 23.999))
    build_at(stage.world, day(9))
    build_at(stage.world, day(9, 1))
    stage.world.advance_to(day(10, 23.9))
    stage.look()
    assert (stage.warn(), stage.usage().used) == ([], 2)
    build_at(stage.world, day(11))
    stage.tell()
    stage.verify()
    assert (stage.usage().used, stage.usage().counted, stage.usage().drift) == (3, 3, 0)
    assert (stage.usage().limit, stage.usage().period) == (Limit(10), Period(date(2026, 3, 10), None))
    assert stage.warn() == []
    stage.world.licence = licence(10, day(11))
    stage.look()
    assert (stage.usage().used, stage.usage().counted) == (1, 1)
    assert stage.warn() == [("summary", "")]


def test_a_renewed_licence_begins_anew_and_takes_the_alert_back(stage: Stage) -> None:
    stage.world.licence = licence(10, day(0), day(20))
    tasks(stage.world, 9)
    refresh(stage)
    assert stage.warn() == [("first", "90%")]
    stage.world.advance_to(day(20))
    stage.world.licence = licence(10, day(20))
    stage.look()
    assert (stage.usage().used, stage.usage().percent) == (0, 0.0)
    assert stage.warn() == [("summary", "")]
    tasks(stage.world, 8)
    refresh(stage)
    assert stage.warn() == [("first", "75%")]
    assert (stage.usage().used, stage.usage().drift) == (8, 0)


def test_a_licence_replaced_within_its_period_counts_from_its_own_first_day(stage: Stage) -> None:
    stage.world.licence = licence(10, day(0))
    tasks(stage.world, 10)
    refresh(stage)
    assert stage.warn() == [("first", "100%")]
    stage.world.advance_to(day(5, 14))
    tasks(stage.world, 1)
    refresh(stage)
    assert stage.warn() == [("escalated", "110%")]
    stage.world.licence = licence(50, day(5, 14))
    stage.look()
    usage = stage.usage()
    # The builds of its first day before its first minute are its own, too.
    assert (usage.used, usage.counted, usage.drift, usage.limit) == (1, 1, 0, Limit(50))
    assert usage.period == Period(date(2026, 3, 7), date(2027, 3, 8))
    assert stage.warn() == [("summary", "")]


def test_an_expired_licence_leaves_the_configured_limit_and_our_own_count(stage: Stage) -> None:
    stage.world.licence = licence(10, day(0), day(3))
    tasks(stage.world, 9)
    refresh(stage)
    assert stage.warn() == [("first", "90%")]
    stage.world.advance_to(day(3))
    stage.look()
    usage = stage.usage()
    assert (usage.used, usage.limit, usage.coder_actual) == (9, Limit(1000), None)
    assert usage.period == LIFETIME
    assert stage.warn() == [("resolved", "")]


def test_a_licence_that_is_taken_away_leaves_the_configured_limit(stage: Stage) -> None:
    stage.world.licence = licence(10)
    tasks(stage.world, 2)
    refresh(stage)
    stage.world.licence = None
    stage.look()
    assert (stage.usage().used, stage.usage().limit, stage.usage().coder_actual) == (2, Limit(1000), None)


@pytest.mark.parametrize(
    "without", [licence(0), licence(5, enabled=False), licence(5, entitled=False)], ids=["zero", "off", "not entitled"]
)
def test_where_nothing_is_included_the_first_build_is_over(stage: Stage, without: Licence) -> None:
    stage.world.licence = without
    refresh(stage)
    assert (stage.usage().limit, stage.usage().percent) == (Limit(0), None)
    assert stage.warn() == []
    tasks(stage.world, 1)
    refresh(stage)
    assert (stage.usage().used, stage.usage().percent) == (1, None)
    assert stage.warn() == [("first", "100%")]
    assert stage.warn() == []


def test_where_everything_is_included_nothing_is_ever_reached(stage: Stage) -> None:
    stage.world.licence = licence(-1)
    tasks(stage.world, 30)
    refresh(stage)
    assert (stage.usage().used, stage.usage().limit, stage.usage().percent) == (30, Limit(None), None)
    assert stage.warn() == []


def test_a_limit_that_becomes_unlimited_takes_the_alert_back(stage: Stage) -> None:
    stage.world.licence = licence(10)
    tasks(stage.world, 12)
    refresh(stage)
    assert stage.warn() == [("first", "120%")]
    stage.world.licence = licence(-1)
    stage.look()
    assert stage.warn() == [("resolved", "")]


def test_a_limit_lowered_below_usage_fires_the_highest_level_once_and_raised_resolves(stage: Stage) -> None:
    stage.world.licence = licence(1000)
    tasks(stage.world, 21)
    refresh(stage)
    assert stage.warn() == []
    stage.world.licence = licence(10)
    stage.look()
    assert stage.warn() == [("first", "210%")]
    stage.look()
    assert stage.warn() == []
    stage.world.licence = licence(1000)
    stage.look()
    assert (stage.warn(), stage.warn()) == ([("resolved", "")], [])


def test_a_soft_limit_is_a_level_of_its_own(stage: Stage) -> None:
    stage.world.licence = licence(20, soft_limit=5)
    tasks(stage.world, 5)
    refresh(stage)
    assert stage.usage().limit == Limit(20, 5)
    assert stage.warn() == [("first", "soft limit")]
    stage.world.licence = licence(20, soft_limit=20)
    stage.look()
    assert stage.usage().limit == Limit(20)


def test_usage_equal_to_the_limit_is_reached(stage: Stage) -> None:
    stage.world.licence = licence(7)
    tasks(stage.world, 7)
    refresh(stage)
    assert (stage.usage().percent, stage.warn()) == (100.0, [("first", "100%")])


def test_what_arrived_before_coder_counted_it_does_not_fire_twice(stage: Stage) -> None:
    """Deliveries first, Coder's number later: the level is reached once."""
    stage.world.licence = licence(4)
    refresh(stage)
    tasks(stage.world, 4)
    stage.tell()
    assert stage.warn() == [("first", "100%")]
    stage.verify()
    assert stage.warn() == []
    refresh(stage)
    assert stage.warn() == []


def test_top_users_and_templates_are_those_of_the_period(stage: Stage) -> None:
    stage.world.licence = licence(100)
    world = stage.world
    world.create_task(world.user("ada"), world.templates[0])
    world.create_task(world.user("ada"), world.templates[1])
    world.create_task(world.user("chen"), world.templates[0])
    refresh(stage)
    usage = stage.usage(top=True)
    assert list(usage.by_user) == [("ada", 2), ("chen", 1)]
    assert list(usage.by_template) == [("claude-code-tasks", 2), ("codex-tasks", 1)]


def test_without_an_api_what_coder_once_said_counts_for_nothing(stage: Stage) -> None:
    stage.world.licence = licence(10)
    tasks(stage.world, 2)
    refresh(stage)
    stage.config = make_config(ai_templates="claude-code-tasks")
    usage = stage.usage()
    assert (usage.mode, usage.limit, usage.coder_actual, usage.used) == (Mode.WEBHOOK_ONLY, Limit(1000), None, 2)


def test_a_period_of_the_past_year_is_found_through_months_and_days(connection: "redis.Redis", config: Config) -> None:
    world = World(3, start=datetime(2025, 11, 20, 8, tzinfo=UTC))
    world.licence = Licence(limit=100, period_start=datetime(2025, 11, 25, tzinfo=UTC))
    with on_stage(connection, config, world) as stage:
        for ended in (24, 25, 30, 31, 36, 37, 68, 99):
            build_at(world, datetime(2025, 11, 1, tzinfo=UTC) + timedelta(days=ended - 1))
        refresh(stage)
        assert len(truth(world)) == 8
        assert (stage.usage().used, stage.usage().counted, stage.usage().drift) == (7, 7, 0)


def test_seats_are_a_meter_though_the_licence_tells_no_period_for_them(
    connection: "redis.Redis", config: Config
) -> None:
    seats = Feature(entitlement="entitled", enabled=True, actual=47, limit=50)
    told = Entitlements(features={"ai_governance_user_limit": seats}, has_license=True)
    CoderState(connection, "default").save_licence(told, None, clock.now())
    assert "ai_governance_seats" in active_meters(Store(connection, "default"), config)
    assert current_usage(Store(connection, "default"), config, "ai_governance_seats", top=False).used == 47
