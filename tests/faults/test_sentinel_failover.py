"""A failover by Sentinel under load: with the documented settings, nothing that was answered 2xx is lost or doubled."""

import sys
from pathlib import Path

import pytest

from tests.faults.sentinelload import failover

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc"),
]


def test_failovers_lose_no_confirmed_delivery_and_need_nobody(short_dir: Path) -> None:
    with failover(short_dir) as running:
        rounds = [running.round(cut_off=cut_off) for cut_off in (False, True, False)]
        found = running.finish()
        answers = running.load.answers
    assert found.answered > 100
    assert (found.lost, found.doubled) == (0, 0)
    assert len(rounds) == 3
    assert {one.status for one in answers} <= {200, 202, 503}
    assert all(one.again for one in answers if one.status == 503)


def test_without_waiting_for_replicas_a_failover_can_lose_what_was_confirmed(short_dir: Path) -> None:
    """The settings matter, and the account finds what is lost."""
    with failover(short_dir, wait_replicas=0) as running:
        running.round(cut_off=True)
        found = running.finish()
    assert found.lost > 0
    assert found.doubled == 0
