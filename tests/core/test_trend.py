"""This week against last week."""

from datetime import date, timedelta

import pytest

from app.core.limit.trend import trend

TODAY = date(2026, 3, 5)


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def test_seven_whole_days_are_compared_with_the_seven_before_and_today_is_left_out() -> None:
    days = [(ago(0), 1000), (ago(1), 1), (ago(7), 2), (ago(8), 4), (ago(14), 8), (ago(15), 1000)]
    found = trend(days, TODAY)
    assert (found.last, found.before, found.change) == (3, 12, -75)


@pytest.mark.parametrize(
    ("last", "before", "words"),
    [
        (15, 10, "+50% on the week before"),
        (5, 10, "−50% on the week before"),
        (10, 10, "as in the week before"),
        (3, 0, "none in the week before"),
        (0, 0, "none in either week"),
        (0, 4, "−100% on the week before"),
    ],
)
def test_the_comparison_in_words(last: int, before: int, words: str) -> None:
    assert trend([(ago(3), last), (ago(10), before)], TODAY).words() == words
