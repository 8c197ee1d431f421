"""Ports for servers that start a moment later."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.simulator.loopback import free_port

RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux' range of ports for clients")
def test_no_client_takes_a_free_port_by_chance() -> None:
    first, last = map(int, RANGE.read_text(encoding="ascii").split())
    assert not any(first <= free_port() <= last for _ in range(300))


def test_processes_that_follow_each_other_get_different_ports() -> None:
    asked = "import os; from app.simulator.loopback import free_port; print(os.getpid(), *(free_port() for _ in 'abc'))"
    found: dict[int, set[int]] = {}
    for _ in range(4):
        done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
        pid, *ports = map(int, re.findall(r"\d+", done.stdout))
        found[pid % 50] = set(ports)
    assert len(set.union(*found.values())) == 3 * len(found)
