import json
from datetime import timedelta
from typing import Any

import pytest

from app.core.alert.silence import FIELDS, Silence, parse_matchers, silencing
from tests.core.make import NOON, alert

HOUR = timedelta(hours=1)
LABELS = {"alert": "awb", "kind": "threshold", "meter": "awb", "level": "90%", "scope": "", "receiver": "slack:C1"}


def silence(matchers: dict[str, str], **more: Any) -> Silence:
    return Silence(
        **{"id": "s1", "author": "ada", "comment": "", "starts_at": NOON, "ends_at": NOON + HOUR} | more,
        matchers=matchers,
    )


@pytest.mark.parametrize(
    ("matchers", "expected"),
    [
        ({"level": "90%"}, True),
        ({"level": "100%"}, False),
        ({"level": "*%", "meter": "awb"}, True),
        ({"level": "*%", "meter": "agent*"}, False),
        ({"receiver": "slack*"}, True),
        ({"receiver": "email:*"}, False),
        ({"scope": ""}, True),
        ({"scope": "user:*"}, False),
        ({"severity": "warning"}, False),  # a label that is not there is empty
        ({"severity": "*"}, True),
        ({"level": "90[%]"}, True),
    ],
)
def test_every_matcher_must_match(matchers: dict[str, str], *, expected: bool) -> None:
    assert silence(matchers).matches(LABELS) is expected


@pytest.mark.parametrize(("after", "active"), [(-1, False), (0, True), (3599, True), (3600, False)])
def test_a_silence_holds_from_its_start_up_to_its_end(after: int, *, active: bool) -> None:
    now = NOON + timedelta(seconds=after)
    assert silence({"level": "*"}).active(now) is active
    assert (silencing([silence({"level": "*"})], LABELS, now) is not None) is active


def test_of_several_silences_the_one_that_ends_last_is_named() -> None:
    short, long = silence({"level": "*"}), silence({"meter": "*"}, id="s2", ends_at=NOON + 2 * HOUR)
    assert silencing([long, short], LABELS, NOON) == long
    assert silencing([silence({"level": "1"}), short], LABELS, NOON) == short


def test_matchers_are_read_from_what_people_type() -> None:
    assert parse_matchers(["level=90%", " scope = user:ada=b "]) == {"level": "90%", "scope": "user:ada=b"}


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ([], "at least one matcher"),
        (["level"], "is no matcher: write FIELD=GLOB"),
        (["level="], "is no matcher"),
        (["levle=90%"], "did you mean “level”"),
        (["level=1", "level=2"], "given twice"),
        (["level=" + "x" * 501], "is no matcher"),
    ],
)
def test_what_is_no_matcher_is_refused_with_the_remedy(texts: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_matchers(texts)


def test_a_silence_survives_the_store() -> None:
    one = silence({"level": "90%"}, comment="month end", ended_by="grace")
    assert Silence.from_json(json.dumps(one.as_json())) == one


def test_matchers_look_at_the_labels_of_alerts() -> None:
    assert set(alert().labels("slack")) == set(FIELDS)
