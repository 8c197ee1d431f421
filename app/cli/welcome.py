"""The output of `awb run` once it works, and of `awb webhook-url` at any time: how to connect Coder."""

import contextlib
import socket
import time
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

import click
import redis

from app import clock
from app.cli.base import (
    AS_JSON,
    DEPLOYMENT,
    EXIT_UNAVAILABLE,
    fail,
    load_with_kept_secret,
    main,
    open_redis,
    print_json,
)
from app.cli.meter import no_meter
from app.cli.program import runnable
from app.config.load import Config
from app.config.settings import Settings
from app.store.rq import jobqueue
from app.store.rq.queues import Queues

#: Seconds for the workers to start on a busy machine.
_PATIENCE: Final = 60.0


class Welcome:
    """What `awb run` prints once every queue has a live worker."""

    def __init__(self, config: Config, *, show_secret: bool) -> None:
        self._config = config
        self._show_secret = show_secret
        self._started = clock.now()
        self._deadline = time.monotonic() + _PATIENCE

    def try_to_show(self) -> bool:
        """Print it once the workers are running, or at the deadline an error; True once something was printed.

        Called repeatedly by the supervisor, which must not have a second thread, because it forks.
        """
        idle: Sequence[str] = jobqueue.QUEUES
        with contextlib.suppress(redis.exceptions.RedisError, OSError), open_redis(self._config) as connection:
            # Workers of an earlier run do not count; RQ's times have whole seconds.
            idle = Queues(connection).without_worker(since=self._started)
        if not idle:
            running = "The Coder AWB meter is running. "
            click.echo(running + _welcome(self._config, show_secret=self._show_secret))
        elif time.monotonic() >= self._deadline:
            text = (
                f"awb: no worker is running for {', '.join(idle)}: deliveries are stored, but not processed; "
                "the log above says why, and `awb doctor` checks the rest"
            )
            click.echo(runnable(text), err=True)
        else:
            return False
        return True


@main.command("webhook-url")
@DEPLOYMENT
@AS_JSON
@click.pass_context
def webhook_url(context: click.Context, deployment: str | None, as_json: bool) -> None:
    """Print the lines that connect Coder, including the secret."""
    loaded = load_with_kept_secret(context)
    config = loaded.of(deployment or loaded.settings.deployment)
    if config.settings.webhook_secret is None:
        elsewhere = "the webhook secret is not known here; set AWB_WEBHOOK_SECRET, or AWB_DATA_DIR as for `awb web`"
        fail(elsewhere if config.settings.redis_url else no_meter(config.settings), EXIT_UNAVAILABLE)
    if as_json:
        print_json({"method": "webhook", "endpoint": _endpoint(config, show_secret=True)})
        return
    click.echo(_welcome(config, show_secret=True))


def _base(settings: Settings) -> str:
    return settings.public_url or f"http://{_reachable(settings)}:{settings.bind_port}"


def _endpoint(config: Config, *, show_secret: bool) -> str:
    settings = config.settings
    scheme, _, rest = _base(settings).partition("://")
    known = settings.webhook_secret.get_secret_value() if settings.webhook_secret and show_secret else ""
    user = f"coder:{quote(known, safe='') or '<secret>'}@" if settings.webhook_secret else ""
    path = "" if settings.deployment == config.default_deployment else f"/{settings.deployment}"
    return f"{scheme}://{user}{rest}/v1/webhook{path}"


def _welcome(config: Config, *, show_secret: bool) -> str:
    settings = config.settings
    base = _base(settings)
    lines = [
        "Set this in the environment of coderd, and restart it:",
        "",
        "  CODER_NOTIFICATIONS_METHOD=webhook",
        f"  CODER_NOTIFICATIONS_WEBHOOK_ENDPOINT={_endpoint(config, show_secret=show_secret)}",
        "",
    ]
    if settings.webhook_secret and not show_secret:
        lines += ["`awb webhook-url` prints them with the secret.", ""]
    if settings.on_loopback and not settings.public_url:
        lines += [
            "Only this machine can reach that address. If coderd runs elsewhere, start again with",
            f"AWB_BIND=0.0.0.0:{settings.bind_port} or, behind a TLS proxy, AWB_PUBLIC_URL=https://awb.example.com.",
            "",
        ]
    lines += [f"Pages:   {base}/", "Status:  awb status", "Checks:  awb doctor"]
    return runnable("\n".join(lines))


def _reachable(settings: Settings) -> str:
    return socket.gethostname() if settings.bind_host in ("0.0.0.0", "::") else settings.bind.rpartition(":")[0]  # noqa: S104
