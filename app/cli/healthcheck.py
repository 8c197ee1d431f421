"""`awb healthcheck`: reports by exit code whether a part in this container works, for container engines."""

import http.client
from typing import Final

import click
import redis
from rq.scheduler import RQScheduler

from app.cli.base import EXIT_FAILED, fail, load_config, main, open_redis
from app.config.load import Config
from app.config.settings import Settings
from app.store.rq import jobqueue
from app.store.rq.queues import Queues
from app.store.server.connection import unavailable

#: Seconds to wait for the receiver or Redis; engines have their own limit.
_PATIENCE: Final = 3.0
_ANY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "[::]": "::1"}  # noqa: S104 - compared
_PARTS: Final = ("run", "web", "worker", "scheduler")


@main.command()
@click.argument("part", type=click.Choice(_PARTS), default="run")
@click.argument("queues", metavar="[QUEUE]...", nargs=-1, type=click.Choice(jobqueue.QUEUES))
@click.pass_context
def healthcheck(context: click.Context, part: str, queues: tuple[str, ...]) -> None:
    """Check whether a PART of the service works in this container: run (all of it), web, worker or scheduler.

    For health checks of container engines: pass the arguments of the container's own command. It needs no
    shell and no HTTP client. The exit code is 0 if the part works, otherwise 1.
    """
    if queues and part != "worker":
        raise click.UsageError("only worker accepts queues")
    config = load_config(context, lean=True)
    problem = ""
    try:
        if part in ("run", "web"):
            problem = _receiver(config.settings)
        if part in ("run", "worker"):
            problem = problem or _workers(config, queues)
        if part in ("run", "scheduler"):
            problem = problem or _scheduler(config)
    except (redis.exceptions.RedisError, OSError) as error:
        problem = f"Redis is {unavailable(error)}"
    if problem:
        fail(problem, EXIT_FAILED)
    click.echo("ok")


def _receiver(settings: Settings) -> str:
    """Return what is wrong with the receiver; empty if it accepts deliveries."""
    host = settings.bind_host.strip("[]")
    connection = http.client.HTTPConnection(_ANY_ADDRESS.get(host, host), settings.bind_port, timeout=_PATIENCE)
    try:
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"the receiver does not answer on {settings.bind}: {type(error).__name__}"
    finally:
        connection.close()
    return "" if status == http.client.OK else f"the receiver cannot accept deliveries: /readyz answers {status}"


def _workers(config: Config, queues: tuple[str, ...]) -> str:
    """Return which queues have no live worker in this container."""
    from workers.parts import workers_of  # noqa: PLC0415 - slow to import

    with open_redis(config, _PATIENCE) as connection:
        here = {worker.queue for worker in Queues(connection).workers() if worker.is_here and worker.state != "dead"}
    wanted = dict.fromkeys(child.command[1] for child in workers_of(config.settings, queues))
    idle = [queue for queue in wanted if queue not in here]
    return f"no worker is running here for {', '.join(idle)}" if idle else ""


def _scheduler(config: Config) -> str:
    """Return that no scheduler is active; a standby scheduler is healthy."""
    names = [RQScheduler.get_locking_key(queue) for queue in jobqueue.QUEUES]
    with open_redis(config, _PATIENCE) as connection:
        return "" if connection.exists(*names) == len(names) else "no scheduler has been active for a minute"
