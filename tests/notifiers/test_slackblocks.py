import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.alert.decision import Reason
from app.core.alert.snooze import Button, Target
from app.notifiers.slack.blocks import render, render_actor
from tests.notifiers.samples import BIDI_AND_CONTROLS, alert, with_text_everywhere
from tests.notifiers.test_slack import assert_harmless

ACKNOWLEDGED = replace(alert(), reason=Reason.ACKNOWLEDGED, actor="Acknowledged by ada")


def elements(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for block in message["blocks"] if block["type"] == "actions" for one in block["elements"]]


def pressable(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [element for element in elements(message) if "url" not in element]


def test_buttons_come_before_links_and_only_when_asked_for() -> None:
    shown = [element["action_id"] for element in elements(render(alert(), buttons=True))]
    assert shown == ["acknowledge", "snooze_1d", "snooze_7d", "snooze_level", "open_0", "open_1"]
    assert pressable(render(alert())) == []


def test_every_button_says_what_it_is_about() -> None:
    values = {element["value"] for element in pressable(render(alert(), buttons=True))}
    assert [Target.from_value(value) for value in values] == [Target("prod", "awb", "90%", "prod:awb:2026-01-01")]


def test_buttons_are_apart_from_each_other() -> None:
    found = pressable(render(alert(), buttons=True))
    assert len({element["action_id"] for element in found}) == len({element["text"]["text"] for element in found}) == 4
    assert [element.get("style") for element in found] == ["primary", None, None, None]


def test_who_acknowledged_it_is_shown_and_the_button_gone() -> None:
    message = render(ACKNOWLEDGED, buttons=True)
    assert "👀 Acknowledged by ada" in json.dumps(message, ensure_ascii=False)
    assert Button.ACKNOWLEDGE not in [element["action_id"] for element in pressable(message)]


@pytest.mark.parametrize("text", ["<!channel>", "<@U123>", "*bold*", BIDI_AND_CONTROLS, "x" * 5000, "\ud800"])
def test_the_name_of_who_did_it_is_harmless(text: str) -> None:
    shown = replace(ACKNOWLEDGED, actor=text)
    for message in (render(shown, buttons=True), render_actor(shown)):
        assert_harmless(message)
        assert 0 < len(message["text"]) <= 3000


@given(st.text(st.characters(), max_size=400))
def test_no_text_breaks_the_value_of_a_button(text: str) -> None:
    shown = replace(with_text_everywhere(text), name=text or "awb", level=text or "90%")
    for element in pressable(render(shown, buttons=True)):
        assert len(element["value"]) <= 2000
        assert element["value"].isascii()
        assert not set("<>&\n") & set(element["value"])
        assert Target.from_value(element["value"]) == Target.of(shown)


def test_a_value_that_would_be_too_long_costs_the_buttons_and_not_the_message() -> None:
    message = render(replace(alert(), group_key="x" * 2000), buttons=True)
    assert pressable(message) == []
    assert message["text"]
