"""The clock, and the past that a demonstration plays."""

from datetime import UTC, datetime, timedelta

import pytest

from app import clock

LONG_AGO = datetime(2020, 2, 3, tzinfo=UTC)


def test_the_clock_shows_another_moment_for_a_while_and_then_the_present_again() -> None:
    with clock.reading(lambda: LONG_AGO):
        assert clock.now() == LONG_AGO
        with clock.reading(lambda: LONG_AGO + timedelta(days=1)):
            assert clock.now() == LONG_AGO + timedelta(days=1)
        assert clock.now() == LONG_AGO
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)


def test_the_present_is_back_after_an_error_too() -> None:
    with pytest.raises(ZeroDivisionError), clock.reading(lambda: LONG_AGO):
        raise ZeroDivisionError
    assert clock.now() != LONG_AGO
