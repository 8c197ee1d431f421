"""wrk, the load generator: one thread and a number of connections, each with one POST at a time."""

import json
import secrets
import shutil
import subprocess
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.bodies import created
from bench.processes import ROOT, SECRET

MISSING: Final = "wrk is not installed (Debian: apt install wrk)"
AUTHORIZATION: Final = "Basic " + b64encode(f"coder:{SECRET}".encode()).decode()
_SCRIPT: Final = ROOT / "bench" / "post.lua"


@dataclass(frozen=True, slots=True)
class Load:
    """The result of one round.

    Attributes:
        rate: deliveries acknowledged with 2xx, per second.
        p50, p99: milliseconds.
        failed: responses other than 2xx, and broken connections.
    """

    rate: float
    p50: float
    p99: float
    failed: int


def found() -> bool:
    return shutil.which("wrk") is not None


def load(url: str, directory: Path, connections: int, seconds: int, *, same: bool = False) -> Load:
    """Post for the given number of seconds, always new deliveries or always the same one."""
    run = secrets.token_hex(4)
    sample = created(0, run)
    body = directory / "body.json"
    body.write_bytes(sample.body)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(_SCRIPT), url, "--"]
    command += [str(body), sample.message_id, sample.workspace_id, run, AUTHORIZATION, "same" if same else "new"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=True)
    return read(answer.stdout)


def read(output: str) -> Load:
    """Parse the line that post.lua writes at the end.

    Raises:
        ValueError: wrk wrote none.
    """
    line = next((line for line in reversed(output.splitlines()) if line.startswith("{")), "")
    found = json.loads(line)
    answered = found["requests"] - found["refused"]
    return Load(
        rate=answered / (found["microseconds"] / 1e6),
        p50=found["p50"] / 1000,
        p99=found["p99"] / 1000,
        failed=found["refused"] + found["broken"],
    )
