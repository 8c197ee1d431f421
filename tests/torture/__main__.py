"""`make torture`: kill, starve, cut off and deceive real meters, and check that they keep their promises.

The seed decides the rounds and their faults, in order; the kernel decides what exactly a fault hits. A round that
fails is played again by its own seed: make torture SEED=… ROUNDS=1
"""

import json
import platform
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tests.torture.clock import Clock, NoCompilerError
from tests.torture.rig import may_mount
from tests.torture.rounds import RECOVERY_SECONDS, Plan, Result, Round

_USUAL_SECONDS = 600.0


@dataclass(frozen=True)
class Bounds:
    """When a run ends; None means no limit."""

    seconds: float | None
    faults: int | None
    rounds: int | None

    def share(self, seconds: float, faults: int, rounds: int) -> float:
        """Return the share of a run that is done; it ends at 1 or more."""
        pairs = ((seconds, self.seconds), (faults, self.faults), (rounds, self.rounds))
        return max(done / bound for done, bound in pairs if bound is not None)


@click.command(help=__doc__)
@click.option("--seconds", type=float, help="Time after which no round is begun any more; 600 if nothing else ends it.")
@click.option("--faults", type=int, help="Faults after which no round is begun any more.")
@click.option("--rounds", type=int, help="Rounds at most.")
@click.option("--seed", default=1, show_default=True, help="Seed of the first round; the next ones count on.")
@click.option("--each", default=40.0, show_default=True, help="Seconds of faults in a round.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def main(
    seconds: float | None, faults: int | None, rounds: int | None, seed: int, each: float, *, as_json: bool
) -> None:
    bounds = Bounds(seconds if seconds or faults or rounds else _USUAL_SECONDS, faults, rounds)
    console = Console(stderr=True, highlight=False)
    results: list[Result] = []
    began = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"), TimeElapsedColumn())
    with (
        tempfile.TemporaryDirectory(prefix="torture-") as directory,
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars,
    ):
        try:
            clock = Clock(Path(directory))
        except NoCompilerError as error:
            raise click.ClickException(str(error)) from None
        if not may_mount():
            console.print("full disks are left out: they need root, who may mount")
        bar = bars.add_task("Torture", total=1.0, said="")

        def show(plan: Plan, under_way: int) -> None:
            done = _faults(results) + under_way
            share = bounds.share(time.monotonic() - began, done, len(results))
            bars.update(bar, completed=min(1.0, share), said=f"{plan}: {done:,} faults")

        with clock.governing():
            while bounds.share(time.monotonic() - began, _faults(results), len(results)) < 1:
                plan = Plan.of(seed + len(results))
                result = Round(plan, clock, each, watch=lambda n, plan=plan: show(plan, n)).run()
                results.append(result)
                console.print(_line(result))
    summary = _summary(results, time.monotonic() - began, seed)
    if as_json:
        click.echo(json.dumps(summary, indent=2))
    else:
        _print(Console(highlight=False), summary)
    sys.exit(bool(summary["violations"]))


def _faults(results: list[Result]) -> int:
    return sum(result.faults.total() for result in results)


def _line(result: Result) -> str:
    said = "[bold red]FAILED[/]" if result.violations else "held"
    figures = (
        f"{said} {result.plan}: {result.faults.total():,} faults, {result.deliveries:,} deliveries, "
        f"all done after {result.recovery:,.0f} s, slowest answer {result.slowest:.1f} s"
    )
    return "\n  ".join((figures, *result.violations[:10]))


def _summary(results: list[Result], took: float, seed: int) -> dict[str, Any]:
    faults: Counter[str] = sum((result.faults for result in results), Counter())
    requests: Counter[int] = sum((result.requests for result in results), Counter())
    return {
        "command": f"python -m tests.torture {' '.join(sys.argv[1:])}".strip(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{platform.system()} {platform.release()}, {_processors()}, Python {platform.python_version()}",
        "seed": seed,
        "rounds": len(results),
        "seconds": round(took),
        "faults": faults.total(),
        "faults_by_kind": dict(sorted((name, number) for name, number in faults.items() if number)),
        "deliveries": sum(result.deliveries for result in results),
        "answers": {str(status or "none"): number for status, number in sorted(requests.items())},
        "slowest_answer_seconds": round(max((result.slowest for result in results), default=0.0), 1),
        "longest_recovery_seconds": max((result.recovery for result in results), default=0.0),
        "recovery_limit_seconds": RECOVERY_SECONDS,
        "messages": sum(result.messages for result in results),
        "messages_repeated": sum(result.repeated for result in results),
        "messages_repeated_without_a_crash": sum(result.repeated for result in results if result.plan.strict),
        "failed_seeds": [result.plan.seed for result in results if result.violations],
        "violations": [f"seed {result.plan.seed}: {one}" for result in results for one in result.violations],
    }


def _processors() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} × {names[0]}" if names else platform.machine()


def _print(console: Console, summary: dict[str, Any]) -> None:
    for name, value in summary.items():
        if isinstance(value, dict):
            console.print(f"{name.replace('_', ' ')}:")
            for word, number in value.items():
                console.print(f"  {number:>7,}  {word}")
        elif name == "violations":
            console.print("violations:", *(value or ["none"]), sep="\n  ")
        else:
            console.print(f"{name.replace('_', ' ')}: {value}", markup=False)


if __name__ == "__main__":
    main()
