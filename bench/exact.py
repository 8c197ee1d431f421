"""A first full pass over Coder's API, and a pass without news, against the simulated Coder on loopback."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from app.simulator.api import ApiServer
from app.simulator.world import World
from bench.processes import environment, store
from bench.progress import Progress
from bench.results import Aim, Row, Spread

GROUP: Final = "5. Coder's API"
# Prints its peak memory and CPU time after the output of `awb reconcile --json`.
_COMMAND: Final = (
    "import resource, sys; sys.argv = ['awb', 'reconcile', '--json']\n"
    "from app.cli import main\n"
    "try:\n    main()\n"
    "finally:\n    used = resource.getrusage(resource.RUSAGE_SELF)\n"
    "    print(used.ru_maxrss, used.ru_utime + used.ru_stime, file=sys.stderr)"
)


def measure(directory: Path, progress: Progress, *, quick: bool) -> list[Row]:
    workspaces = 500 if quick else 10_000
    world = _world(workspaces)
    with store(directory / "exact") as (url, _connection), ApiServer(world) as server:
        settings = environment(directory, AWB_REDIS_URL=url, AWB_CODER_URL=server.url, AWB_CODER_TOKEN=server.token)
        progress.step(f"{GROUP}: a first pass over {workspaces:,} workspaces with {5 * workspaces:,} builds")
        first = _pass(server, settings)
        progress.step(f"{GROUP}: a pass without news")
        second = _pass(server, settings)
    if first["counted"] != len(world.awbs):
        raise RuntimeError(f"{first['counted']} counted, {len(world.awbs)} true")
    builds = "GET /api/v2/workspaces/{id}/builds"
    pages = first["requests"].total() - first["requests"][builds]
    note = f"{pages} list pages and {first['requests'][builds]:,} for builds, {first['at_once']} at once"
    return [
        Row(GROUP, "requests of a first pass less list pages, for each workspace",
            Spread.of([first["requests"][builds] / workspaces]), "", Aim("<=", 1.0), note),
        Row(GROUP, "peak memory of a first pass", Spread.of([first["peak"]]), "MB", Aim("<=", 150)),
        Row(GROUP, "CPU time of a first pass, without Coder's and Redis'", Spread.of([first["cpu"]]), "s",
            Aim("<=", 10)),
        Row(GROUP, "seconds of a first pass", Spread.of([first["seconds"]]), "s", note="Coder on the same cores"),
        Row(GROUP, "requests for builds of a pass with nothing new", Spread.of([second["requests"][builds]]), "",
            Aim("<=", 0), f"{second['requests'].total()} requests in all"),
    ]  # fmt: skip


def _world(workspaces: int) -> World:
    """Create workspaces with five builds each: created, and twice paused and resumed."""
    world = World(1, start=datetime.now(UTC) - timedelta(days=60))
    for number in range(workspaces):
        workspace = world.create_task(world.developers[number % len(world.developers)])
        for _ in range(2):
            world.pause(workspace)
            world.resume(workspace)
    world.now = datetime.now(UTC)
    return world


def _pass(server: ApiServer, settings: dict[str, str]) -> dict[str, Any]:
    server.requests.clear()
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _COMMAND], env=settings, capture_output=True, text=True, timeout=300, check=True
    )
    return {
        **json.loads(done.stdout),
        "seconds": time.perf_counter() - began,
        "peak": int(done.stderr.split()[-2]) / 1024,
        "cpu": float(done.stderr.split()[-1]),
        "requests": server.requests.copy(),
        "at_once": server.most_at_once,
    }
