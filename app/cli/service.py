"""Commands that run the service or its parts."""

import gc
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click
import redis

from app.cli.base import EXIT_UNAVAILABLE, checked, fail, load_config, main, open_redis
from app.cli.meter import absent, settled
from app.cli.reloading import hold_signal, kept_current
from app.cli.welcome import Welcome
from app.config.datadir import holds
from app.config.load import EXIT_CONFIG, Config, ConfigError, load
from app.config.settings import Settings
from app.core.schema import SchemaError
from app.net.servicemanager import ServiceManager
from app.store.rq import jobqueue
from app.store.schema import prepare
from app.store.server.connection import RECEIVER_TIMEOUT, unavailable

if TYPE_CHECKING:
    from workers.runner import QuietWorker

#: Set by systemd if standard output goes to its journal.
_JOURNAL: Final = "JOURNAL_STREAM"
#: The modules that the commands below import. `run` imports them once for all processes that it forks.
_IMPORTS: Final[Mapping[str, Sequence[str]]] = {
    "web": (
        "app.store.scripts",
        "app.web.factory",
        "app.web.metrics.server",
        "app.web.server",
        "app.web.wire.draining",
    ),
    "worker": ("app.store.scripts", "workers.runner", "workers.waiting"),
    "scheduler": ("app.store.scripts", "workers.scheduler"),
}


@main.command()
@click.option("--insecure", is_flag=True, help="Accept deliveries without a secret; on loopback only.")
@click.pass_context
def run(context: click.Context, insecure: bool) -> None:
    """Run everything: Redis unless AWB_REDIS_URL is set, receiver, workers and scheduler."""
    _handle_sigterm()
    from workers import embedded  # noqa: PLC0415 - slow to import, as all parts of the service are
    from workers.supervisor import AlreadyRunningError, Supervisor  # noqa: PLC0415 - the same

    before = load_or_none(context.obj)
    new_secret = before is not None and before.webhook_secret is None and not holds(before.data_dir, "webhook-secret")
    config = load_config(context, secret=not insecure, part=True, data_dir=True)
    if insecure and not config.settings.on_loopback:
        fail("--insecure is for loopback addresses only; set AWB_BIND to 127.0.0.1:PORT", EXIT_CONFIG)
    # The journal is stored, and many people may read it.
    show = sys.stdout.isatty() or (new_secret and _JOURNAL not in os.environ)

    def read() -> tuple[Config | None, list[str]]:
        return checked(context, secret=not insecure, data_dir=True)

    welcome = Welcome(config, show_secret=show and not insecure)
    try:
        sys.exit(Supervisor(config, _Program(), read, insecure=insecure).run(welcome.try_to_show))
    except AlreadyRunningError as error:
        fail(str(error))
    except SchemaError as error:
        fail(str(error), EXIT_CONFIG)
    except (embedded.EmbeddedRedisError, ValueError) as error:
        fail(str(error), EXIT_UNAVAILABLE)
    except OSError as error:
        # The errors of sockets have no file name.
        fail(f"{error.filename}: {error.strerror}" if error.filename else _cannot_listen(config.settings, error))


class _Program:
    """The program for the supervisor; see `workers.supervisor.Program`."""

    def listen(self, host: str, port: int) -> socket.socket:
        from app.web import server  # noqa: PLC0415 - slow to import

        return server.listen(host, port)

    def prepare(self, command: str) -> None:
        for name in _IMPORTS[command]:
            import_module(name)

    def run(self, words: Sequence[str], config: Config | None) -> None:
        main.main(list(words), prog_name="awb", obj=config)


def load_or_none(path: Path | None) -> Settings | None:
    try:
        return settled(load(path).settings, starts=True)
    except ConfigError:
        return None


@main.command()
@click.option("--insecure", is_flag=True, help="Accept deliveries without a secret; on loopback only.")
@click.option("--listen-fd", type=int, hidden=True)
@click.option("--metrics-fd", type=int, hidden=True)
@click.pass_context
def web(context: click.Context, insecure: bool, listen_fd: int | None, metrics_fd: int | None) -> None:
    """Run only the receiver."""
    _handle_sigterm()
    hold_signal()
    from app.web import server  # noqa: PLC0415 - slow to import
    from app.web.factory import create_app  # noqa: PLC0415 - the same
    from app.web.metrics import server as metricserver  # noqa: PLC0415 - the same
    from app.web.wire.draining import serve  # noqa: PLC0415 - the same
    from workers.keeping import follow_parent  # noqa: PLC0415 - the same

    config = load_config(context, secret=not insecure, session=True, part=True)
    follow_parent()
    _prepare(config)
    settings = config.settings
    try:
        app = create_app(config, open_redis(config, RECEIVER_TIMEOUT, hurried=True), insecure=insecure)
        given = None if listen_fd is None else socket.socket(fileno=listen_fd)
        listener = given or server.listen(settings.bind_host, settings.bind_port)
        metrics = metricserver.listen(settings) if metrics_fd is None else socket.socket(fileno=metrics_fd)
    except ValueError as error:
        fail(str(error), EXIT_CONFIG)
    except OSError as error:
        fail(_cannot_listen(settings, error))
    measured = None
    if metrics is not None:
        measured = metricserver.start(config, open_redis(config, RECEIVER_TIMEOUT, hurried=True), metrics)
    # Objects from the start are permanent, so the collector need not examine them while deliveries wait.
    gc.collect()
    gc.freeze()
    ServiceManager.of(os.environ).ready(f"Listening on {settings.bind}")
    serving = server.server(app, config.settings, listener)

    def apply(new: Config) -> None:
        connection = open_redis(config, RECEIVER_TIMEOUT, hurried=True)
        serving.take_over(create_app(new, connection, insecure=insecure), new.settings)
        if measured is not None:
            measured.application = metricserver.create_app(new, connection)

    def read() -> tuple[Config | None, list[str]]:
        return checked(context, secret=not insecure, session=True)

    with kept_current("web", config, read, apply):
        serve(serving, max(1, settings.grace_seconds - 1))


def _prepare(config: Config) -> None:
    """End if Redis contains data that this version cannot read; each part waits on its own if it is unavailable."""
    try:
        with open_redis(config) as connection:
            prepare(connection)
    except SchemaError as error:
        fail(str(error), EXIT_CONFIG)
    except (redis.exceptions.RedisError, OSError) as error:
        click.echo(f"Redis is {unavailable(error)}; its schema was not checked", err=True)


def _cannot_listen(settings: Settings, error: OSError) -> str:
    if settings.metrics_bind:
        where = f"{settings.bind} or {settings.metrics_bind}"
        return f"cannot listen on {where}: {error.strerror}; set AWB_BIND or AWB_METRICS_BIND to another address"
    return f"cannot listen on {settings.bind}: {error.strerror}; set AWB_BIND to another address"


def _handle_sigterm() -> None:
    """End in order at SIGTERM until the part has its own handler: the kernel ignores it for the first process."""
    signal.signal(signal.SIGTERM, _end)


def _end(_signal: int, _frame: Any) -> NoReturn:
    raise SystemExit(0)


@main.command()
@click.argument("queues", metavar="[QUEUE]...", nargs=-1, type=click.Choice(jobqueue.QUEUES))
@click.option("--burst", is_flag=True, help="Exit when the queue is empty; only with one QUEUE.")
@click.pass_context
def worker(context: click.Context, queues: tuple[str, ...], burst: bool) -> None:
    """Run workers for each QUEUE, or for all queues that the configuration needs, with one process each."""
    _handle_sigterm()
    from workers.keeping import follow_parent  # noqa: PLC0415 - slow to import

    if burst and len(queues) != 1:
        raise click.UsageError("--burst takes exactly one QUEUE")
    if len(queues) == 1:
        hold_signal()
    config = load_config(context, part=True)
    follow_parent()
    if len(queues) == 1:
        _work(context, config, queues[0], burst=burst)
        return
    from workers.crew import Crew  # noqa: PLC0415 - slow to import
    from workers.parts import workers_of  # noqa: PLC0415 - the same

    _prepare(config)
    environment = {"AWB_CONFIG": str(config.source)} if config.source else {}
    Crew(_Program(), workers_of(config.settings, queues), config.settings.grace_seconds).run(environment)


def _work(context: click.Context, config: Config, queue: str, *, burst: bool) -> None:
    """Run as the worker of one queue."""
    from workers import runtime  # noqa: PLC0415 - slow to import
    from workers.runner import worker as build  # noqa: PLC0415 - the same
    from workers.waiting import wait_for_redis  # noqa: PLC0415 - the same

    if not burst:
        # A separate connection, because RQ waits longer for answers.
        with open_redis(config, RECEIVER_TIMEOUT) as connection:
            wait_for_redis(connection)
    _prepare(config)
    worked: QuietWorker | None = None
    try:
        if queue not in jobqueue.CORE and config.settings.relaying:
            from app.pipeline.relay.work import warm_up  # noqa: PLC0415 - for these workers alone

            warm_up(config)
        connection = open_redis(config)
        worked = build(queue, connection, config)
        apply = partial(runtime.use, connection)
        with kept_current(f"worker {queue}", config, partial(checked, context), apply):
            ServiceManager.of(os.environ).ready(f"Working on {queue}")
            worked.work(burst=burst, logging_level="WARNING")
    except (redis.exceptions.RedisError, OSError) as error:
        if worked is not None and worked.asked_to_end:
            # Redis was stopped first. The next worker takes up what this one had begun.
            click.echo(f"ended without signing off: Redis is {unavailable(error)}", err=True)
            return
        fail(absent(context.obj, error), EXIT_UNAVAILABLE)


@main.command()
@click.pass_context
def scheduler(context: click.Context) -> None:
    """Run the scheduler: delayed retries and the sweep. If several run, one works and the others stand by."""
    _handle_sigterm()
    hold_signal()
    from workers.keeping import follow_parent  # noqa: PLC0415 - slow to import
    from workers.scheduler import Scheduler  # noqa: PLC0415 - the same

    config = load_config(context, part=True)
    follow_parent()
    _prepare(config)
    ServiceManager.of(os.environ).ready("Scheduling")
    working = Scheduler(open_redis(config), config)
    with kept_current("scheduler", config, partial(checked, context), working.use):
        working.run()
