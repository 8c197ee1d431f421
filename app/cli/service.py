"""Commands that run the service or its parts."""

import contextlib
import gc
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import quote

import click
import redis

from app import clock, jobqueue
from app.cli.base import AS_JSON, EXIT_UNAVAILABLE, fail, load_config, main, open_redis, print_json
from app.config import EXIT_CONFIG, ConfigError, load
from app.settings import Settings
from app.store.connection import unavailable
from app.store.queues import Queues

#: Seconds that workers get to come up: on a busy machine Python needs some for its imports.
_PATIENCE: Final = 60.0
_LOOK_EVERY: Final = 0.2


@main.command()
@click.option("--insecure", is_flag=True, help="Accept deliveries without a secret; on loopback only.")
@click.pass_context
def run(context: click.Context, insecure: bool) -> None:
    """Run everything: Redis unless AWB_REDIS_URL is set, receiver, workers and scheduler."""
    from app.web import server  # noqa: PLC0415 - slow to import, as all parts of the service are
    from workers import embedded  # noqa: PLC0415 - the same
    from workers.supervisor import AlreadyRunningError, Supervisor  # noqa: PLC0415 - the same

    before = load_or_none(context.obj)
    new_secret = (
        before is not None and before.webhook_secret is None and not (before.data_dir / "webhook-secret").exists()
    )
    config = load_config(context, secret=not insecure, part=True)
    if insecure and not config.settings.on_loopback:
        fail("--insecure is for loopback addresses only; set AWB_BIND to 127.0.0.1:PORT", EXIT_CONFIG)
    show = new_secret or sys.stdout.isatty()

    started = clock.now()

    def ready() -> None:
        welcome = _welcome(config.settings, show_secret=show and not insecure)
        threading.Thread(target=_announce, args=(open_redis(config), welcome, started), daemon=True).start()

    try:
        sys.exit(Supervisor(config, server.listen, insecure=insecure).run(ready))
    except AlreadyRunningError as error:
        fail(str(error))
    except (embedded.EmbeddedRedisError, ValueError) as error:
        fail(str(error), EXIT_UNAVAILABLE)
    except OSError as error:
        fail(_cannot_listen(config.settings, error))


def _announce(connection: "redis.Redis", welcome: str, started: datetime) -> None:
    """Print the welcome once a worker of every queue lives; otherwise say that deliveries are kept but not counted."""
    queues, deadline = Queues(connection), time.monotonic() + _PATIENCE
    idle: Sequence[str] = jobqueue.QUEUES
    while idle and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY)
        with contextlib.suppress(redis.exceptions.RedisError, OSError):
            # What an earlier run left behind does not count; RQ writes whole seconds and less.
            idle = queues.without_worker(since=started)
    connection.close()
    if idle:
        click.echo(
            f"awb: no worker lives for {', '.join(idle)}: deliveries are kept, but not worked on; "
            "the log above says why, and `awb doctor` looks at the rest",
            err=True,
        )
    else:
        click.echo(welcome)


def load_or_none(path: Path | None) -> Settings | None:
    try:
        return load(path).settings
    except ConfigError:
        return None


@main.command()
@click.option("--insecure", is_flag=True, help="Accept deliveries without a secret; on loopback only.")
@click.option("--listen-fd", type=int, hidden=True)
@click.option("--metrics-fd", type=int, hidden=True)
@click.pass_context
def web(context: click.Context, insecure: bool, listen_fd: int | None, metrics_fd: int | None) -> None:
    """Run the receiver alone."""
    from app.web import server  # noqa: PLC0415 - slow to import
    from app.web.factory import create_app  # noqa: PLC0415 - the same
    from app.web.metrics import server as metricserver  # noqa: PLC0415 - the same
    from workers.supervisor import follow_parent  # noqa: PLC0415 - the same

    config = load_config(context, secret=not insecure, session=True, part=True)
    follow_parent()
    signal.signal(signal.SIGTERM, _end)
    settings = config.settings
    try:
        app = create_app(config, open_redis(config), insecure=insecure)
        given = None if listen_fd is None else socket.socket(fileno=listen_fd)
        listener = given or server.listen(settings.bind_host, settings.bind_port)
        metrics = metricserver.listen(settings) if metrics_fd is None else socket.socket(fileno=metrics_fd)
    except ValueError as error:
        fail(str(error), EXIT_CONFIG)
    except OSError as error:
        fail(_cannot_listen(settings, error))
    if metrics is not None:
        metricserver.start(config, open_redis(config), metrics)
    # What the start left behind is here to stay; the collector need not look at it again while deliveries wait.
    gc.collect()
    gc.freeze()
    server.server(app, config.settings, listener).run()


def _cannot_listen(settings: Settings, error: OSError) -> str:
    if settings.metrics_bind:
        where = f"{settings.bind} or {settings.metrics_bind}"
        return f"cannot listen on {where}: {error.strerror}; set AWB_BIND or AWB_METRICS_BIND to another address"
    return f"cannot listen on {settings.bind}: {error.strerror}; set AWB_BIND to another address"


def _end(_signal: int, _frame: Any) -> NoReturn:
    raise SystemExit(0)


@main.command()
@click.argument("queue", type=click.Choice(jobqueue.QUEUES))
@click.option("--burst", is_flag=True, help="End when the queue is empty.")
@click.pass_context
def worker(context: click.Context, queue: str, burst: bool) -> None:
    """Run the worker of one queue."""
    from workers.runner import worker as build  # noqa: PLC0415 - RQ's worker is slow to import
    from workers.supervisor import follow_parent  # noqa: PLC0415 - the same

    config = load_config(context, part=True)
    follow_parent()
    try:
        worked = build(queue, open_redis(config), config)
        worked.work(burst=burst, logging_level="WARNING")
    except (redis.exceptions.RedisError, OSError) as error:
        fail(f"Redis is {unavailable(error)}", EXIT_UNAVAILABLE)


@main.command()
@click.pass_context
def scheduler(context: click.Context) -> None:
    """Run the scheduler: delayed retries and the sweep. Several may run; the work is done once."""
    from workers.scheduler import Scheduler  # noqa: PLC0415 - slow to import
    from workers.supervisor import follow_parent  # noqa: PLC0415 - the same

    config = load_config(context, part=True)
    follow_parent()
    Scheduler(open_redis(config), config).run()


@main.command("webhook-url")
@AS_JSON
@click.pass_context
def webhook_url(context: click.Context, as_json: bool) -> None:
    """Print the lines that connect Coder, secret included."""
    config = load_config(context, secret=True)
    if as_json:
        print_json({"method": "webhook", "endpoint": _endpoint(config.settings, show_secret=True)})
        return
    click.echo(_welcome(config.settings, show_secret=True))


def _base(settings: Settings) -> str:
    return settings.public_url or f"http://{_reachable(settings)}:{settings.bind_port}"


def _endpoint(settings: Settings, *, show_secret: bool) -> str:
    scheme, _, rest = _base(settings).partition("://")
    known = settings.webhook_secret.get_secret_value() if settings.webhook_secret and show_secret else ""
    user = f"coder:{quote(known, safe='') or '<secret>'}@" if settings.webhook_secret else ""
    return f"{scheme}://{user}{rest}/v1/webhook"


def _welcome(settings: Settings, *, show_secret: bool) -> str:
    base = _base(settings)
    lines = [
        "The Coder AWB meter is running. Put this into the environment of coderd, and restart it:",
        "",
        "  CODER_NOTIFICATIONS_METHOD=webhook",
        f"  CODER_NOTIFICATIONS_WEBHOOK_ENDPOINT={_endpoint(settings, show_secret=show_secret)}",
        "",
    ]
    if settings.webhook_secret and not show_secret:
        lines += ["`awb webhook-url` prints them with the secret.", ""]
    lines += [
        f"Pages:   {base}/",
        "Status:  awb status, or awb why WORKSPACE",
        "Checks:  awb doctor",
    ]
    return "\n".join(lines)


def _reachable(settings: Settings) -> str:
    return socket.gethostname() if settings.bind_host in ("0.0.0.0", "::") else settings.bind.rpartition(":")[0]  # noqa: S104


@main.command()
@click.option("--keep", is_flag=True, help="Leave the service up at the end.")
def demo(keep: bool) -> None:
    """Play a simulated Coder against the real service, with local sinks for Slack and mail."""
    from app.demo import run_demo  # noqa: PLC0415 - needs the optional extra `demo`

    sys.exit(run_demo(keep=keep))
