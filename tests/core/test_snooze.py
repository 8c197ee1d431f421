import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from app.core.alert.alert import AlertKind
from app.core.alert.decision import Reason
from app.core.alert.snooze import Button, Target, actor_text, buttons_of, next_level_until, snoozed_until
from tests.core.make import bare_alert

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
ALERT = bare_alert()
TARGET = Target("prod", "awb", "90%", "prod:awb:2026-01-01")
ALL = tuple(Button)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ALL),
        ({"reason": Reason.ESCALATED}, ALL),
        ({"reason": Reason.REPEAT}, ALL),
        ({"reason": Reason.UNACKNOWLEDGED}, ALL),
        ({"reason": Reason.RESOLVED, "level": "75%"}, ALL),
        ({"reason": Reason.RESOLVED, "level": ""}, ()),
        ({"reason": Reason.SUMMARY}, ()),
        ({"reason": Reason.ACKNOWLEDGED, "actor": actor_text("ada", "", None)}, ALL[1:]),
        ({"reason": Reason.ACKNOWLEDGED, "actor": actor_text("", "ada", NOW)}, ALL),
        ({"reason": Reason.ACKNOWLEDGED, "actor": actor_text("ada", "bob", NOW)}, ALL[1:]),
        ({"reason": Reason.ACKNOWLEDGED, "actor": actor_text("", "", None, "ada")}, ALL),
        ({"kind": AlertKind.FORECAST}, ALL),
        ({"kind": AlertKind.SCOPE}, ALL),
        ({"kind": AlertKind.BURST}, ALL),
        ({"kind": AlertKind.NOTICE}, ()),
        ({"kind": AlertKind.DIGEST}, ()),
        ({"kind": AlertKind.TEST}, ()),
        ({"name": ""}, ()),
        ({"group_key": "x" * 1990}, ()),
    ],
)
def test_buttons_stand_under_what_is_not_resolved(change: dict[str, object], expected: tuple[Button, ...]) -> None:
    assert buttons_of(replace(ALERT, **change)) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["awb", "scope-1f2e", "<&>", "a\nb", "\ud800", "é", "\\u0026"])
def test_a_target_survives_its_way_through_slack(name: str) -> None:
    target = replace(TARGET, alert=name)
    assert Target.from_value(target.as_value()) == target


@pytest.mark.parametrize(
    "value",
    [
        "",
        "null",
        "[]",
        "{}",
        "x",
        "[" * 2000,
        TARGET.as_value()[:-1],
        json.dumps({"deployment": "prod", "alert": "awb", "level": "90%"}),
        json.dumps({"deployment": "prod", "alert": "awb", "level": "90%", "group_key": 1}),
    ],
)
def test_what_is_no_target_is_refused(value: str) -> None:
    with pytest.raises(ValueError):
        Target.from_value(value)


def test_snoozes_end_when_their_label_says() -> None:
    spans = [snoozed_until(button, NOW) for button in Button]
    assert spans == [None, NOW + timedelta(days=1), NOW + timedelta(days=7), None]


@pytest.mark.parametrize(
    ("period_end", "expected"),
    [
        (date(2027, 1, 1), datetime(2027, 1, 1, tzinfo=UTC)),
        (date(2026, 5, 5), datetime(2026, 5, 5, tzinfo=UTC)),
        (None, NOW + timedelta(days=366)),
        (date(2040, 1, 1), NOW + timedelta(days=366)),
        (date(2026, 5, 4), datetime(2026, 5, 4, tzinfo=UTC)),
    ],
)
def test_until_the_next_level_ends_with_the_period(period_end: date | None, expected: datetime) -> None:
    assert next_level_until(NOW, period_end) == expected


def test_who_did_what_is_said_with_the_end() -> None:
    ends = datetime(2026, 5, 11, 9, 5, tzinfo=UTC)
    assert actor_text("ada", "bob", ends) == "Acknowledged by ada · Snoozed until 11 May 2026, 09:05 UTC by bob"
    assert actor_text("", "", None, "bob") == "Snooze ended by bob"
    assert actor_text("", "", None) == ""
