"""What all commands share: the group, the configuration, Redis, and how they end."""

import json
import sys
from pathlib import Path
from typing import Any, Final, NoReturn

import click
import redis
from rich.console import Console

from app import logs
from app.config import EXIT_CONFIG, Config, ConfigError, ensure_webhook_secret, load
from app.notifiers import directory
from app.settings import DEPLOYMENT_NAME, secret_texts
from app.store.connection import connect
from workers import embedded

EXIT_FAILED: Final = 1
#: sysexits.h: a service is not there.
EXIT_UNAVAILABLE: Final = 69
out = Console(highlight=False, soft_wrap=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="coder-awb-meter")
@click.option("--config", "path", type=click.Path(path_type=Path), help="Configuration file (AWB_CONFIG).")
@click.pass_context
def main(context: click.Context, path: Path | None) -> None:
    """Count Coder's Agent Workspace Builds and warn before the limit.

    Exit codes: 0 all is well, 1 something was found or not found, 69 Redis is away, 78 the configuration is wrong.
    """
    context.obj = path


def load_config(context: click.Context, *, secret: bool = False, part: bool = False) -> Config:
    """Load the configuration, or end with code 78.

    Args:
        context: click's.
        secret: with the webhook secret, generated if there is none.
        part: the command is a part of the service, whose log goes by the settings; others only say what went wrong.
    """
    try:
        config = load(context.obj)
        if secret:
            config = Config(ensure_webhook_secret(config.settings), config.rules, config.source, config.rules_source)
        wrong = directory.problems(config.settings)
    except ConfigError as error:
        wrong = error.problems
    for problem in wrong:
        click.echo(f"configuration: {problem.removeprefix('configuration: ')}", err=True)
    if wrong:
        sys.exit(EXIT_CONFIG)
    level = config.settings.log_level if part else "error"
    logs.configure(config.settings.log_format, level, secret_texts(config.settings))
    return config


def open_redis(config: Config) -> "redis.Redis":
    """Connect to the configured Redis, else to the embedded one of the data directory."""
    settings = config.settings
    if settings.redis_url:
        return connect(settings.redis_url.get_secret_value())
    return connect(embedded.url(settings.data_dir))


def fail(message: str, code: int = EXIT_FAILED) -> NoReturn:
    click.echo(f"awb: {message}", err=True)
    sys.exit(code)


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def known_deployment(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is not None and not DEPLOYMENT_NAME.fullmatch(value):
        raise click.BadParameter("takes lower-case letters, digits and dashes")
    return value
