"""`python -m bench`: compare the meter with other receivers and workers, alternating within one run.

Only ratios from one run are meaningful, because a machine's speed varies over time.
"""

import json
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import click
import redis
from rich.console import Console

from bench import drain, exact, growth, idle, memory, pages, receive, results, scale, service, wrk
from bench.processes import ChildError, workplace
from bench.progress import Progress
from bench.results import Row
from workers.embedded import EmbeddedRedisError

_FAILED: Final = 1
_MISSING: Final = 2
PARTS: Final[Mapping[str, Callable[..., list[Row]]]] = {
    "receive": receive.measure,
    "drain": drain.measure,
    "idle": idle.measure,
    "memory": memory.measure,
    "growth": growth.measure,
    "exact": exact.measure,
    "service": service.measure,
    "pages": pages.measure,
    "scale": scale.measure,
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help="Fewer and shorter rounds: one minute instead of five.")
@click.option("--json", "file", type=click.Path(path_type=Path, dir_okay=False), help="Also write the results there.")
@click.option("--only", "names", multiple=True, type=click.Choice(list(PARTS)), help="Measure only this; repeatable.")
def main(quick: bool, file: Path | None, names: tuple[str, ...]) -> None:
    """Measure the meter against other receivers and workers, and print ratios with their targets."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    chosen = [name for name in PARTS if not names or name in names]
    if "receive" in chosen and not wrk.found():
        click.echo(f"bench: {wrk.MISSING}", err=True)
        sys.exit(_MISSING)
    began = time.monotonic()
    rows: list[Row] = []
    try:
        with workplace() as directory, Progress() as progress:
            for name in chosen:
                rows += _measure(name, directory, progress, quick=quick)
    except KeyboardInterrupt:
        click.echo("bench: interrupted; all processes it started have been stopped", err=True)
        sys.exit(130)
    seconds = time.monotonic() - began
    _show(rows, seconds, quick=quick)
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        report = {"machine": _machine(), "quick": quick, "seconds": round(seconds), "rows": [r.as_json() for r in rows]}
        file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    sys.exit(_FAILED if any(row.group in PARTS for row in rows) else 0)


def _measure(name: str, directory: Path, progress: Progress, *, quick: bool) -> list[Row]:
    """Measure one part; a failure does not stop the others."""
    try:
        return PARTS[name](directory, progress, quick=quick)
    except (ChildError, EmbeddedRedisError, redis.exceptions.RedisError, OSError) as error:
        return [Row(name, "the whole part", None, note=f"not measured: {type(error).__name__}: {error}")]


def _show(rows: list[Row], seconds: float, *, quick: bool) -> None:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 190)
    console.print(results.table(rows))
    console.print()
    if any(row.group == receive.GROUP for row in rows):
        console.print("What an acknowledgement guarantees:")
        for name, guarantee in receive.GUARANTEES.items():
            console.print(f"  {name}: {guarantee}")
    console.print(f"{_machine()}; {seconds:.0f} s{', quick' if quick else ''}. Compare ratios, not rates.")


def _machine() -> str:
    return f"{os.cpu_count()} CPUs, Python {platform.python_version()}, {platform.system()} {platform.machine()}"


if __name__ == "__main__":
    main()
