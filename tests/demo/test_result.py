"""A demonstration fails where the meter's answer is not the truth."""

from typing import Any

import pytest

from app.core.limit.limits import Limit
from app.core.limit.threshold import Level, Threshold, highest_level
from app.demo import result


@pytest.mark.parametrize(
    ("truth", "counted", "used", "differences"),
    [
        ({"a", "b"}, {"a", "b"}, 2, 0),
        ({"a", "b"}, {"a"}, 1, 2),
        ({"a", "b"}, {"a", "c"}, 2, 1),
        ({"a", "b"}, {"a", "b"}, 3, 1),
    ],
)
def test_each_build_must_be_counted_and_none_else(
    truth: set[str], counted: set[str], used: int, differences: int
) -> None:
    assert len(result.counting_differences(truth, counted, used)) == differences


def reached() -> Level | None:
    return highest_level(80, Limit(100), [Threshold.parse("75%")])


def test_the_level_that_is_reached_must_have_been_announced() -> None:
    level = reached()
    assert level is not None
    said = [{"alert": "awb", "level": level.name}]
    assert result.warning_differences(level, said) == []
    assert result.warning_differences(level, []) != []
    assert result.warning_differences(level, [{"alert": "user:ada", "level": level.name}]) != []
    assert result.warning_differences(None, []) == []


def message(receiver: str, state: str = "sent") -> dict[str, Any]:
    return {"id": receiver, "receiver": receiver, "state": state}


def test_each_message_must_have_arrived_once() -> None:
    sent = [message("slack:default"), message("email:ops@example.com")]
    assert result.sending_differences(sent, slack=1, mails=1) == []
    assert result.sending_differences(sent, slack=2, mails=1) != []
    assert result.sending_differences(sent, slack=1, mails=0) != []
    assert result.sending_differences([sent[0], message("email:x", "failed")], slack=1, mails=1) != []
