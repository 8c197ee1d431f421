"""Shared by all commands: the configuration, Redis, and exit codes."""

import gc
import getpass
import os
import sys
from dataclasses import replace
from typing import Any, Final, NoReturn

import click
import redis
from rich.console import Console

from app.answers.shape import Answer
from app.cli import commands, group
from app.cli.meter import find_meter, settled
from app.cli.program import runnable
from app.cli.terminal import Out
from app.config.datadir import holds
from app.config.environment import PARENT_FD
from app.config.load import EXIT_CONFIG, Config, ConfigError, load
from app.config.secrettexts import secret_texts
from app.config.settings import Settings
from app.config.types import DEPLOYMENT_NAME
from app.core.text.spelling import did_you_mean
from app.core.text.terminal import json_text
from app.store.receive.inbox import deployments
from app.store.rqprefix import WrongPrefixError
from app.store.rqprefix import check as check_prefix
from app.store.server.connection import SOCKET_TIMEOUT, connect
from app.store.store import Store

EXIT_FAILED: Final = commands.EXIT_FAILED
#: Some work is left for later (EX_TEMPFAIL of sysexits.h).
EXIT_INCOMPLETE: Final = 75
EXIT_UNAVAILABLE: Final = commands.EXIT_UNAVAILABLE


class _Out(Out):
    def print(self, *objects: Any, **how: Any) -> None:
        super().print(*(runnable(one) if isinstance(one, str) else one for one in objects), **how)


out: Console = _Out(highlight=False, soft_wrap=True)


main: Final = group.main


def load_config(
    context: click.Context,
    *,
    secret: bool = False,
    session: bool = False,
    part: bool = False,
    lean: bool = False,
    data_dir: bool = False,
) -> Config:
    """Load the configuration, or end with code 78; a part that `awb run` forked is given the one that is in force.

    Args:
        context: the context of click.
        secret: whether to load the webhook secret, which is generated if there is none.
        session: the same for the secret that signs sessions.
        part: whether the command is a part of the service and logs according to the settings; others print only errors.
        lean: whether the command only reads the store. Receivers and own texts are then not checked and nothing is
            logged, which halves the start time.
        data_dir: whether the command writes into the data directory.
    """
    given = context.meta.get(group.GIVEN)
    config, wrong = checked(context, secret=secret, session=session, lean=lean, data_dir=data_dir, given=given)
    for problem in wrong:
        click.echo(f"configuration: {runnable(problem)}", err=True)
    if config is None or wrong:
        sys.exit(EXIT_CONFIG)
    # Everything is imported by now, and stays: the garbage collector need not look at it again and again.
    gc.freeze()
    if not lean:
        from app import logs  # noqa: PLC0415 - slow to import

        level = config.settings.log_level if part else "error"
        logs.configure(config.settings.log_format, level, secret_texts(config.settings))
        # The parts that `awb run` starts do not repeat its warnings.
        if part and PARENT_FD not in os.environ:
            import structlog  # noqa: PLC0415 - slow to import

            for notice in config.notices:
                structlog.get_logger(__name__).warning(notice)
    return config


def load_with_kept_secret(context: click.Context) -> Config:
    """Load the configuration with the webhook secret that `run` or `web` generated, if any; none is generated here."""
    config = load_config(context)
    settings = config.settings
    made = settings.webhook_secret is None and holds(settings.data_dir, "webhook-secret")
    return replace(config, settings=_with_secret(settings)) if made else config


def _with_secret(settings: Settings) -> Settings:
    from app.config.webhooksecret import ensure_webhook_secret  # noqa: PLC0415 - most commands need none

    try:
        return ensure_webhook_secret(settings)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(f"configuration: {problem}", err=True)
        sys.exit(EXIT_CONFIG)


def checked(
    context: click.Context,
    *,
    secret: bool = False,
    session: bool = False,
    lean: bool = False,
    data_dir: bool = False,
    given: Config | None = None,
) -> tuple[Config | None, list[str]]:
    """Return the configuration and everything that is wrong with it.

    Args:
        context: as for `load_config`.
        secret: as for `load_config`.
        session: as for `load_config`.
        lean: as for `load_config`.
        data_dir: as for `load_config`.
        given: a configuration that was read and found valid; missing secrets are added.
    """
    try:
        config = given or load(context.obj)
        config = replace(config, settings=settled(config.settings, starts=secret or data_dir))
        if data_dir:
            from app.config.datadir import prepare  # noqa: PLC0415 - hardly any command needs it

            prepare(config.settings.data_dir)
        if secret:
            from app.config.webhooksecret import ensure_webhook_secret  # noqa: PLC0415 - most commands need none

            config = replace(config, settings=ensure_webhook_secret(config.settings))
        if session:
            from app.config.keptsecret import ensure_session_secret  # noqa: PLC0415 - the receiver alone needs it

            config = replace(config, settings=ensure_session_secret(config.settings))
        # A part that reloads keeps the keys with which it was started.
        check_prefix(config.settings.redis_prefix)
        wrong = [] if lean or given else [*_wrong_receivers(config), *_wrong_relays(config, starts=secret)]
    except ConfigError as error:
        return None, [problem.removeprefix("configuration: ") for problem in error.problems]
    except WrongPrefixError as error:
        return None, [str(error)]
    return config, wrong


def _wrong_receivers(config: Config) -> list[str]:
    wrong = _wrong_receivers_of(config)
    for name in config.settings.deployment_settings:
        found = (problem for problem in _wrong_receivers_of(config.of(name)) if problem not in wrong)
        wrong += [f"[deployment_settings.{name}]: {problem}" for problem in found]
    return wrong


def _wrong_receivers_of(config: Config) -> list[str]:
    from app.notifiers import directory  # noqa: PLC0415 - slow to import, and not always needed

    wrong = directory.problems(config.settings)
    texts = config.settings.texts
    if any((texts.headline, texts.summary, texts.meaning)):
        from app.cli.samples import every_sample  # noqa: PLC0415 - needed where an admin has own words only
        from app.pipeline.notify.texts import text_problems  # noqa: PLC0415 - the same

        wrong += text_problems(texts, every_sample(config))
    return wrong


def _wrong_relays(config: Config, *, starts: bool) -> list[str]:
    if not config.settings.relaying:
        return []
    from app.config.keptsecret import relay_secret  # noqa: PLC0415 - needed where something is relayed only
    from app.notifiers.relay.directory import problems  # noqa: PLC0415 - the same

    if starts:
        # Created at the start, because a secret that a command creates elsewhere could open nothing.
        relay_secret(config.settings)
    return problems(config.settings, config.relay_rules)


def open_redis(config: Config, timeout: float = SOCKET_TIMEOUT, *, hurried: bool = False) -> "redis.Redis":
    """Connect to the configured Redis, or else to the embedded one of the data directory."""
    settings = config.settings
    if settings.redis_url:
        return connect(settings.redis_url.get_secret_value(), timeout, settings=settings, hurried=hurried)
    from workers import embedded  # noqa: PLC0415 - not needed with a Redis of one's own

    return connect(embedded.url(settings.data_dir), timeout, hurried=hurried)


def open_store(context: click.Context, deployment: str | None, *, lean: bool = True) -> tuple[Store, Config]:
    """Return the store of the deployment, and the configuration. If Redis is unavailable, the group ends with 69."""
    config = load_config(context, lean=lean)
    find_meter(config)
    connection, name = open_redis(config), deployment or config.settings.deployment
    if name != config.settings.deployment:
        known = [config.settings.deployment, *deployments(connection)]
        if name not in known:
            # This is not an error: it may be that nothing has been received yet.
            click.echo(f"awb: no deployment “{name}” has ever posted{did_you_mean(name, known)}", err=True)
    return Store(connection, name), config.of(name)


def actor() -> str:
    """Return the name of the current user, for silences, acknowledgements and the audit trail."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # in a container the user may have no name
        name = "somebody"
    return f"{name} (cli)"


def fail(message: str, code: int = EXIT_FAILED) -> NoReturn:
    """End the command with one line; commands in it are printed so that they can be run."""
    commands.fail(runnable(message), code)


def print_json(value: Any) -> None:
    """Print JSON values, or an answer as in the HTTP API."""
    plain = value.plain() if isinstance(value, Answer) else value
    click.echo(json_text(plain, indent=2))


def known_deployment(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is not None and not DEPLOYMENT_NAME.fullmatch(value):
        raise click.BadParameter("takes lower-case letters, digits and dashes")
    return value


AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
DEPLOYMENT = click.option("--deployment", callback=known_deployment, help="A deployment other than the configured one.")
