"""A meter on Redis Cluster: with a hash tag in its prefix, all keys are in one slot, and it follows that slot."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import trustme

from app.config.load import EXIT_CONFIG
from app.core.finding import Result
from app.core.schema import ClusterModeError
from app.doctor.redis import examine_redis
from app.store.receive.inbox import Inbox
from app.store.rq import readyjob
from app.store.schema import prepare
from app.store.server.connection import connect
from tests.conftest import make_config
from tests.guides.blocks import block
from tests.store.nodes import Nodes
from tests.store.test_tls import write
from tests.workers.make import ROOT, environment

PREFIX = "{awb}:"
#: The slot of the tag, according to CLUSTER KEYSLOT.
SLOT = 12657


@pytest.fixture(scope="module")
def single() -> Iterator[Nodes]:
    """One node that has all slots."""
    with Nodes(1) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def three() -> Iterator[Nodes]:
    """Three masters; the last one has the slot of the tag."""
    with Nodes(3) as nodes:
        yield nodes


def run(url: str, *steps: str, prefix: str = PREFIX) -> list[Any]:
    """Run steps of a meter with a prefix, and return what they found."""
    command = [sys.executable, "-m", "tests.store.prefixed", url, prefix, *steps]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def start(url: str, *words: str, **settings: Any) -> "subprocess.CompletedProcess[str]":
    """Run a command; without one, start the scheduler of a meter that cannot start."""
    command = [sys.executable, "-m", "app.cli", *(words or ["scheduler"])]
    return subprocess.run(
        command, cwd=ROOT, env=environment(url, **settings), capture_output=True, text=True, timeout=120, check=False
    )


def test_without_a_hash_tag_a_delivery_would_be_refused_because_of_its_slots(single: Nodes) -> None:
    with pytest.raises(redis.exceptions.RedisError, match="same slot"):
        Inbox(connect(single.url(0)), "prod").accept(readyjob.delivery_job("prod", "m1", 1.0, {}), "m1", 1.0)


def test_without_a_hash_tag_the_start_ends_with_a_sentence_that_says_what_to_do(single: Nodes) -> None:
    with pytest.raises(ClusterModeError):
        prepare(connect(single.url(0)))
    ended = start(single.url(0))
    assert ended.returncode == EXIT_CONFIG
    assert "AWB_REDIS_PREFIX to a prefix with a hash tag, such as {awb}:" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_without_a_hash_tag_doctor_says_so_too(single: Nodes) -> None:
    (found,) = examine_redis(make_config(single.url(0)), connect(single.url(0)))
    assert (found.check, found.outcome) == ("redis.mode", Result.ERROR)
    assert "AWB_REDIS_PREFIX" in found.hint


def add_user(nodes: Nodes, number: int) -> None:
    """Add the user of docs/redis.md for a meter with a prefix."""
    rules = block("docs/redis.md", "Redis that you run yourself", 3).removeprefix("ACL SETUSER awb ")
    words = rules.replace("PREFIX", PREFIX).replace("PASSWORD", "secret").split()
    admin = nodes.admin(number)
    if admin.info("server")["redis_version"].startswith("6."):
        text = (ROOT / "docs" / "redis.md").read_text(encoding="utf-8")
        words += re.findall(r"with Redis 6.2, the user also needs `([^`]+)`", text)[0].split()
    admin.execute_command("ACL", "SETUSER", "awb", "reset", *words)


def test_with_a_hash_tag_a_node_that_has_all_slots_and_the_documented_rights_suffice(single: Nodes) -> None:
    add_user(single, 0)
    url = single.url(0).replace("//", "//awb:secret@")
    statuses, left, pages, usage, rows, doctor = run(url, "receive", "work", "pages", "usage", "rows", "doctor")
    assert (statuses, left, pages) == ([202], 0, [200])
    assert usage["used"] > 0
    assert {kind for kind, _ in rows} == {"key", "workspace"}
    assert doctor["redis.reachable"][0] == "ok"
    assert doctor["redis.mode"][0] == "warning"
    assert str(SLOT) in doctor["redis.mode"][1]
    assert single.ask(0, "COUNTKEYSINSLOT", SLOT) == single.admin(0).dbsize() > 50


def test_a_meter_finds_the_node_that_has_its_slot_from_any_node(three: Nodes) -> None:
    add_user(three, 0)
    add_user(three, 2)
    statuses, left, pages, doctor = run(
        f"redis+cluster://awb:secret@127.0.0.1:1,127.0.0.1:{three.ports[0]}", "receive", "work", "pages", "doctor"
    )
    assert (statuses, left, pages) == ([202], 0, [200])
    where = f"127.0.0.1:{three.ports[three.owner(SLOT)]}"
    assert doctor["redis.mode"] == ["ok", f"Redis Cluster: all keys are in slot {SLOT}, on {where}"]
    assert [three.admin(number).dbsize() > 0 for number in range(3)] == [False, False, True]


@pytest.mark.long
def test_a_fixed_address_of_another_node_is_refused_with_the_remedy(three: Nodes) -> None:
    ended = start(three.url(0), redis_prefix=PREFIX)
    assert ended.returncode == EXIT_CONFIG
    assert f"127.0.0.1:{three.ports[2]} does now: set AWB_REDIS_URL to redis+cluster://" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.long
def test_nodes_are_asked_by_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    # The certificate is for a name, while nodes are known by address.
    cert, key = write(tmp_path, "node", authority.issue_cert("redis.example.com"))
    files = ("--tls-cert-file", str(cert), "--tls-key-file", str(key), "--tls-ca-cert-file", str(tmp_path / "ca.pem"))
    with Nodes(1, tls=(*files, "--tls-auth-clients", "no")) as nodes:
        url = f"rediss+cluster://127.0.0.1:{nodes.ports[0]}"
        trusting = {"redis_prefix": PREFIX, "redis_ca_file": tmp_path / "ca.pem"}
        wrong, right = (
            {one["check"]: one for one in json.loads(start(url, "doctor", "--json", **trusting, **more).stdout)}
            for more in ({}, {"redis_server_name": "redis.example.com"})
        )
        assert wrong["redis.reachable"]["outcome"] == "error"
        assert (right["redis.reachable"]["outcome"], right["redis.mode"]["outcome"]) == ("ok", "ok")
