"""A meter with a prefix, in a process of its own: RQ's keys are fixed once it is imported.

`python -m tests.store.prefixed URL PREFIX STEP…` prints a line of JSON for each step.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from app.store.rqprefix import VARIABLE, import_rq

if __name__ == "__main__":
    import_rq(sys.argv[2])

from app import logs
from app.config.load import Config
from app.doctor.redis import examine_redis
from app.pipeline.operate import backup
from app.store.receive.deployments import Deployments
from app.store.rq import jobqueue
from app.store.rq.queues import Queues
from app.store.schema import prepare
from app.store.server.connection import connect
from app.web.factory import create_app
from tests.conftest import make_config
from tests.pipeline.streams import messages_of
from tests.web.make import basic
from tests.workers.make import drain
from workers.scheduler import Scheduler

#: As many messages as each of these meters receives.
MESSAGES = 25
PAGES = ("/", "/queues", "/alerts", "/metrics", "/api/v1/usage", "/readyz")


def receive(config: Config, connection: Any) -> list[int]:
    """Receive messages, and return the distinct status codes."""
    prepare(connection)
    client = create_app(config, connection).test_client()
    posted = messages_of(7, MESSAGES, failures=False)[:MESSAGES]
    return sorted({client.post("/v1/webhook", headers=basic(), data=one.body).status_code for one in posted})


def work(config: Config, connection: Any) -> int:
    """Let the scheduler and all workers work, and return how many jobs are left."""
    scheduler = Scheduler(connection, config)
    scheduler.step()
    for name in jobqueue.QUEUES:
        drain(connection, config, name)
    scheduler.rq.stop()
    return sum(queue.length + queue.started + queue.failed for queue in Queues(connection).workers_and_queues()[1])


def pages(config: Config, connection: Any) -> list[int]:
    """Return the distinct status codes of pages."""
    client = create_app(config, connection).test_client()
    return sorted({client.get(path).status_code for path in PAGES})


def usage(config: Config, connection: Any) -> Any:
    """Return what was counted, received, and is waiting."""
    client = create_app(config, connection).test_client()
    metrics = [line for line in client.get("/metrics").text.splitlines() if line.startswith("awb_deliveries_total{")]
    return {"used": client.get("/api/v1/usage").get_json()["used"], "metrics": metrics}


def rows(config: Config, connection: Any) -> list[Any]:
    """Return the kind and the name of each row of a backup."""
    return [row[:2] for row in backup.rows(connection, config.settings.configured_deployments)]


def doctor(config: Config, connection: Any) -> dict[str, list[str]]:
    """Return the findings about Redis."""
    return {one.check: [one.outcome.value, one.message] for one in examine_redis(config, connection)}


def remove(_config: Config, connection: Any) -> list[str]:
    """Remove all deployments, and return what was there."""
    names = Deployments(connection).traces()
    for name in names:
        Deployments(connection).remove(name)
    return names


STEPS: dict[str, Callable[[Config, Any], Any]] = {
    step.__name__: step for step in (receive, work, pages, usage, rows, doctor, remove)
}


def meter(url: str, prefix: str) -> tuple[Config, Any]:
    """Return the configuration and the connection of a meter with a prefix."""
    config = make_config(
        url, redis_prefix=prefix, ai_templates="claude-code-tasks,codex-tasks", forecast_alerts="false"
    )
    return config, connect(url, settings=config.settings)


if __name__ == "__main__":
    # RQ's own variable is not left for programs that are started from here.
    assert VARIABLE not in os.environ
    logs.configure("json", "error", [])
    for word in sys.argv[3:]:
        sys.stdout.write(json.dumps(STEPS[word](*meter(sys.argv[1], sys.argv[2]))) + "\n")
