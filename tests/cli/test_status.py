"""`awb status`: the bar, the sparkline, what is said beside them, and how it looks on which terminal."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import redis

from app.cli.bar import bar
from app.core.count.meter import AWB, Usage
from app.core.limit.limits import Limit
from app.core.limit.period import Period
from app.core.limit.threshold import Threshold
from app.core.text.sparkline import last_days, sparkline
from app.pipeline.operate.silence import create_silence
from app.pipeline.watch.warn import warn
from app.store.alert.outbox import Outbox
from app.store.store import Store
from tests.cli.conftest import Awb, rows_of
from tests.cli.make import DEPLOYMENT, build, put, run
from tests.conftest import RedisServer, make_config

THRESHOLDS = tuple(Threshold.parse(item) for item in ("75%", "90%", "100%", "+10%"))


def usage(used: int, limit: int | None = 1000, soft: int | None = None) -> Usage:
    period = Period(date(2026, 1, 1), None)
    return Usage(DEPLOYMENT, AWB, period, Limit(limit, soft), used, 0, datetime(2026, 5, 4, tzinfo=UTC))


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([], ""),
        ([0, 0], "··"),
        ([1], "█"),
        ([1, 8, 4], "▁█▄"),
        ([1, 1000, 0], "▁█·"),
        (list(range(9)), "·▁▂▃▄▅▆▇█"),
        ([-3, 2], "·█"),
    ],
)
def test_a_sparkline_tells_nothing_from_little_and_the_most_from_all_else(numbers: list[int], expected: str) -> None:
    assert sparkline(numbers) == expected


def test_days_without_usage_are_zero_and_the_last_day_comes_last() -> None:
    days = [(date(2026, 5, 1), 7), (date(2026, 5, 3), 2), (date(2026, 4, 1), 99)]
    assert last_days(days, date(2026, 5, 4), 4) == [7, 0, 2, 0]


@pytest.mark.parametrize(
    ("used", "limit", "cells", "names"),
    [
        (0, 1000, "░" * 29 + "│" + "░" * 5 + "│" + "░" * 3 + "│", "75%      100%"),
        (1, 1000, "█" + "░" * 28 + "│" + "░" * 5 + "│" + "░" * 3 + "│", "75%      100%"),
        (800, 1000, "█" * 29 + "┃" + "█" * 2 + "░" * 3 + "│" + "░" * 3 + "│", "75%      100%"),
        (999, 1000, "█" * 29 + "┃" + "█" * 5 + "┃" + "█" * 3 + "│", "75%      100%"),
        (1000, 1000, "█" * 29 + "┃" + "█" * 5 + "┃" + "█" * 3 + "┃", "75%      100%"),
        (2000, 1000, "█" * 14 + "┃" + "█" * 2 + "┃" + "█┃" + "█" * 20, "75% 100%"),
    ],
)
def test_the_bar_is_full_only_at_the_limit_and_marks_the_thresholds(
    used: int, limit: int, cells: str, names: str
) -> None:
    drawn = bar(usage(used, limit), THRESHOLDS, 40)
    assert drawn is not None
    assert drawn[0].plain == cells
    assert drawn[1].plain.strip() == names


@pytest.mark.parametrize("limit", [None, 0])
def test_without_a_positive_limit_there_is_no_bar(limit: int | None) -> None:
    assert bar(usage(5, limit), THRESHOLDS, 40) is None


@pytest.mark.parametrize("width", [20, 33, 60, 72])
@pytest.mark.parametrize("used", [0, 1, 749, 1001, 5000])
def test_a_name_stands_under_its_mark_and_none_runs_into_another(width: int, used: int) -> None:
    drawn = bar(usage(used, 1000, 400), THRESHOLDS, width)
    assert drawn is not None
    line, names = (text.plain for text in drawn)
    assert len(line) == width
    assert len(names) <= width
    for found in re.finditer(r"soft limit|\d+ %|limit", names):
        assert line[found.end() - 1] in "│┃" or found.start() == 0


@pytest.fixture
def warned(connection: "redis.Redis", redis_server: RedisServer) -> None:
    """Eight of ten builds, the alert that follows, a message that waits, and a silence."""
    now = datetime.now(UTC)
    put(connection, [build(n, now - timedelta(days=n)) for n in range(8)])
    config = make_config(redis_server.url, limit=10, slack_webhook_url="http://127.0.0.1:9/services/T0/B0/x")
    warn(Store(connection, DEPLOYMENT), config, AWB)
    create_silence(Store(connection, DEPLOYMENT), {"level": "75%"}, now + timedelta(days=2), "grace", "the [bold]move")


def test_status_says_what_fires_who_knows_what_is_silenced_and_what_was_sent(awb: Awb, warned: None) -> None:
    shown = "\n".join(rows_of(awb("status", AWB_LIMIT="10")))
    assert "8 of 10 Agent Workspace Builds  80%  (2 left)" in shown
    assert "WARNING: Past 75%" in shown
    assert re.search(r"alert +firing awb at 75% since .*; nobody has acknowledged it", shown)
    assert re.search(r"silenced +level=75% until .*, by grace: the \[bold\]move", shown)
    assert re.search(r"messages +\d+ \w+ \d\d:\d\d  pending to slack: AWB 80%", shown)
    assert re.search(r"last 30 days +·{22}█{8}  8 in total, 1 on the busiest day, 1 today \(UTC\)", shown)
    assert "awb alerts ack awb  acknowledges it" in shown
    awb("alerts", "ack", "awb", AWB_LIMIT="10")
    known = awb("status", AWB_LIMIT="10").stdout
    assert "acknowledged by" in known
    assert "awb alerts ack awb" not in known


def test_a_message_that_failed_leads_to_the_doctor(awb: Awb, warned: None, connection: "redis.Redis") -> None:
    outbox = Outbox(connection, DEPLOYMENT)
    (message, *_) = outbox.history()
    assert "awb doctor" not in awb("status", AWB_LIMIT="10").stdout
    outbox.mark_failed(message["id"], "Slack answered 404: " + "x" * 500)
    shown = awb("status", AWB_LIMIT="10").stdout
    assert "awb messages and awb doctor  show why messages fail" in shown
    assert "failed to slack" in shown
    assert max(map(len, shown.splitlines())) < 250


def test_status_as_json_holds_all_of_it(awb: Awb, warned: None) -> None:
    told = json.loads(awb("status", "--json", AWB_LIMIT="10").stdout)
    assert told["alerts"][0]["name"] == "awb"
    assert (told["alerts"][0]["state"], told["alerts"][0]["level"]) == ("firing", "75%")
    assert told["silences"][0]["matchers"] == {"level": "75%"}
    assert told["notifications"][0]["receiver"] == "slack"
    assert (len(told["last_30_days"]), sum(told["last_30_days"])) == (30, 8)
    assert told["forecast"]["words"]
    assert told["coder"] is None
    assert told["as_of"].endswith("Z")


def test_times_are_shown_in_the_configured_zone(awb: Awb, warned: None) -> None:
    shown = awb("status", AWB_LIMIT="10", AWB_TIME_ZONE="Asia/Kolkata").stdout
    assert re.search(r"as of +\d+ \w+ \d\d:\d\d IST, deployment default", shown)


def plain(text: str) -> list[str]:
    return re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_on_a_terminal_no_line_is_wider_than_it(redis_server: RedisServer, warned: None, width: int) -> None:
    code, told, wrong = run(redis_server.url, "status", AWB_LIMIT="10", FORCE_COLOR="1", COLUMNS=str(width))
    assert (code, wrong) == (0, "")
    assert "\x1b[33m" in told
    assert [line for line in plain(told) if len(line) > width] == []


@pytest.mark.parametrize("more", [{}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}], ids=["pipe", "NO_COLOR"])
def test_without_a_terminal_or_where_nobody_wants_them_there_are_no_colours(
    redis_server: RedisServer, warned: None, more: dict[str, str]
) -> None:
    code, told, _ = run(redis_server.url, "status", AWB_LIMIT="10", **more)
    assert code == 0
    assert re.findall(r"\x1b\[[0-9;]*3[0-9]", told) == []


def test_a_terminal_without_such_characters_gets_others(redis_server: RedisServer, warned: None) -> None:
    code, told, wrong = run(redis_server.url, "status", PYTHONIOENCODING="ascii", AWB_LIMIT="10")
    assert (code, wrong) == (0, "")
    assert "8 of 10" in told


def test_status_imports_nothing_that_is_slow_and_not_needed(redis_server: RedisServer, connection: Any) -> None:
    code, _, imports = run(redis_server.url, "status", PYTHONPROFILEIMPORTTIME="1")
    assert code == 0
    modules: Sequence[str] = [line.rpartition("|")[2].strip() for line in imports.splitlines()]
    slow = {"flask", "waitress", "apprise", "structlog", "workers.supervisor", "app.coder.api", "app.web.factory"}
    assert "app.cli.bar" in modules
    assert slow.intersection(modules) == set()


def test_status_of_all_deployments_shows_the_worst_first(awb: Awb, warned: None) -> None:
    tables = {"AWB_DEPLOYMENT_SETTINGS": '{"team-a": {"limit": 9}}', "AWB_LIMIT": "10"}
    shown = awb("status", "--all", COLUMNS="200", **tables).stdout.splitlines()
    first, second = shown[1:3]
    assert ("prod" in first or "default" in first, second.startswith("team-a")) == (True, True)
    found = json.loads(awb("status", "--all", "--json", **tables).stdout)["deployments"]
    assert [one["limit"] for one in found] == [10, 9]
    assert awb("status", "--all", "--deployment", "team-a", **tables).exit_code == 2
