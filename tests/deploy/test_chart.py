"""The Helm chart in step with the program, as far as it can be seen without Helm (tests/deploy/test_helm.py)."""

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from app.config.settings import SECRET_FIELDS
from app.store.rq import jobqueue
from tests.deploy import values

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads(values.SCHEMA.read_text(encoding="utf-8"))
DEFAULTS = yaml.safe_load((values.CHART / "values.yaml").read_text(encoding="utf-8"))


def test_the_chart_has_the_version_of_the_package() -> None:
    chart = yaml.safe_load((values.CHART / "Chart.yaml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert chart["version"] == chart["appVersion"] == project["version"]


def test_every_value_is_documented() -> None:
    assert values.in_readme() == values.table(), "run: python -m tests.deploy.values"


def test_the_schema_has_the_settings_secrets_and_queues_of_the_program() -> None:
    assert values.with_settings(SCHEMA) == SCHEMA, "run: python -m tests.deploy.values"


def test_no_secret_is_a_value() -> None:
    assert set(SCHEMA["properties"]["settings"]["properties"]) & set(SECRET_FIELDS) == set()


def test_every_queue_has_a_group_of_workers() -> None:
    worked = [queue for one in DEFAULTS["workers"].values() for queue in one["queues"]]
    assert sorted(worked) == sorted(jobqueue.CORE)


def test_the_defaults_are_valid() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.validate(DEFAULTS, SCHEMA)


def objects(schema: Any) -> list[Any]:
    found = [schema] if isinstance(schema, dict) and isinstance(schema.get("properties"), dict) else []
    children = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else []
    return found + [one for child in children for one in objects(child)]


def test_no_object_of_the_schema_takes_what_it_does_not_name() -> None:
    assert len(objects(SCHEMA)) > 20
    assert [one for one in objects(SCHEMA) if one.get("additionalProperties") is not False] == []


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"setings": {}}, "setings"),
        ({"settings": {"limits": 5}}, "limits"),
        ({"settings": {"slack_webhook_url": "https://hooks.slack.test/x"}}, "slack_webhook_url"),
        ({"settings": {"thresholds": "75%"}}, "75%"),
        ({"settings": {"deployment_settings": {"a": {"coder_token": "x"}}}}, "coder_token"),
        ({"secret": {"name": "x", "keys": ["webhook-secret"]}}, "webhook-secret"),
        ({"workers": {"x": {"queues": ["deliveries"], "replicas": 1}}}, "deliveries"),
        ({"workers": {"x": {"queues": ["awb-deliveries"], "replicas": 0}}}, "0"),
        ({"web": {"replicas": 0}}, "0"),
        ({"ingress": {"path": "awb"}}, "awb"),
        ({"runAsUser": 0}, "0"),
        ({"service": {"type": "clusterIP"}}, "clusterIP"),
    ],
    ids=str,
)
def test_a_wrong_value_is_refused_by_name(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(jsonschema.ValidationError) as refused:
        jsonschema.validate(wrong, SCHEMA)
    assert named in refused.value.message
