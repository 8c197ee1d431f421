"""Memory of a service as the bench measures it."""

import re
import sys
from pathlib import Path

import pytest

from bench.service import family, proportional
from tests.conftest import wait_until
from tests.faults.system import System, processes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def resident(pid: int) -> int:
    (kilobytes,) = re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    return int(kilobytes)


def test_the_parts_of_the_service_share_most_of_their_memory(short_dir: Path) -> None:
    with System(short_dir).started() as system:
        # Redis, one receiver, three workers and the scheduler.
        wait_until(lambda: len(processes(system.pid)) == 6)
        parts = family(system.pid)
        assert sorted(parts) == sorted([system.pid, *processes(system.pid)])
        # As programs of their own they would share little more than the C library.
        assert sum(map(proportional, parts)) < 0.6 * sum(map(resident, parts))
        assert system.stop() == 0
