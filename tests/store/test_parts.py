"""Parts on several machines must have the same settings; doctor says which differ."""

import os
import subprocess
import sys
from typing import Any

import pytest
import redis

from app.config.fingerprint import fingerprint
from app.core.finding import Result
from app.doctor.parts import examine_parts
from app.pipeline.operate import reporting
from app.store.parts import Part, Parts
from tests.conftest import SECRET, make_config, wait_until
from tests.workers.make import ROOT

NOW = 1_772_438_400.0
OTHER = "another-secret-of-the-tests"
ROUTES = '[{"levels": [">=90%"], "receivers": ["slack"]}]'
SCOPES = '[{"by": "user", "limit": 5}]'


def part(name: str, **settings: Any) -> Part:
    return Part(name, fingerprint(make_config(**settings)))


def found(connection: "redis.Redis", *parts: Part) -> list[tuple[Result, str]]:
    from app import clock  # noqa: PLC0415 - beside its only use

    connection.flushall()
    for one in parts:
        Parts(connection).report(one, clock.now().timestamp())
    return [(finding.outcome, finding.message) for finding in examine_parts(connection)]


def test_what_belongs_to_a_machine_may_differ(connection: "redis.Redis") -> None:
    one, other = part("web on a (1)", bind="127.0.0.1:1"), part("web on b (2)", bind="127.0.0.1:2", data_dir="/tmp/x")
    assert found(connection, one, other) == [(Result.OK, "2 parts have the same settings")]
    assert found(connection, one) == []


def test_receivers_with_different_secrets_are_named_without_the_secrets(connection: "redis.Redis") -> None:
    one, other = part("web on a (1)"), part("web on b (2)", webhook_secret=OTHER)
    assert found(connection, one, other) == [
        (Result.ERROR, "webhook_secret differs between web on a (1) and web on b (2)")
    ]
    stored = str(connection.hgetall("awb:v1:parts"))
    assert SECRET not in stored
    assert OTHER not in stored


def test_another_limit_is_a_warning(connection: "redis.Redis") -> None:
    one, other = part("web on a (1)"), part("worker on b (2)", limit=5)
    assert found(connection, one, other) == [(Result.WARNING, "limit differs between web on a (1) and worker on b (2)")]


def test_a_part_that_does_not_have_a_secret_differs_from_nobody(connection: "redis.Redis") -> None:
    assert found(connection, part("web on a (1)", session_secret=OTHER), part("scheduler on b (2)"))[0][0] is Result.OK


def test_a_part_that_does_not_report_any_more_is_forgotten(connection: "redis.Redis") -> None:
    Parts(connection).report(part("web on a (1)"), NOW)
    assert len(Parts(connection).running(NOW + 60)) == 1
    assert Parts(connection).running(NOW + 300) == []
    assert connection.hlen("awb:v1:parts") == 0


def test_a_part_reports_while_it_runs_and_is_forgotten_at_its_end(
    connection: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "_FIRST_SECONDS", 0.01)
    with reporting.reporting(connection, make_config, "web"):
        wait_until(lambda: connection.hlen("awb:v1:parts") == 1)
    assert connection.hlen("awb:v1:parts") == 0


def test_every_process_has_the_same_fingerprint_of_the_same_settings() -> None:
    code = (
        "from app.config.fingerprint import fingerprint; from app.config.load import load; print(fingerprint(load()))"
    )
    settings = {
        "AWB_ROUTES": ROUTES,
        "AWB_SCOPES": SCOPES,
        "AWB_AI_TEMPLATES": "a,b,c",
        "AWB_QUIET_HOURS": "22:00-07:00",
    }
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **settings, "PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1
