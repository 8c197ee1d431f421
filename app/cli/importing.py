"""`awb import`: records from another or an earlier meter."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from shutil import copyfileobj
from typing import Final

import click

from app.cli.base import AS_JSON, DEPLOYMENT, EXIT_FAILED, actor, fail, main, open_store, out, print_json
from app.cli.export import progress_bar
from app.cli.recordfile import LineError, read_records
from app.core.count.meter import UsageRecord
from app.pipeline.operate.transfer import BusyLedgerError, import_records

_MOST_PROBLEMS: Final = 20


@main.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check every line and show what would change, but change nothing.")
@DEPLOYMENT
@AS_JSON
@click.pass_context
def import_command(context: click.Context, file: Path, dry_run: bool, deployment: str | None, as_json: bool) -> None:
    """Import the records in FILE (- for standard input), written by `awb export` in any format.

    All lines are checked before anything is written; an invalid line ends the command with code 1. Importing twice
    changes nothing, and a proved record is never changed. Records that could count a build twice are held back:
    provisional ones for a workspace with builds that are proved here, and proved ones for a workspace with
    notifications here. `awb reconcile` proves the latter.
    """
    store, config = open_store(context, deployment, lean=False)
    with _on_disk(file) as (source, shown):
        total = _check(source, file if shown else Path("standard input"))
        with progress_bar("records", 2 * total) as bars:
            try:
                took = import_records(
                    store,
                    config,
                    lambda: _good(source),
                    dry_run=dry_run,
                    progress=lambda done: bars.update(bars.task_ids[0], completed=done),
                )
            except BusyLedgerError as error:
                fail(str(error))
    if took.new and not dry_run:
        store.audit.write(actor(), "import", f"{took.new} records from {file.name}")
    if as_json:
        print_json({"dry_run": dry_run, "read": total, **asdict(took)})
        return
    would = "would be " if dry_run else ""
    out.print(f"{total:,} records read: {took.new:,} {would}new, {took.known:,} already known.")
    if took.held_back:
        why = "this meter has other data about their workspaces, or lacks the rule"
        out.print(f"{took.held_back:,} {would}held back: {why}.")


@contextmanager
def _on_disk(file: Path) -> Iterator[tuple[Path, bool]]:
    """Yield a file that can be read more than once, and whether it is the named one."""
    if str(file) != "-":
        yield file, True
        return
    with tempfile.NamedTemporaryFile("wb", prefix="awb-import-") as copy:
        copyfileobj(sys.stdin.buffer, copy)
        copy.flush()
        yield Path(copy.name), False


def _check(source: Path, named: Path) -> int:
    """Return the number of records, or end the command with the errors."""
    total = wrong = 0
    problems: list[str] = []
    try:
        for found in read_records(source):
            total += 1
            if isinstance(found, LineError):
                wrong += 1
                if wrong <= _MOST_PROBLEMS:
                    problems.append(str(found).replace(str(source), str(named), 1))
    except OSError as error:
        fail(f"{named} cannot be read: {error.strerror}")
    if wrong and wrong == total:
        # Not a few bad lines, but another kind of file.
        fail(f"{problems[0]}; no line is a record as written by `awb export`; nothing was imported")
    for problem in problems:
        click.echo(f"awb: {problem}", err=True)
    if wrong > _MOST_PROBLEMS:
        click.echo(f"awb: and {wrong - _MOST_PROBLEMS:,} more", err=True)
    if wrong:
        fail(f"{wrong:,} of {total:,} lines are not records; nothing was imported", EXIT_FAILED)
    return total


def _good(source: Path) -> Iterator[UsageRecord]:
    return (found for found in read_records(source) if isinstance(found, UsageRecord))
