"""`awb export`: records as a file."""

import contextlib
import io
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Final

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.cli.base import DEPLOYMENT, fail, main, open_store
from app.cli.recordfile import FORMATS, lines_of
from app.cli.terminal import Out, raw
from app.config.wholefile import whole_file
from app.core.count.meter import AWB, UsageRecord
from app.pipeline.operate.transfer import export

_DAY: Final = click.DateTime(["%Y-%m-%d"])


@main.command("export")
@click.option(
    "--format", "kind", type=click.Choice(FORMATS), default="csv", show_default=True, help="Format of the file."
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--from", "first", type=_DAY, metavar="DAY", help="The first day (UTC).")
@click.option("--to", "last", type=_DAY, metavar="DAY", help="The last day (UTC).")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Instead of standard output."
)
@DEPLOYMENT
@click.pass_context
def export_records(
    context: click.Context,
    kind: str,
    as_json: bool,
    first: datetime | None,
    last: datetime | None,
    output: Path | None,
    deployment: str | None,
) -> None:
    """Write records, newest first, with the fields of /api/v1/records. `awb import` reads every format."""
    store, _config = open_store(context, deployment)
    start = first.replace(tzinfo=UTC).timestamp() if first else None
    end = (last.replace(tzinfo=UTC) + timedelta(days=1)).timestamp() if last else None
    if start is not None and end is not None and start >= end:
        raise click.UsageError("--to is before --from")
    # The ledger counts records after a moment.
    until = float("inf") if end is None else end - 1e-6
    total = store.ledger(AWB).count_since(float("-inf") if start is None else start - 1e-6, until)
    # On a terminal the printed records themselves show the progress.
    shown = output is None and sys.stdout.isatty()
    with _output(output) as write, progress_bar("records", total, hidden=shown) as bars:
        records = _ticked(export(store, start=start, end=end), bars)
        for line in lines_of(records, "json" if as_json else kind):
            write.write(line)


def _ticked(records: Iterable[UsageRecord], bars: Progress) -> Iterator[UsageRecord]:
    for record in records:
        yield record
        bars.advance(bars.task_ids[0])


@contextlib.contextmanager
def progress_bar(words: str, total: int, *, hidden: bool = False) -> Iterator[Progress]:
    """Yield a progress bar with one task on standard error, if that is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Out(stderr=True)
    with Progress(*columns, console=console, disable=hidden or not sys.stderr.isatty(), transient=True) as bars:
        bars.add_task(words, total=total)
        yield bars


@contextlib.contextmanager
def _output(file: Path | None) -> Iterator[IO[str]]:
    """Yield standard output, or a file that appears under its name only once it is complete."""
    if file is None or str(file) == "-":
        # Anything other than a terminal gets names unchanged, so that they can be imported again.
        yield sys.stdout if sys.stdout.isatty() else raw(sys.stdout)
        return
    with output_file(file) as opened:
        text = io.TextIOWrapper(opened, encoding="utf-8", newline="")
        try:
            yield text
        finally:
            # Flushes without closing: the file is closed where it was opened.
            text.detach()


@contextlib.contextmanager
def output_file(file: Path) -> Iterator[IO[bytes]]:
    """Yield a file that appears under its name only once it is complete; an error of the disk ends the command."""
    try:
        with whole_file(file) as opened:
            yield opened
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror}")
