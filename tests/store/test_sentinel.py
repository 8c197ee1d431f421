"""Redis behind Sentinel, reached by TLS, with a user at the servers and a password at the sentinels."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from app.cli.base import open_redis
from app.config.load import Config
from app.core.finding import Finding, Result
from app.doctor.redis import examine_redis
from app.web.factory import create_app
from tests.conftest import make_config, short_directory, wait_until
from tests.faults.fleet import SERVICE, Fleet
from tests.store.test_tls import write
from tests.web.make import ROOT, answer, basic, notification

PASSWORD = "a-password-of-a-sentinel"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    path = short_directory()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def fleet(folder: Path) -> Iterator[Fleet]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    cert, key = write(folder, "server", authority.issue_cert("127.0.0.1"))
    files = {"tls-cert-file": cert, "tls-key-file": key, "tls-ca-cert-file": folder / "ca.pem"}
    # A client shows no certificate here; tests/store/test_tls.py is about those.
    with Fleet(folder, password=PASSWORD, tls={**files, "tls-replication": "yes", "tls-auth-clients": "no"}) as built:
        yield built.start()


@pytest.fixture
def settings(folder: Path) -> dict[str, Any]:
    return {"redis_ca_file": folder / "ca.pem", "redis_sentinel_password": PASSWORD}


def findings(config: Config) -> dict[str, Finding]:
    return {one.check: one for one in examine_redis(config, open_redis(config))}


def test_deliveries_reach_the_master_before_and_after_a_failover(fleet: Fleet, settings: dict[str, Any]) -> None:
    config = make_config(fleet.url, **settings, redis_wait_replicas=1)
    connection = open_redis(config, hurried=True)
    client = create_app(config, connection).test_client()
    assert answer(client.post("/v1/webhook", headers=basic(), data=notification("m1"))) == (202, "accepted")
    assert answer(client.post("/v1/webhook", headers=basic(), data=b"{")) == (202, "quarantined")
    before = fleet.masters()
    fleet.sentinel(fleet.sentinel_ports[0]).execute_command("SENTINEL", "FAILOVER", SERVICE)
    wait_until(lambda: fleet.whole() and fleet.masters() != before)
    # The old master lives on as a replica, and the connection to it with it.
    wait_until(lambda: client.post("/v1/webhook", headers=basic(), data=notification("m2")).status_code in {200, 202})
    assert answer(client.post("/v1/webhook", headers=basic(), data=notification("m1"))) == (200, "duplicate")
    (now,) = fleet.masters()
    assert fleet.admin(now).llen("rq:queue:awb-deliveries") == 2
    assert connection.ping()


def test_the_documented_rights_of_a_user_of_the_sentinels_suffice(fleet: Fleet, settings: dict[str, Any]) -> None:
    text = (ROOT / "docs" / "redis.md").read_text(encoding="utf-8")
    (rules,) = re.findall(r"`AWB_REDIS_SENTINEL_USER` needs `([^`]+)`", text)
    sentinel = fleet.sentinel(fleet.sentinel_ports[0])
    sentinel.execute_command("ACL", "SETUSER", "watcher", "on", f">{PASSWORD}", "-@all", *rules.split())
    config = make_config(fleet.url, **settings, redis_sentinel_user="watcher")
    assert open_redis(config).ping()
    assert findings(config)["redis.sentinel"].message.startswith("1 sentinel")


def test_doctor_is_content_with_what_sentinel_says(fleet: Fleet, settings: dict[str, Any]) -> None:
    for number in range(len(fleet.servers)):
        fleet.admin(number).execute_command("ACL", "SETUSER", "awb", "+info")
    found = findings(make_config(fleet.url, **settings, redis_wait_replicas=1))
    assert found["redis.reachable"].outcome is Result.OK
    # One sentinel is no majority of three.
    assert (found["redis.sentinel"].outcome, found["redis.sentinel"].message[:10]) == (Result.WARNING, "1 sentinel")
    assert found["redis.replication"].message == (
        "confirmed deliveries are on 1 of 1 replica; if one fails, deliveries are refused"
    )


@pytest.mark.parametrize(
    ("url", "settings_more", "says"),
    [
        ("{url}", {"redis_sentinel_password": "wrong-password-of-one"}, "wrong password"),
        ("rediss+sentinel://awb:x@127.0.0.1:1/awb", {}, "no sentinel answers: 127.0.0.1:1 (away)"),
        ("{other}", {}, "no sentinel knows a master named “other”"),
    ],
    ids=["wrong password", "nobody there", "another name"],
)
def test_doctor_says_why_sentinel_leads_nowhere(
    fleet: Fleet, settings: dict[str, Any], url: str, settings_more: dict[str, str], says: str
) -> None:
    given = url.format(url=fleet.url, other=f"rediss+sentinel://{fleet.hosts}/other")
    found = findings(make_config(given, **{**settings, **settings_more}))
    assert found["redis.reachable"].outcome is Result.ERROR
    assert says in found["redis.sentinel"].message
    assert PASSWORD not in str(found)


def test_a_sentinel_that_is_away_does_not_matter_while_another_answers(fleet: Fleet, settings: dict[str, Any]) -> None:
    url = fleet.url.replace("127.0.0.1:", "127.0.0.1:1,127.0.0.1:", 1)
    config = make_config(url, **settings)
    assert open_redis(config).ping()
    assert findings(config)["redis.sentinel"].message == "sentinels that do not answer: 127.0.0.1:1 (away)"
