"""Metrics: what a scrape tells of the store, whatever the store holds, and whoever asks."""

import re
import signal
import socket
import threading
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import requests
from flask.testing import FlaskClient
from prometheus_client import openmetrics, parser
from prometheus_client.openmetrics import parser as openmetrics_parser
from structlog.testing import capture_logs

from app import clock
from app.config.load import Config
from app.core.alert.decision import AlertState
from app.core.alert.silence import Silence
from app.core.coder.shapes import Entitlements
from app.core.limit.drift import DriftPoint, growth
from app.notifiers.receivers import receiver_slug
from app.pipeline.watch.warn import warn
from app.store import keys
from app.store.alert import tallies
from app.store.alert.alerts import Alerts, Change
from app.store.alert.outbox import Outbox
from app.store.alert.silences import Silences
from app.store.coder.state import CoderState
from app.store.gauges import Gauges
from app.store.reloads import note_reload
from app.store.rq import jobqueue
from app.store.server.connection import connect
from app.store.store import Store
from app.web.metrics import server as metricserver
from app.web.metrics.families import FAMILIES
from app.web.metrics.routes import MOST_DEPLOYMENTS
from app.web.metrics.sources import MOST_USERS
from tests.conftest import SECRET, RedisServer, make_config
from tests.store.make import NOW, ledger, notification, put, record
from tests.web.make import count_all
from tests.web.make import notification as body_of
from workers.runner import worker

AWB = {"deployment": "default", "meter": "awb"}
ONE = {"deployment": "default"}
TEXT = "text/plain;version=0.0.4"
OPENMETRICS = "application/openmetrics-text;version=1.0.0"
#: Metrics that are 0 in a new installation without any series being absent.
FRESH = {
    "awb_usage": AWB,
    "awb_usage_counted": AWB,
    "awb_usage_provisional": AWB,
    "awb_usage_ratio": AWB,
    "awb_forecast_breach_in_period": AWB,
    "awb_deliveries_total": {**ONE, "outcome": "quarantined"},
    "awb_last_delivery_timestamp_seconds": ONE,
    "awb_alert_level": {**AWB, "level": "90%"},
    "awb_alerts_firing": {**ONE, "kind": "threshold"},
    "awb_silences_active": ONE,
    "awb_notifications_total": {**ONE, "kind": "slack", "receiver": "slack", "outcome": "failed"},
    "awb_notification_errors_total": {**ONE, "kind": "slack", "receiver": "slack", "reason": "network"},
    "awb_last_notification_timestamp_seconds": {**ONE, "kind": "slack", "receiver": "slack"},
    "awb_outbox_pending": ONE,
    "awb_outbox_oldest_age_seconds": ONE,
    "awb_coder_api_configured": ONE,
    "awb_last_sweep_timestamp_seconds": {},
    "awb_queue_length": {"queue": "awb-deliveries"},
    "awb_queue_oldest_age_seconds": {"queue": "awb-notifications"},
    "awb_queue_jobs": {"queue": "awb-maintenance", "registry": "failed"},
    "awb_workers": {"queue": "awb-maintenance", "state": "idle"},
}


class Scrape:
    """The samples of one answer."""

    def __init__(self, families: Iterable[Any]) -> None:
        self.samples = [sample for family in families for sample in family.samples]

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value of one series, None where it is absent."""
        found = [sample.value for sample in self.samples if sample.name == name and sample.labels == labels]
        assert len(found) <= 1
        return found[0] if found else None

    def series(self, name: str, label: str) -> dict[str, float]:
        return {sample.labels[label]: sample.value for sample in self.samples if sample.name == name}


def client_of(connection: "redis.Redis", **settings: Any) -> FlaskClient:
    return metricserver.create_app(make_config(**settings), connection).test_client()


def scrape(connection: "redis.Redis", **settings: Any) -> Scrape:
    answer = client_of(connection, **settings).get("/metrics")
    assert answer.status_code == 200
    return Scrape(parser.text_string_to_metric_families(answer.get_data(as_text=True)))


def entitlements(actual: int, refreshed_at: datetime, limit: int = 100) -> Entitlements:
    feature = {"entitlement": "entitled", "enabled": True, "limit": limit, "soft_limit": 80, "actual": actual}
    feature["usage_period"] = {"start": "2026-01-01T00:00:00Z", "end": "2036-01-01T00:00:00Z"}
    return Entitlements.model_validate(
        {"has_license": True, "refreshed_at": refreshed_at.isoformat(), "features": {"managed_agent_limit": feature}}
    )


def deliver(connection: "redis.Redis", config: Config, number: int) -> None:
    client = receiver_of(connection, config)
    for n in range(number):
        assert client(body_of(f"m{n}", n)) == 202
    count_all(connection, config)


def receiver_of(connection: "redis.Redis", config: Config) -> Any:
    from app.web.factory import create_app  # noqa: PLC0415 - one test's application is another's

    client = create_app(config, connection).test_client()
    headers = {"Authorization": f"Bearer {SECRET}"}
    return lambda body: client.post("/v1/webhook", data=body, headers=headers).status_code


def test_a_new_installation_has_every_series_at_zero(connection: "redis.Redis") -> None:
    found = scrape(connection, slack_webhook_url="https://hooks.slack.com/services/T0/B0/x")
    assert {name: found.value(name, **labels) for name, labels in FRESH.items()} == dict.fromkeys(FRESH, 0.0)
    assert (found.value("awb_up"), found.value("awb_redis_up")) == (1, 1)
    assert connection.dbsize() == 0


def test_usage_stands_against_limit_and_thresholds(connection: "redis.Redis", config: Config) -> None:
    deliver(connection, config, 3)
    found = scrape(connection, limit=4, soft_limit=2, thresholds="50%,3 builds,+25%")
    assert (found.value("awb_usage", **AWB), found.value("awb_usage_provisional", **AWB)) == (3, 3)
    assert (found.value("awb_limit", **AWB), found.value("awb_usage_ratio", **AWB)) == (4, 0.75)
    assert (found.value("awb_soft_limit", **AWB), found.value("awb_limit_unlimited", **AWB)) == (2, 0)
    levels = {"50%": 2, "3 builds": 3, "125%": 5, "soft limit": 2}
    assert found.series("awb_threshold_usage", "level") == levels
    assert found.series("awb_mode", "mode") == {"webhook-only": 1, "verified": 0}


@pytest.mark.parametrize(("limit", "unlimited", "shown"), [("unlimited", 1, None), (0, 0, 0)])
def test_without_a_divisor_there_is_no_ratio(
    connection: "redis.Redis", limit: Any, unlimited: int, shown: float | None
) -> None:
    found = scrape(connection, limit=limit)
    assert found.value("awb_limit", **AWB) == shown
    assert found.value("awb_limit_unlimited", **AWB) == unlimited
    assert found.value("awb_usage_ratio", **AWB) is None


def test_deliveries_are_reported_by_outcome(connection: "redis.Redis", config: Config) -> None:
    before = clock.now().timestamp()
    post = receiver_of(connection, config)
    assert [post(body) for body in (body_of("m1"), body_of("m1"), body_of("m2", 1), b"{")] == [202, 200, 202, 202]
    found = scrape(connection)
    assert found.series("awb_deliveries_total", "outcome") == {"accepted": 2, "duplicate": 1, "quarantined": 1}
    assert (found.value("awb_last_delivery_timestamp_seconds", **ONE) or 0) >= round(before, 3)


def test_queues_and_workers_are_reported_by_queue(connection: "redis.Redis", config: Config) -> None:
    post = receiver_of(connection, config)
    for number in range(2):
        post(body_of(f"m{number}", number))
    idle = worker(jobqueue.MAINTENANCE, connection, config)
    idle.register_birth()
    idle.set_state("idle")
    found = scrape(connection)
    empty = dict.fromkeys(jobqueue.QUEUES, 0)
    assert found.series("awb_queue_length", "queue") == empty | {"awb-deliveries": 2}
    assert 0 <= (found.value("awb_queue_oldest_age_seconds", queue="awb-deliveries") or 0) < 60
    assert found.value("awb_workers", queue="awb-maintenance", state="idle") == 1
    assert found.value("awb_workers", queue="awb-deliveries", state="idle") == 0


def test_notifications_are_reported_by_receiver_and_never_by_address(connection: "redis.Redis") -> None:
    address = "ops@example.com"
    settings = {"smtp_url": "smtp://mail.example.com", "email_from": "awb@example.com", "email_to": address}
    with connection.pipeline() as pipe:
        for sent_at in (900_000.0, 1_000_000.5):
            tallies.ended(pipe, "default", f"email:{address}", "sent", sent_at)
        pipe.execute()
    tallies.erred(connection, "default", f"email:{address}", "network")
    text = client_of(connection, **settings).get("/metrics").get_data(as_text=True)
    found = Scrape(parser.text_string_to_metric_families(text))
    at = {**ONE, "kind": "email", "receiver": receiver_slug(f"email:{address}")}
    assert found.value("awb_notifications_total", **at, outcome="sent") == 2
    assert found.value("awb_notifications_total", **at, outcome="failed") == 0
    assert found.value("awb_notification_errors_total", **at, reason="network") == 1
    assert found.value("awb_last_notification_timestamp_seconds", **at) == 1_000_000.5
    assert "example.com" not in text


def test_the_outbox_is_as_old_as_its_oldest_pending_notification(connection: "redis.Redis") -> None:
    outbox = Outbox(connection, "default")
    for identity in ("a", "b"):
        outbox.add([notification(identity)], NOW)
    outbox.mark_retry("b", "away", clock.now().timestamp() + 600)
    found = scrape(connection)
    age = (clock.now() - NOW).total_seconds()
    assert found.value("awb_outbox_pending", **ONE) == 2
    for name in ("awb_outbox_oldest_age_seconds", "awb_outbox_overdue_seconds"):
        assert found.value(name, **ONE) == pytest.approx(age, abs=60)
    outbox.mark_sent(notification("a"), NOW)
    found = scrape(connection)
    assert found.value("awb_outbox_oldest_age_seconds", **ONE) == pytest.approx(age, abs=60)
    assert found.value("awb_outbox_overdue_seconds", **ONE) == 0
    outbox.mark_failed("b", "gone")
    assert scrape(connection).value("awb_outbox_oldest_age_seconds", **ONE) == 0


def test_the_announced_level_is_the_one_at_1(connection: "redis.Redis", config: Config) -> None:
    deliver(connection, config, 3)
    settings = {"limit": 4, "thresholds": "50%,75%,100%"}
    warn(Store(connection, "default"), make_config(**settings), "awb")
    found = scrape(connection, **settings)
    assert found.series("awb_alert_level", "level") == {"50%": 0, "75%": 1, "100%": 0}


def test_firing_alerts_are_reported_by_what_they_are_about(connection: "redis.Redis") -> None:
    alerts = Alerts(connection, "default")
    for name in ("awb", "forecast-awb", "scope-1f2e3d", "burst-aa", "burst-bb", "notice-input-broken"):
        alerts.announce(name, 0, Change(AlertState(level="x"), NOW))
    firing = scrape(connection).series("awb_alerts_firing", "kind")
    assert firing == {"threshold": 1, "forecast": 1, "scope": 1, "burst": 2, "notice": 1}


def test_silences_count_while_they_hold(connection: "redis.Redis") -> None:
    now, hour = clock.now(), timedelta(hours=1)
    for identity, start, end in (("past", -2, -1), ("now", -1, 1), ("later", 1, 2)):
        Silences(connection, "default").add(
            Silence(identity, {"alert": "awb"}, "ada", "", now + start * hour, now + end * hour)
        )
    assert scrape(connection).value("awb_silences_active", **ONE) == 1


API = {"coder_url": "https://coder.example.com", "coder_token": "0123456789-abcdefghijklmnopqrstuv"}


def test_coders_number_and_the_drift_are_reported(connection: "redis.Redis") -> None:
    now = clock.now()
    state = CoderState(connection, "default")
    state.save_licence(entitlements(7, now), None, now)
    state.note(reconciled_at=now.timestamp() - 60)
    for hours, counted in ((30, 7), (3, 3)):
        state.add_drift(DriftPoint(now - timedelta(hours=hours), counted, 7))
    state.add_drift(DriftPoint(now, 0, 7))
    found = scrape(connection, **API)
    assert (found.value("awb_coder_actual", **AWB), found.value("awb_drift", **AWB)) == (7, -7)
    assert (found.value("awb_usage", **AWB), found.value("awb_usage_ratio", **AWB)) == (7, 0.07)
    assert found.value("awb_drift_growth", **AWB) == 7
    assert found.series("awb_mode", "mode") == {"webhook-only": 0, "verified": 1}
    assert found.value("awb_coder_api_up", **ONE) == 1
    assert found.value("awb_last_reconcile_timestamp_seconds", **ONE) == pytest.approx(now.timestamp() - 60)
    assert found.value("awb_reconcile_interval_seconds", **ONE) == 600


def test_a_configuration_that_was_not_applied_shows_until_a_reload_succeeds(connection: "redis.Redis") -> None:
    def shown() -> float | None:
        return scrape(connection).value("awb_health_check", **ONE, check="config.reload")

    assert shown() is None
    note_reload(connection, "web", ["awb-meter.toml: unknown key “limits”"])
    assert shown() == 1
    assert "limits" not in client_of(connection).get("/metrics").get_data(as_text=True)
    note_reload(connection, "web", [])
    assert shown() is None


def test_a_failing_api_is_down_since_its_first_failure(connection: "redis.Redis") -> None:
    state = CoderState(connection, "default")
    assert scrape(connection, **API).value("awb_coder_api_up", **ONE) == 0
    state.save_licence(None, None, NOW)
    assert scrape(connection, **API).value("awb_coder_api_up", **ONE) == 1
    for minutes in (0, 5):
        state.failed("timeout", NOW + timedelta(minutes=minutes))
    found = scrape(connection, **API)
    assert found.value("awb_coder_api_up", **ONE) == 0
    assert found.value("awb_coder_api_failing_since_timestamp_seconds", **ONE) == NOW.timestamp()


def test_without_an_api_nothing_is_said_of_it(connection: "redis.Redis") -> None:
    found = scrape(connection)
    assert found.value("awb_coder_api_configured", **ONE) == 0
    for name in ("awb_coder_api_up", "awb_last_reconcile_timestamp_seconds"):
        assert found.value(name, **ONE) is None


@pytest.mark.parametrize("hours", [[], [0], [1, 0], [3, 0], [200, 3, 1, 0], [167, 2, 0], [300, 200], [169, 168, 3, 0]])
@pytest.mark.parametrize("period_age", [2.5, 100, 1000])
def test_the_drift_grows_as_the_notice_about_it_says(
    connection: "redis.Redis", hours: list[int], period_age: float
) -> None:
    state = CoderState(connection, "default")
    for number, age in enumerate(hours):
        state.add_drift(DriftPoint(NOW - timedelta(hours=age), 3 * number * number, 5))
    start = NOW - timedelta(hours=period_age)
    edges = Gauges(connection, "default").drift_edges(start)
    assert growth(edges, start) == growth(state.drift(), start)


def test_user_names_are_shown_only_on_request_and_never_too_many(connection: "redis.Redis") -> None:
    into = ledger(connection)
    for number in range(MOST_USERS + 5):
        owner = f"user-{number:02}"
        records = [record(f"k{number}-{n}", owner=owner, workspace_id=f"w{number}") for n in range(1 + (number < 3))]
        put(into, f"w{number}", records)
    settings = {"deployment": "prod"}
    assert "user-00" not in client_of(connection, **settings).get("/metrics").get_data(as_text=True)
    users = scrape(connection, **settings, metrics_user_names="true").series("awb_user_usage", "user")
    assert len(users) == MOST_USERS
    assert [users[f"user-{number:02}"] for number in range(4)] == [2, 2, 2, 1]


def test_every_deployment_is_a_label_but_not_without_end(connection: "redis.Redis") -> None:
    connection.sadd(keys.DEPLOYMENTS, *(f"d{number:02}" for number in range(30)))
    found = scrape(connection, deployment="zeta")
    names = found.series("awb_usage", "deployment")
    assert list(names) == ["zeta", *(f"d{number:02}" for number in range(MOST_DEPLOYMENTS - 1))]
    assert found.value("awb_deployments") == 31


def test_without_redis_the_scrape_says_so(tmp_path: Path) -> None:
    client = client_of(connect(f"redis://user:top-secret@127.0.0.1:1/?db=0#{tmp_path}"))
    with capture_logs() as logs:
        answer = client.get("/metrics")
    text = answer.get_data(as_text=True)
    found = Scrape(parser.text_string_to_metric_families(text))
    assert (answer.status_code, found.value("awb_up"), found.value("awb_redis_up")) == (200, 0, 0)
    assert {sample.name for sample in found.samples} == {"awb_up", "awb_redis_up", "awb_build_info"}
    assert "top-secret" not in text + str(logs)
    assert [line["why"] for line in logs] == ["unreachable"]


def test_a_silent_redis_is_waited_for_only_once(short_dir: Path, waits: list[Any]) -> None:
    server = RedisServer(short_dir)
    server.start()
    assert server.process is not None
    try:
        client = client_of(connect(server.url))
        assert client.get("/metrics").status_code == 200
        server.process.send_signal(signal.SIGSTOP)
        answer = client.get("/metrics")
        assert len(waits) == 1
        assert "\nawb_redis_up 0.0\n" in answer.get_data(as_text=True)
    finally:
        server.process.send_signal(signal.SIGCONT)
        server.stop()


def test_a_redis_that_falls_silent_midway_is_waited_for_only_once(redis_server: RedisServer, waits: list[Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=only_introduce, args=(listener, redis_server), daemon=True).start()
        client = client_of(connect(f"redis://127.0.0.1:{listener.getsockname()[1]}"))
        answer = client.get("/metrics")
    assert len(waits) == 1
    text = answer.get_data(as_text=True)
    assert "\nawb_up 0.0\n" in text
    assert "\nawb_redis_up 1.0\n" in text


def only_introduce(listener: socket.socket, server: RedisServer) -> None:
    """Let one client greet Redis and ask for INFO, and answer nothing else."""
    client, _ = listener.accept()
    with client, socket.socket(socket.AF_UNIX) as upstream:
        upstream.connect(server.url.partition("://")[2].partition("?")[0])
        while asked := client.recv(65_536):
            if any(word in asked for word in (b"HELLO", b"CLIENT", b"INFO", b"PING")):
                upstream.sendall(asked)
                client.sendall(upstream.recv(65_536))


def test_what_cannot_be_read_is_absent_and_the_rest_is_reported(connection: "redis.Redis") -> None:
    connection.hset(keys.coder("default"), "entitlements", '{"secret prompt')
    with capture_logs() as logs:
        found = scrape(connection, **API)
    assert (found.value("awb_up"), found.value("awb_redis_up")) == (0, 1)
    assert found.value("awb_usage", **AWB) is None
    assert found.value("awb_queue_length", queue="awb-deliveries") == 0
    assert found.value("awb_outbox_pending", **ONE) == 0
    assert "prompt" not in str(logs)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        (TEXT, "text/plain; version=0.0.4; charset=utf-8"),
        (f"{OPENMETRICS},{TEXT};q=0.5", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("application/openmetrics-text;version=new", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/html", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
def test_the_format_is_the_one_that_was_asked_for(connection: "redis.Redis", accept: str, content_type: str) -> None:
    answer = client_of(connection).get("/metrics", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith(content_type)


def test_both_formats_tell_the_same(connection: "redis.Redis", config: Config) -> None:
    deliver(connection, config, 2)
    client = client_of(connection)
    plain, new = (client.get("/metrics", headers={"Accept": accept}) for accept in (TEXT, OPENMETRICS))
    families = openmetrics_parser.text_string_to_metric_families(new.get_data(as_text=True))
    told = Scrape(families).samples
    moving = {"awb_redis_memory_used_bytes"}
    first = Scrape(parser.text_string_to_metric_families(plain.get_data(as_text=True))).samples
    assert [(s.name, s.labels, s.value) for s in told if s.name not in moving] == [
        (s.name, s.labels, s.value) for s in first if s.name not in moving
    ]
    assert openmetrics.exposition.CONTENT_TYPE_LATEST.partition(";")[0] == new.mimetype


def test_the_scrape_costs_the_same_after_many_builds(connection: "redis.Redis") -> None:
    client = client_of(connection, deployment="prod")

    def commands() -> int:
        before = connection.info("stats")["total_commands_processed"]
        client.get("/metrics")
        return int(connection.info("stats")["total_commands_processed"]) - int(before)

    into = ledger(connection)
    put(into, "w0", [record("k0", workspace_id="w0")])
    client.get("/metrics")
    few = commands()
    for number in range(1, 300):
        put(into, f"w{number}", [record(f"k{number}", workspace_id=f"w{number}")])
    assert commands() == few


def test_no_metric_is_written_twice_and_none_has_a_stranger_label(connection: "redis.Redis") -> None:
    found = scrape(connection, **API, metrics_user_names="true")
    series = [(sample.name, *sorted(sample.labels.items())) for sample in found.samples]
    assert len(series) == len(set(series))
    labels = {family.name: set(family.labels) for family in FAMILIES}
    assert {sample.name for sample in found.samples if set(sample.labels) != labels[sample.name]} == set()


def test_an_address_of_its_own_serves_metrics_and_health_and_nothing_else(redis_server: RedisServer) -> None:
    config = make_config(redis_server.url, metrics_bind="127.0.0.1:0")
    listener = metricserver.listen(config.settings)
    assert listener is not None
    port = listener.getsockname()[1]
    serving = metricserver.start(config, connect(redis_server.url), listener)
    try:
        codes = {
            path: requests.get(f"http://127.0.0.1:{port}{path}", timeout=20).status_code
            for path in ("/metrics", "/healthz", "/readyz", "/", "/v1/webhook", "/api/v1/usage")
        }
    finally:
        serving.close()
    assert codes == {
        "/metrics": 200,
        "/healthz": 200,
        "/readyz": 200,
        "/": 404,
        "/v1/webhook": 404,
        "/api/v1/usage": 404,
    }


def test_without_metrics_bind_there_is_no_second_address() -> None:
    assert metricserver.listen(make_config().settings) is None


def test_every_metric_is_documented_with_its_labels() -> None:
    text = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(awb_\w+)` \| ([^|]*) \| [^|]+ \|$", text, re.MULTILINE)
    told = {name: tuple(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    assert told == {family.name: family.labels for family in FAMILIES}
    assert len(rows) == len(told)
