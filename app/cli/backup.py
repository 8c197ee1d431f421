"""`awb backup` and `awb restore`: one file with everything that cannot be obtained again."""

import contextlib
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from shutil import copyfileobj
from typing import IO, Any

import click
import redis

from app.cli import backupfile
from app.cli.base import AS_JSON, EXIT_UNAVAILABLE, actor, fail, load_config, main, open_redis, out, print_json
from app.cli.export import output_file, progress_bar
from app.cli.meter import no_meter
from app.cli.terminal import raw
from app.cli.version import version
from app.config.datadir import holds, prepare
from app.config.load import Config, ConfigError
from app.core.schema import SchemaError
from app.pipeline.operate.backup import RestoreRefusedError, head, restore, rows, tally
from app.store.audit import Audit
from app.store.backup.workspaces import BusyError

_STANDARD = "-"


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@AS_JSON
@click.pass_context
def backup(context: click.Context, file: Path, as_json: bool) -> None:
    """Write everything that cannot be obtained again to FILE (- for standard output); the meter may be running.

    Secrets and passcodes are not included; names of people are. The file gets its name only once it is complete.
    """
    config = load_config(context, lean=True)
    counts: Counter[str] = Counter()
    try:
        with _redis(config, stopped=False) as connection:
            about = head(connection, config, version())
            total = int(connection.dbsize())
            with _target(file) as target, progress_bar("keys", total) as bars:

                def counted() -> Iterator[list[Any]]:
                    for row in rows(connection, about.deployments):
                        tally(counts, row)
                        bars.advance(bars.task_ids[0])
                        yield row

                number = backupfile.write(target, about, counted())
    except RestoreRefusedError as error:
        fail(str(error))
    answer = {"file": str(file), "rows": number, "deployments": list(about.deployments), **_numbers(counts)}
    if str(file) == _STANDARD:
        return
    if as_json:
        print_json(answer)
    else:
        out.print(f"{file}: {counts['records']:,} records of {counts['workspaces']:,} workspaces, {number:,} rows.")


@main.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--replace", is_flag=True, help="Delete the meter's data in this Redis first.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation of --replace.")
@AS_JSON
@click.pass_context
def restore_command(context: click.Context, file: Path, replace: bool, yes: bool, as_json: bool) -> None:
    """Restore the backup in FILE (- for standard input); the meter must be stopped.

    Refuses a Redis that already holds records or deliveries, unless --replace deletes them first. If it is
    interrupted, the meter does not start until the same command has been run again and completed.
    """
    config = load_config(context, lean=True)
    if replace and not yes:
        click.confirm("Delete all of the meter's data in this Redis?", abort=True, err=True)
    counts: Counter[str] = Counter()
    with _on_disk(file) as source:
        try:
            about, digest, number = backupfile.read(source)
            with _redis(config, stopped=True) as connection, progress_bar("rows", number) as bars:

                def counted() -> Iterator[list[Any]]:
                    for row in backupfile.rows(source):
                        tally(counts, row)
                        yield row

                restore(
                    connection,
                    about,
                    digest,
                    counted(),
                    replace=replace,
                    progress=lambda done: bars.update(bars.task_ids[0], completed=done),
                )
                made = f"{about.made_at:%Y-%m-%d %H:%M} UTC"
                Audit(connection, config.settings.deployment).write(actor(), "restore", f"backup of {made}")
        except backupfile.BackupFileError as error:
            fail(f"{str(error).replace(str(source), str(file), 1)}; nothing was changed")
        except (RestoreRefusedError, SchemaError) as error:
            fail(f"{error}; nothing was changed")
        except BusyError as error:
            fail(f"{error}, then run this command again")
    if as_json:
        answer = {"made_at": about.made_at.isoformat(), "rows": number, "deployments": list(about.deployments)}
        print_json({**answer, **_numbers(counts)})
        return
    out.print(f"{counts['records']:,} records of {counts['workspaces']:,} workspaces restored, as of {made}.")
    out.print("Start the meter. If it can use Coder's API, its next pass finds what has happened in Coder since then.")


def _numbers(counts: Counter[str]) -> dict[str, int]:
    return {words.replace(" ", "_"): counts[words] for words in ("records", "workspaces", "queued deliveries")}


@contextlib.contextmanager
def _redis(config: Config, *, stopped: bool) -> Iterator["redis.Redis"]:
    """Yield a connection to the meter's Redis; an embedded Redis that is not running is started temporarily.

    Args:
        config: the configuration.
        stopped: end the command with an error if the meter of the data directory is running.
    """
    from workers import embedded  # noqa: PLC0415 - not needed with a Redis of one's own
    from workers.supervisor import AlreadyRunningError, DataDirLock  # noqa: PLC0415 - the same

    settings = config.settings
    if settings.redis_url or (not stopped and embedded.runs(settings.data_dir)):
        with open_redis(config) as connection:
            yield connection
        return
    if not stopped and not holds(settings.data_dir, "lock"):
        fail(no_meter(settings), EXIT_UNAVAILABLE)
    try:
        prepare(settings.data_dir)
        with DataDirLock(settings.data_dir), embedded.serving(settings.data_dir) as connection:
            yield connection
    except (AlreadyRunningError, ConfigError) as error:
        fail(str(error))
    except embedded.EmbeddedRedisError as error:
        fail(str(error), EXIT_UNAVAILABLE)


@contextlib.contextmanager
def _target(file: Path) -> Iterator[IO[bytes]]:
    """Yield standard output, or a file that only its owner can read and that gets its name once it is on disk."""
    if str(file) == _STANDARD:
        if sys.stdout.isatty():
            fail("a backup is not text; name a file, or pipe the output into another program")
        yield raw(sys.stdout).buffer
        return
    with output_file(file) as opened:
        yield opened


@contextlib.contextmanager
def _on_disk(file: Path) -> Iterator[Path]:
    """Yield a file that can be read more than once; standard input is copied to one."""
    if str(file) != _STANDARD:
        yield file
        return
    with tempfile.NamedTemporaryFile("wb", prefix="awb-restore-") as copy:
        copyfileobj(sys.stdin.buffer, copy)
        copy.flush()
        yield Path(copy.name)
