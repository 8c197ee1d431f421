"""Prometheus takes the metrics and the alert rules, and every rule fires when it should and only then."""

import re
from typing import Any

import pytest
import redis
import yaml

from app import clock
from app.core.limit.drift import DriftPoint
from app.store import keys
from app.store.coder.state import CoderState
from app.web.metrics import server as metricserver
from app.web.metrics.families import FAMILIES
from tests.conftest import make_config
from tests.deploy.promtool import ROOT, promtool, unknown
from tests.store.make import ledger, put, record
from tests.web.test_metrics import API, entitlements

FOLDER = ROOT / "deploy" / "prometheus"
RULES = [
    rule
    for group in yaml.safe_load((FOLDER / "awb-alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
TESTS = yaml.safe_load((FOLDER / "awb-alerts-test.yml").read_text(encoding="utf-8"))["tests"]
ANNOTATIONS = {"summary", "description", "runbook_url"}


def name(rule: dict[str, Any]) -> str:
    return str(rule["alert"])


def test_promtool_finds_nothing_to_object_to_in_the_metrics(connection: "redis.Redis") -> None:
    now = clock.now()
    state = CoderState(connection, "prod")
    state.save_licence(entitlements(1, now), None, now)
    state.note(reconciled_at=now.timestamp())
    state.add_drift(DriftPoint(now, 1, 1))
    put(ledger(connection), "w1", [record()])
    connection.sadd(keys.DEPLOYMENTS, "prod")
    settings = {**API, "deployment": "prod", "metrics_user_names": "true"}
    settings |= {"slack_webhook_url": "https://hooks.slack.com/services/T0/B0/x"}
    client = metricserver.create_app(make_config(**settings), connection).test_client()
    text = client.get("/metrics").get_data(as_text=True)
    told = set(re.findall(r"^(awb_\w+)[ {]", text, re.MULTILINE))
    missing = {family.name for family in FAMILIES} - told
    # A breach needs a week of builds, and a relay its settings.
    assert {name for name in missing if not name.startswith("awb_relay_")} == {"awb_forecast_breach_timestamp_seconds"}
    done = promtool("check", "metrics", given=text)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_rules_are_valid() -> None:
    done = promtool("check", "rules", str(FOLDER / "awb-alerts.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_fires_when_it_should_and_only_then() -> None:
    done = promtool("test", "rules", "awb-alerts-test.yml", cwd=FOLDER)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("rule", RULES, ids=name)
def test_every_rule_is_shown_to_fire_and_to_stay_silent(rule: dict[str, Any]) -> None:
    asked = [part for test in TESTS for part in test["alert_rule_test"] if part["alertname"] == rule["alert"]]
    assert {bool(part["exp_alerts"]) for part in asked} == {True, False}


@pytest.mark.parametrize("rule", RULES, ids=name)
def test_every_rule_names_only_what_exists(rule: dict[str, Any]) -> None:
    assert unknown(rule["expr"]) == []


@pytest.mark.parametrize("rule", RULES, ids=name)
def test_every_rule_says_how_bad_it_is_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("info", "warning", "critical")
    assert set(rule["annotations"]) == ANNOTATIONS
    assert "/docs/runbook#" in rule["annotations"]["runbook_url"]


@pytest.mark.parametrize("rule", RULES, ids=name)
def test_every_command_that_a_rule_names_exists(rule: dict[str, Any]) -> None:
    text = (ROOT / "docs" / "operation.md").read_text(encoding="utf-8")
    named = re.findall(r"\b(awb (?:coder \w+|[a-z]+))\b", rule["annotations"]["description"])
    assert [command for command in named if f"`{command}" not in text] == []
