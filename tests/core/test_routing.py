from typing import Any

import pytest
from pydantic import ValidationError

from app.core.alert.quiet import QuietSpan
from app.core.alert.routing import Route, addressed, escalations, quiet_spans

RECEIVERS = ["slack", "slack:C1", "email:ops@example.com", "email:boss@example.com", "webhook"]
LABELS = {
    "alert": "awb",
    "kind": "threshold",
    "meter": "awb",
    "level": "90%",
    "scope": "",
    "severity": "warning",
    "reason": "first",
}


def told(*routes: dict[str, Any], **labels: str) -> list[str]:
    return addressed([Route(**route) for route in routes], {**LABELS, **labels}, RECEIVERS)


def test_without_routes_everybody_gets_everything() -> None:
    assert told() == RECEIVERS


@pytest.mark.parametrize(
    ("route", "labels", "taken"),
    [
        ({"levels": ["90%"]}, {}, True),
        ({"levels": ["90 %"]}, {}, True),
        ({"levels": [">=100%"]}, {}, False),
        ({"levels": [">=100%"]}, {"level": "100%"}, True),
        ({"levels": [">= 100"]}, {"level": "2560%"}, True),
        ({"levels": [">=80%"]}, {"level": "900 builds"}, False),
        ({"levels": ["900 builds", "soft limit"]}, {"level": "soft limit"}, True),
        ({"levels": ["90%"]}, {"kind": "notice", "level": ""}, False),
        ({"levels": "90%"}, {}, True),
        ({"meters": ["agent*"]}, {}, False),
        ({"meters": ["agent*"]}, {"meter": "agent_runtime_hours"}, True),
        ({"kinds": ["forecast", "digest"]}, {"kind": "digest"}, True),
        ({"kinds": ["forecast", "digest"]}, {}, False),
        ({"scopes": ["user:*"]}, {"scope": "user:ada"}, True),
        ({"scopes": ["user:*"]}, {}, False),
        ({"severities": ["critical"]}, {}, False),
        ({"reasons": ["first", "escalated"]}, {}, True),
        ({"reasons": ["resolved"]}, {}, False),
        ({"meters": ["awb"], "levels": ["90%"], "reasons": ["resolved"]}, {}, False),
    ],
)
def test_a_route_takes_what_all_of_its_fields_take(
    route: dict[str, Any], labels: dict[str, str], *, taken: bool
) -> None:
    assert Route(**route).matches({**LABELS, **labels}) is taken
    # What no route takes goes to everybody.
    assert told({**route, "receivers": ["webhook"]}, **labels) == (["webhook"] if taken else RECEIVERS)


def test_every_route_that_takes_a_message_adds_its_receivers_in_configured_order() -> None:
    assert told({"receivers": ["email:boss*"]}, {"receivers": ["slack"]}, {"levels": ["1%"], "receivers": ["*"]}) == [
        "slack",
        "email:boss@example.com",
    ]


def test_a_route_without_receivers_drops_on_purpose() -> None:
    assert told({"receivers": []}) == []
    assert told({"receivers": []}, {"receivers": ["webhook"]}) == ["webhook"]


def test_only_routes_that_name_somebody_escalate_and_keep_their_name() -> None:
    routes = [
        Route(escalate_after_hours=2),
        Route(escalate_after_hours=2, escalate_to=["email:boss*"]),
        Route(name="night", escalate_after_hours=1, escalate_to=["slack"], levels=["100%"]),
        Route(name="all", escalate_after_hours=1, escalate_to=["slack"]),
    ]
    assert [name for name, _ in escalations(routes, LABELS)] == ["route-2", "all"]
    assert [name for name, _ in escalations(routes, {**LABELS, "level": "100%"})] == ["route-2", "night", "all"]


def test_a_routes_own_quiet_hours_take_the_place_of_the_general_ones() -> None:
    general = [QuietSpan.parse("22:00-07:00")]
    routes = [Route(levels=[">=100%"], quiet_hours=[]), Route(quiet_hours=["sun"], receivers=["email:*"]), Route()]
    found = quiet_spans(routes, {**LABELS, "level": "100%"}, "email:ops@example.com", general)
    assert found == [(), (QuietSpan.parse("sun"),), general]
    assert quiet_spans(routes, LABELS, "slack", general) == [general]
    assert quiet_spans([], LABELS, "slack", general) == [general]


@pytest.mark.parametrize(
    ("route", "said"),
    [
        ({"level": ["90%"]}, "level"),
        ({"levels": [">90%"]}, "is no level"),
        ({"reasons": ["frist"]}, "is no reason; reasons are first"),
        ({"quiet_hours": ["at night"]}, "is no quiet time"),
        ({"escalate_after_hours": -1}, "greater than or equal to 0"),
    ],
)
def test_a_mistake_in_a_route_is_refused_with_the_remedy(route: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Route(**route)
