"""Silences and acknowledgements."""

from dataclasses import replace
from datetime import timedelta

import pytest
import redis

from app.core.alert.decision import AlertState
from app.core.alert.silence import Silence
from app.store.alert.silences import Acknowledgement, Silences
from tests.store.make import DEPLOYMENT, NOW

DAY = timedelta(days=1)
SILENCE = Silence("s1", {"level": "90%"}, "ada", "month end", NOW, NOW + DAY)
FIRING = AlertState("90%", NOW.date(), NOW, NOW)


@pytest.fixture
def silences(connection: "redis.Redis") -> Silences:
    return Silences(connection, DEPLOYMENT)


def test_a_silence_is_kept_and_active_until_its_end(silences: Silences) -> None:
    silences.add(SILENCE)
    silences.add(replace(SILENCE, comment="the same request once more"))
    assert silences.all() == [SILENCE]
    assert (silences.active(NOW), silences.active(NOW + DAY)) == ([SILENCE], [])


def test_a_silence_ended_early_says_by_whom_and_stays_ended(silences: Silences) -> None:
    silences.add(SILENCE)
    ended = silences.end("s1", "grace", NOW + timedelta(hours=1))
    assert ended == replace(SILENCE, ends_at=NOW + timedelta(hours=1), ended_by="grace")
    assert silences.end("s1", "mallory", NOW + timedelta(hours=2)) == ended
    assert silences.active(NOW + timedelta(hours=1)) == []
    assert silences.end("s2", "grace", NOW) is None


def test_old_silences_are_forgotten(silences: Silences) -> None:
    silences.add(SILENCE)
    silences.forget(NOW + DAY)
    assert silences.all() == [SILENCE]
    silences.forget(NOW + 2 * DAY)
    assert silences.all() == []


@pytest.mark.parametrize(
    ("state", "acknowledged"),
    [
        (FIRING, True),
        (replace(FIRING, announced_at=NOW + DAY), True),  # it was said again
        (replace(FIRING, level="100%"), False),
        (replace(FIRING, since=NOW + DAY), False),  # reached a second time
        (AlertState(), False),
    ],
)
def test_an_acknowledgement_is_for_one_level_and_one_occurrence(
    silences: Silences, state: AlertState, *, acknowledged: bool
) -> None:
    assert not silences.acknowledges("awb", state)
    silences.acknowledge(Acknowledgement("awb", "90%", NOW, "ada", NOW))
    assert silences.acknowledges("awb", state) is acknowledged
    assert not silences.acknowledges("other", state)
