"""An idle service: memory of all its processes, and seconds from the start until it is ready."""

import time
from pathlib import Path
from typing import Final

from app.simulator.loopback import free_port
from bench.bodies import TEMPLATE
from bench.processes import awb, child, environment, wait_answering
from bench.progress import Progress
from bench.results import Aim, Row, Spread

GROUP: Final = "6. The idle service"
#: Until workers and scheduler have finished their work at start.
_SETTLED: Final = 5.0
_MEGABYTE: Final = 1024


def measure(directory: Path, progress: Progress, *, quick: bool) -> list[Row]:
    seconds, sizes = [], []
    for number in range(2 if quick else 5):
        progress.step(f"{GROUP}: start {number + 1}")
        took, size = _once(directory / f"service-{number}")
        seconds.append(took)
        sizes.append(size)
    return [
        Row(GROUP, "PSS of all processes, Redis among them", Spread.of(sizes), "MB", Aim("<=", 150.0)),
        Row(GROUP, "from the start until /readyz is 200", Spread.of(seconds), "s", Aim("<=", 1.5)),
    ]


def _once(data_dir: Path) -> tuple[float, float]:
    """Start the service, and return the seconds until it was ready and its memory in MB once it is idle."""
    data_dir.mkdir()
    port, log = free_port(), data_dir / "run.log"
    env = environment(data_dir, AWB_BIND=f"127.0.0.1:{port}", AWB_AI_TEMPLATES=TEMPLATE)
    began = time.perf_counter()
    with child(awb("run"), log, env) as process:
        wait_answering(f"http://127.0.0.1:{port}/readyz", process, log)
        took = time.perf_counter() - began
        time.sleep(_SETTLED)
        return took, sum(proportional(pid) for pid in family(process.pid)) / _MEGABYTE


def family(parent: int) -> list[int]:
    """Return a process and its children."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii")
    return [parent, *map(int, children.split())]


def proportional(pid: int) -> int:
    """Return the kilobytes of a process (PSS), in which shared memory is divided among the processes."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0
