"""The command that repairs the file of the embedded Redis."""

from pathlib import Path

import click
import redis

from app import clock
from app.cli.base import EXIT_UNAVAILABLE, fail, load_config, main
from app.config.datadir import prepare
from app.config.load import ConfigError


@main.command()
@click.option("--dry-run", is_flag=True, help="Only show what would be cut off.")
@click.pass_context
def repair(context: click.Context, dry_run: bool) -> None:
    """Cut off a damaged end of the embedded Redis' file, after making a copy, and test the result.

    A power loss may leave such an end: bytes that are not a whole command, with which the service does not start.
    """
    from workers import aof  # noqa: PLC0415 - no other command needs it
    from workers.supervisor import AlreadyRunningError, DataDirLock  # noqa: PLC0415 - the same

    settings = load_config(context).settings
    if settings.redis_url:
        fail("AWB_REDIS_URL is set, so there is no embedded Redis to repair")
    try:
        if not settings.data_dir.is_dir():
            fail(f"{settings.data_dir}: the directory does not exist; is AWB_DATA_DIR right?")
        prepare(settings.data_dir)
        with DataDirLock(settings.data_dir):
            damage = aof.find_damage(settings.data_dir)
            if damage is not None and dry_run:
                click.echo(f"would be cut off: {damage}")
                return
            if damage is not None:
                backup = settings.data_dir / f"repair-{clock.now():%Y%m%dT%H%M%SZ}"
                aof.cut_off(damage, backup)
                click.echo(f"cut off: {damage}")
                click.echo(f"original file: {backup / damage.file.name}")
            elif dry_run:
                click.echo("nothing to cut off: the last file ends with a whole command")
                return
            click.echo(f"{_tried(settings.data_dir, cut=damage is not None):,} keys can be read; start with: awb run")
    except (AlreadyRunningError, ConfigError, aof.RepairError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or settings.data_dir}: {error.strerror}")


def _tried(data_dir: Path, *, cut: bool) -> int:
    """Start the server once and return the number of keys it read, or end with 69."""
    from workers import embedded  # noqa: PLC0415 - no other command needs it

    try:
        return embedded.count_keys(data_dir)
    except embedded.OtherServerError as error:
        fail(str(error), EXIT_UNAVAILABLE)
    except (embedded.EmbeddedRedisError, redis.exceptions.RedisError) as error:
        hint = "the file is also damaged elsewhere" if cut else "its end is intact, so there is nothing to cut off"
        fail(f"{error}; {hint}: restore {data_dir} from a backup", EXIT_UNAVAILABLE)
