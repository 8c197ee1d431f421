"""Forecasts, sub-limits, bursts and digests: each is told once, and taken back when it is over."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
import time_machine

from app.config.load import Config
from app.core.alert.decision import Reason
from app.core.alert.foresight import HOLD
from app.core.count.evidence import Evidence
from app.core.count.meter import AWB, RecordState, UsageRecord
from app.pipeline.watch import bursts, digests, scopes
from app.pipeline.watch.forecasts import check_forecast
from app.pipeline.watch.sweep import sweep
from app.store import keys
from app.store.alert.alerts import Alerts
from app.store.alert.outbox import Outbox
from app.store.coder.state import CoderState
from app.store.count.ledger import Ledger, RecordUpdate
from app.store.store import Store
from tests.conftest import RedisServer
from tests.pipeline.streams import DEPLOYMENT, config_for

SLACK = {"slack_webhook_url": "http://127.0.0.1:1/x"}
DAY = timedelta(days=1)


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    # 23 March 2026 is a Monday.
    with time_machine.travel(datetime(2026, 3, 23, 12, tzinfo=UTC), tick=False) as traveller:
        yield traveller


def settings(redis_server: RedisServer, **more: Any) -> Config:
    return config_for(
        redis_server.url, **{**SLACK, "period": "yearly", "limit": 1000, "forecast_alerts": "true", **more}
    )


def builds(connection: "redis.Redis", number: int, at: datetime, owner: str = "ada", template: str = "claude") -> None:
    """Count proved builds of one workspace."""
    workspace = f"{owner}-{at.timestamp():.0f}"
    records = [
        UsageRecord(
            f"build:{workspace}-{n}", AWB, RecordState.PROVED, at.timestamp() + n / 1000, workspace, "w", owner,
            template, "acme", "proved-build", "It counted.", (), f"{workspace}-{n}",
        )
        for n in range(number)
    ]  # fmt: skip
    ledger = Ledger(connection, DEPLOYMENT, AWB)
    ledger.update_records([RecordUpdate(workspace, 0, Evidence(), (), records, number)])


def told(connection: "redis.Redis") -> list[tuple[str, str, str]]:
    """Return (kind of alert, reason, headline), oldest first."""
    rows = Outbox(connection, DEPLOYMENT).history(limit=500)
    rows.sort(key=lambda row: (row["decided_at"], int(row["id"].split("-")[-2]), row["alert"]))
    return [(row["alert"].partition("-")[0], row["reason"], row["headline"]) for row in rows]


def every_day(connection: "redis.Redis", days: int, number: int) -> None:
    for back in range(1, days + 1):
        builds(connection, number, datetime(2026, 3, 23, 10, tzinfo=UTC) - back * DAY)


def test_a_limit_in_sight_is_reported_once_and_resolved_when_it_is_out_of_sight_for_days(
    connection: "redis.Redis", redis_server: RedisServer, clock: time_machine.Traveller
) -> None:
    every_day(connection, 60, 8)
    config, raised = settings(redis_server), settings(redis_server, limit=10_000)
    assert check_forecast(Store(connection, DEPLOYMENT), config, AWB) is Reason.FIRST
    assert check_forecast(Store(connection, DEPLOYMENT), config, AWB) is Reason.NONE
    [(kind, reason, headline)] = told(connection)
    assert (kind, reason) == ("forecast", "first")
    assert "limit expected to be reached on " in headline
    # An edited limit is nobody's jitter.
    assert check_forecast(Store(connection, DEPLOYMENT), raised, AWB) is Reason.RESOLVED
    assert "no longer expected to be reached" in told(connection)[-1][2]


def test_a_projection_that_moves_to_and_fro_says_nothing(
    connection: "redis.Redis", redis_server: RedisServer, clock: time_machine.Traveller
) -> None:
    every_day(connection, 60, 8)
    config = settings(redis_server)
    check_forecast(Store(connection, DEPLOYMENT), config, AWB)
    clock.shift(200 * DAY)  # nothing was used since
    assert check_forecast(Store(connection, DEPLOYMENT), config, AWB) is Reason.NONE
    clock.shift(HOLD - timedelta(seconds=1))
    assert check_forecast(Store(connection, DEPLOYMENT), config, AWB) is Reason.NONE
    clock.shift(timedelta(seconds=1))
    assert check_forecast(Store(connection, DEPLOYMENT), config, AWB) is Reason.RESOLVED


@pytest.mark.parametrize(
    ("days", "number", "more"),
    [
        (1, 3, {}),  # three builds on the first day
        (60, 1, {}),  # far from the limit
        (60, 8, {"limit": "unlimited"}),
        (60, 8, {"limit": 400}),  # reached: the threshold says so
        (60, 8, {"forecast_alerts": "false"}),
    ],
)
def test_without_a_breach_ahead_nothing_is_forecast(
    connection: "redis.Redis",
    redis_server: RedisServer,
    clock: time_machine.Traveller,
    days: int,
    number: int,
    more: dict[str, Any],
) -> None:
    every_day(connection, days, number)
    config = settings(redis_server, **{"forecast_alerts": "true", **more})
    assert check_forecast(Store(connection, DEPLOYMENT), config, AWB) is Reason.NONE
    assert told(connection) == []


def with_scopes(redis_server: RedisServer, rules: str, **more: Any) -> Config:
    return settings(redis_server, scopes=rules, forecast_alerts="false", **more)


def test_a_runaway_user_is_seen_before_the_pool_is_gone(
    connection: "redis.Redis", redis_server: RedisServer, clock: time_machine.Traveller
) -> None:
    rules = '[{"by": "user", "limit": 10, "thresholds": ["50%", "100%"], "per": "day"}]'
    config = with_scopes(redis_server, rules)
    builds(connection, 10, datetime(2026, 3, 22, 10, tzinfo=UTC))  # yesterday
    builds(connection, 4, datetime(2026, 3, 23, 10, tzinfo=UTC), "bob")
    scopes.watch(Store(connection, DEPLOYMENT), config)
    assert told(connection) == []
    assert list(connection.scan_iter(match="*:alert:scope-*")) == []  # nothing is kept of those below their limit
    builds(connection, 5, datetime(2026, 3, 23, 11, tzinfo=UTC))
    for _ in range(2):
        scopes.watch(Store(connection, DEPLOYMENT), config)
    assert told(connection) == [("scope", "first", "AWB of user ada: 50% – 5 of 10 used")]
    builds(connection, 5, datetime(2026, 3, 23, 11, 30, tzinfo=UTC))
    scopes.watch(Store(connection, DEPLOYMENT), config)
    assert told(connection)[1:] == [("scope", "escalated", "AWB of user ada: 100% – 10 of 10 used")]
    clock.shift(DAY)
    for _ in range(2):
        scopes.watch(Store(connection, DEPLOYMENT), config)
    assert len(told(connection)) == 2  # a new day begins without a word
    assert Alerts(connection, DEPLOYMENT).firing("scope-") == []


@pytest.mark.parametrize(
    ("by", "name", "headline"),
    [
        ("template", "cl*", "AWB of template claude: 120% – 12 of 10 used"),
        ("organization", "acme", "AWB of organization acme: 120% – 12 of 10 used"),
        ("group", "devs", "AWB of group devs: 100% – 10 of 10 used"),
    ],
)
def test_templates_organizations_and_groups_have_limits_of_their_own(
    connection: "redis.Redis",
    redis_server: RedisServer,
    clock: time_machine.Traveller,
    by: str,
    name: str,
    headline: str,
) -> None:
    CoderState(connection, DEPLOYMENT).keep_groups({"devs": ["ada", "bob"], "ops": ["eve"]})
    for owner, number in (("ada", 6), ("bob", 4), ("eve", 2)):
        builds(connection, number, datetime(2026, 3, 20, tzinfo=UTC), owner)
    config = with_scopes(redis_server, f'[{{"by": "{by}", "name": "{name}", "limit": 10, "per": "month"}}]')
    scopes.watch(Store(connection, DEPLOYMENT), config)
    assert [text for _kind, _reason, text in told(connection)] == [headline]


def test_a_name_whose_state_cannot_be_read_keeps_no_other_from_its_warning(
    connection: Any, redis_server: RedisServer, clock: time_machine.Traveller
) -> None:
    config = with_scopes(redis_server, '[{"by": "user", "limit": 10, "per": "day"}]')
    for owner in ("ada", "bob", "cleo"):
        builds(connection, 10, datetime(2026, 3, 23, 10, tzinfo=UTC), owner)
    scopes.watch(Store(connection, DEPLOYMENT), config)
    names = Alerts(connection, DEPLOYMENT).firing("scope-")
    for name in (names[0], names[2]):
        connection.delete(keys.alert(DEPLOYMENT, name))
    connection.hset(keys.alert(DEPLOYMENT, names[0]), "s", "{")
    with pytest.raises(ExceptionGroup):
        scopes.watch(Store(connection, DEPLOYMENT), config)
    assert Alerts(connection, DEPLOYMENT).state(names[2])[1].level == "100%"


def test_two_thousand_names_are_looked_at_in_a_few_round_trips(
    connection: Any, redis_server: RedisServer, clock: time_machine.Traveller
) -> None:
    at = datetime(2026, 3, 23, 10, tzinfo=UTC).timestamp()
    ledger = Ledger(connection, DEPLOYMENT, AWB)
    records = [_record(f"w{n}", f"user-{n}", at) for n in range(2000)]
    ledger.update_records([RecordUpdate(one.workspace_id, 0, Evidence(), [one]) for one in records])
    config = with_scopes(redis_server, '[{"by": "user", "limit": 100, "per": "day"}]')
    before = connection.info("stats")["total_reads_processed"]
    scopes.watch(Store(connection, DEPLOYMENT), config)
    assert connection.info("stats")["total_reads_processed"] - before < 200
    assert told(connection) == []


def _record(workspace_id: str, owner: str, at: float) -> UsageRecord:
    return UsageRecord(
        f"hint:{workspace_id}:1",
        AWB,
        RecordState.PROVISIONAL,
        at,
        workspace_id,
        "w",
        owner,
        "claude",
        "acme",
        "r",
        "",
        (),
    )


def test_a_burst_is_reported_once_until_it_is_over(
    connection: "redis.Redis", redis_server: RedisServer, clock: time_machine.Traveller
) -> None:
    config = settings(redis_server, burst='{"builds": 20, "hours": 2}')
    builds(connection, 19, datetime(2026, 3, 23, 11, tzinfo=UTC))
    bursts.watch(Store(connection, DEPLOYMENT), config)
    assert told(connection) == []
    builds(connection, 1, datetime(2026, 3, 23, 11, 59, tzinfo=UTC))
    for _ in range(3):
        bursts.watch(Store(connection, DEPLOYMENT), config)
    expected = ("burst", "first", "AWB: 20 builds of ada within the last 2 hours")
    assert told(connection) == [expected]
    clock.shift(timedelta(hours=3))
    bursts.watch(Store(connection, DEPLOYMENT), config)
    assert Alerts(connection, DEPLOYMENT).firing("burst-") == []
    builds(connection, 20, datetime(2026, 3, 23, 14, 59, tzinfo=UTC))
    bursts.watch(Store(connection, DEPLOYMENT), config)
    assert told(connection) == [expected] * 2


def test_a_digest_is_sent_once_even_late_and_by_several(
    connection: "redis.Redis", redis_server: RedisServer, clock: time_machine.Traveller
) -> None:
    config = settings(redis_server, digest="weekly,monthly", forecast_alerts="false")
    every_day(connection, 30, 2)
    with time_machine.travel(datetime(2026, 2, 20, 12, tzinfo=UTC), tick=False):
        digests.watch(Store(connection, DEPLOYMENT), config)  # newly installed: there is no last week
    assert told(connection) == []
    for _ in range(3):
        digests.watch(Store(connection, DEPLOYMENT), config)
    assert told(connection) == [
        ("digest", "digest", "AWB monthly report, February 2026: 16 used"),
        ("digest", "digest", "AWB weekly report, 16 March to 22 March 2026: 14 used"),
    ]
    clock.shift(20 * DAY)  # nothing ran for three Mondays and a first of the month
    digests.watch(Store(connection, DEPLOYMENT), config)
    assert [text for _kind, _reason, text in told(connection)[2:]] == [
        "AWB monthly report, March 2026: 44 used",
        "AWB weekly report, 30 March to 5 April 2026: 0 used",
    ]


def test_a_deployment_that_never_used_anything_gets_no_digest(
    connection: "redis.Redis", redis_server: RedisServer, clock: time_machine.Traveller
) -> None:
    config = settings(redis_server, digest="weekly")
    for _ in range(3):
        digests.watch(Store(connection, DEPLOYMENT), config)
        clock.shift(7 * DAY)
    assert told(connection) == []


def test_a_digest_compares_with_the_week_before_and_says_what_happened(
    connection: "redis.Redis", redis_server: RedisServer, clock: time_machine.Traveller
) -> None:
    config = settings(redis_server, digest="weekly", forecast_alerts="false")
    with time_machine.travel(datetime(2026, 3, 5, tzinfo=UTC), tick=False):
        digests.watch(Store(connection, DEPLOYMENT), config)
    builds(connection, 5, datetime(2026, 3, 12, tzinfo=UTC), "bob")
    builds(connection, 7, datetime(2026, 3, 18, tzinfo=UTC))
    digests.watch(Store(connection, DEPLOYMENT), config)
    [alert] = [Alerts(connection, DEPLOYMENT).last("digest-weekly")]
    assert alert is not None
    facts = dict(alert.facts)
    assert facts["This week"] == "7 (2 more than the week before)"
    assert facts["This period"] == "12 of 1,000 (1.2%), 988 left"
    assert facts["Top users"] == "ada 7"
    assert alert.meaning == "Nothing else changed this week."


def test_the_sweep_announces_a_waiting_threshold_once_the_projection_says_so(
    connection: "redis.Redis", redis_server: RedisServer, clock: time_machine.Traveller
) -> None:
    config = settings(redis_server, forecast_alerts="false", thresholds="80% if projected", limit=1000)
    # 850 in the first two weeks of January, and then next to nothing.
    for n in range(14):
        builds(connection, 61, datetime(2026, 1, 2, 9, tzinfo=UTC) + n * DAY)
    for n in range(40):
        builds(connection, 1, datetime(2026, 2, 10, 9, tzinfo=UTC) + n * DAY, owner="grace")
    clock.move_to(datetime(2026, 12, 1, 12, tzinfo=UTC))
    for n in range(20):
        builds(connection, 1, datetime(2026, 11, 10, 9, tzinfo=UTC) + n * DAY, owner="grace")
    sweep(connection, config)
    assert told(connection) == []
    for n in range(10):
        builds(connection, 8, datetime(2026, 12, 1, 15, tzinfo=UTC) + n * DAY, owner="alan")
    clock.move_to(datetime(2026, 12, 11, 12, tzinfo=UTC))
    # Nothing was delivered: time and the counted days alone decide.
    sweep(connection, config)
    assert [(kind, reason) for kind, reason, _ in told(connection)] == [("awb", "first")]
    sweep(connection, config)
    assert len(told(connection)) == 1
