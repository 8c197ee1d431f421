"""Whatever breaks, doctor, status, page, API, readyz and metrics say the same of it."""

import html
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from app import clock
from app.answers.health import verdict
from app.config.load import Config
from app.core.alert.alert import Alert
from app.core.finding import Result
from app.doctor.examine import examine
from app.pipeline.notify.address import to_receivers
from app.pipeline.outlook import bare_context
from app.pipeline.watch.sweep import sweep
from app.simulator.sinks import SlackSink
from app.store.rq import jobqueue, readyjob
from app.store.store import Store
from app.web.factory import create_app
from app.web.pages.frame import sentence
from app.web.refusals import EXTENSION
from tests.cli.conftest import call
from tests.conftest import SECRET, RedisServer, make_config
from tests.web.make import basic, notification
from tests.workers.make import drain, put
from workers import runtime
from workers.runner import worker

NUMBERS = {Result.OK: 0, Result.WARNING: 1, Result.ERROR: 2}


@dataclass
class Installation:
    """A meter with all its parts, in which something can be broken."""

    connection: "redis.Redis"
    slack: SlackSink
    settings: dict[str, Any]

    @property
    def config(self) -> Config:
        return make_config(**self.settings)

    @property
    def store(self) -> Store:
        return Store(self.connection, self.config.settings.deployment)

    @property
    def client(self) -> FlaskClient:
        return create_app(self.config, self.connection).test_client()

    def post(self, body: bytes, secret: str = SECRET) -> int:
        return self.client.post("/v1/webhook", headers=basic(secret), data=body).status_code


@pytest.fixture
def well(redis_server: RedisServer, connection: "redis.Redis", tmp_path: Path) -> Iterator[Installation]:
    """Return an installation of which there is nothing bad to say."""
    with SlackSink() as slack:
        settings = {"redis_url": redis_server.url, "slack_webhook_url": slack.url, "data_dir": str(tmp_path)}
        found = Installation(connection, slack, settings)
        assert found.post(notification()) == 202
        drain(connection, found.config)
        sweep(connection, found.config)
        for name in jobqueue.QUEUES:
            worker(name, connection, found.config).register_birth()
        yield found
    runtime.forget()


def told(said: Installation) -> dict[str, dict[str, int]]:
    """Return how each surface says that each check ended; the page and the terminal name only what is bad."""
    client, config = said.client, said.config
    ready = client.get("/readyz?verbose").get_json()
    metrics = re.findall(r'^awb_health_check{check="(.*?)",deployment=".*?"} (\d)', _metrics(client), re.MULTILINE)
    api = client.get("/api/v1/health").get_json()
    return {
        "readyz": {check: NUMBERS[Result(result)] for check, result in ready["checks"].items()},
        "metrics": {check: int(number) for check, number in metrics},
        "api": _worst((row["check"], row["outcome"]) for row in api["checks"]),
        "status": _worst((row["check"], row["outcome"]) for row in _status(said)["health"]["checks"]),
        "doctor": _worst((row.check, row.outcome) for row in examine(config, said.connection)),
    }


def _worst(rows: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for check, result in rows:
        found[check] = max(found.get(check, 0), NUMBERS[Result(result)])
    return found


def _metrics(client: FlaskClient) -> str:
    return client.get("/metrics").get_data(as_text=True)


def _status(said: Installation, *words: str) -> Any:
    environ = {f"AWB_{key.upper()}": value for key, value in said.settings.items()}
    done = call("status", *(words or ("--json",)), AWB_WEBHOOK_SECRET=SECRET, AWB_AI_TEMPLATES="ai-template", **environ)
    assert done.exit_code == 0, done.stderr
    return done.stdout if words else json.loads(done.stdout)


def kill_worker(well: Installation) -> None:
    known = well.connection.smembers(f"rq:workers:{jobqueue.NOTIFICATIONS}")
    for name in known:
        well.connection.delete(name)  # what RQ keeps of a worker whose heartbeats have ended


def fail_job(well: Installation) -> None:
    put(well.connection, readyjob.ready_job("delivery-foreign", jobqueue.DELIVERIES, "os.getcwd", [], "foreign"))
    drain(well.connection, well.config)
    worker(jobqueue.DELIVERIES, well.connection, well.config).register_birth()


def _message(well: Installation, ago: timedelta = timedelta(0)) -> str:
    now = clock.now() - ago
    alert: Alert = _trial(well, now)
    (message,) = to_receivers(well.config, alert, "test-1", now, ["slack"])
    well.store.outbox.add([message], now)
    return message.id


def _trial(well: Installation, now: Any) -> Alert:
    from app.core.wording.test import trial_alert  # noqa: PLC0415 - pytest would collect a module of this name

    return trial_alert(well.store.deployment, "slack", bare_context(well.config), now)


def fail_receiver(well: Installation) -> None:
    well.slack.fail_next(1, 404)
    _message(well)
    drain(well.connection, well.config, jobqueue.NOTIFICATIONS)
    worker(jobqueue.NOTIFICATIONS, well.connection, well.config).register_birth()


def forget_message(well: Installation) -> None:
    _message(well, timedelta(minutes=20))


def fill_quarantine(well: Installation) -> None:
    assert well.post(b'{"no": "notification"}') == 202


def refuse(well: Installation) -> None:
    app = create_app(well.config, well.connection)
    posted = app.test_client().post("/v1/webhook", headers=basic("wrong"), data=notification("another"))
    assert posted.status_code == 401
    app.extensions[EXTENSION].flush()


def stop_persisting(well: Installation) -> None:
    well.connection.config_set("appendonly", "no")


def fail_api(well: Installation) -> None:
    well.settings |= {"coder_url": "http://127.0.0.1:1", "coder_token": "a-token"}
    well.store.coder.failed("connection refused", clock.now())


def fail_step(well: Installation) -> None:
    well.store.steps.failed("escalate", "ValueError at app.somewhere:1", clock.now())


def remove_receivers(well: Installation) -> None:
    del well.settings["slack_webhook_url"]


def run_dry(well: Installation) -> None:
    well.settings["dry_run"] = "true"


def pause(well: Installation) -> None:
    assert call("queues", "pause", jobqueue.MAINTENANCE, AWB_REDIS_URL=well.settings["redis_url"]).exit_code == 0


def stop_scheduler(well: Installation) -> None:
    with clock.reading(lambda: LONG_AGO):
        sweep(well.connection, well.config)


def fall_silent(well: Installation) -> None:
    well.connection.hset(f"awb:v1:{well.store.deployment}:stats", "last_delivery_at", LONG_AGO.timestamp())


LONG_AGO = clock.now() - timedelta(days=3)
BREAKS: list[tuple[Callable[[Installation], None], str, Result]] = [
    (kill_worker, "workers.alive", Result.ERROR),
    (fail_job, "jobs.failed", Result.WARNING),
    (fail_receiver, "receivers.working", Result.ERROR),
    (forget_message, "notifications.overdue", Result.ERROR),
    (fill_quarantine, "input.quarantine", Result.WARNING),
    (refuse, "input.secret", Result.WARNING),
    (stop_persisting, "redis.persistence", Result.WARNING),
    (fail_api, "coder.api", Result.ERROR),
    (fail_step, "sweep.escalate", Result.ERROR),
    (remove_receivers, "receivers.configured", Result.ERROR),
    (run_dry, "alerts.dry-run", Result.WARNING),
    (pause, "queues.paused", Result.WARNING),
    (stop_scheduler, "scheduler.alive", Result.ERROR),
    (fall_silent, "input.deliveries", Result.WARNING),
]


def test_of_an_installation_that_is_well_nobody_says_anything_bad(well: Installation) -> None:
    assert verdict(well.store, well.config).troubles == []
    for surface, found in told(well).items():
        assert surface == "doctor" or set(found.values()) == {0}, (surface, found)
    assert 'role="alert"' not in well.client.get("/").get_data(as_text=True)
    assert 'awb_health{deployment="default"} 0.0' in _metrics(well.client)


@pytest.mark.parametrize(("break_it", "check", "result"), BREAKS, ids=[check for _, check, _ in BREAKS])
def test_what_breaks_is_said_alike_everywhere(
    well: Installation, break_it: Callable[[Installation], None], check: str, result: Result
) -> None:
    try:
        break_it(well)
        said = told(well)
        assert {surface: found.get(check, 0) for surface, found in said.items()} == dict.fromkeys(said, NUMBERS[result])
        (finding,) = [one for one in verdict(well.store, well.config).troubles if one.check == check]
        page = html.unescape(well.client.get("/").get_data(as_text=True))
        assert sentence(finding.message) in page
        assert ("Not working" in page) is (result is Result.ERROR)
        assert finding.message in " ".join(_status(well, "--deployment", "default").split())
        assert f'awb_health{{deployment="default"}} {NUMBERS[result]}.0' in _metrics(well.client)
    finally:
        well.connection.config_set("appendonly", "yes")


def test_a_queue_without_a_worker_has_no_green_tick(well: Installation) -> None:
    kill_worker(well)
    page = well.client.get("/queues").get_data(as_text=True)
    states = dict.fromkeys(jobqueue.QUEUES, "")
    for row in re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL):
        for name in jobqueue.QUEUES:
            if f"/queues/{name}" in row:
                states[name] = "no worker" if "no worker" in row else "running" if "running" in row else "?"
    assert states == {**dict.fromkeys(jobqueue.QUEUES, "running"), jobqueue.NOTIFICATIONS: "no worker"}


def test_without_redis_that_is_the_verdict() -> None:
    from app.store.server.connection import connect  # noqa: PLC0415 - beside what it tests

    config = make_config()
    client = create_app(config, connect("unix:///nowhere")).test_client()
    answer = client.get("/readyz?verbose")
    assert (answer.status_code, answer.get_json()["checks"]) == (503, {"redis.reachable": "error"})
    assert answer.get_json()["health"] == "error"


def test_the_verdict_for_strangers_names_no_receiver_and_no_error(well: Installation) -> None:
    fail_receiver(well)
    said = well.client.get("/readyz?verbose", environ_base={"REMOTE_ADDR": "192.0.2.7"}).get_data(as_text=True)
    assert "receivers.working" in said
    assert "slack" not in said
