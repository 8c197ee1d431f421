"""`awb coder check` says only true things of every kind of deployment: its output was read by a person and is kept."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
import time_machine
from click.testing import Result

from app.core.coder.subscription import NEEDED
from tests.cli import codersays
from tests.cli.codersays import KEY, KINDS, TOKEN, Deployment, made_up, recorded, snapshot
from tests.cli.conftest import Awb
from tests.cli.make import build, put

Ask = Callable[..., Result]


@pytest.fixture
def ask(awb: Awb) -> Ask:
    """Run a command against a deployment, with the settings that fit to it unless the test says others."""

    def run(one: Deployment, *words: str, token: str = TOKEN, **environ: str) -> Result:
        endpoint = urlsplit(one.endpoint)
        fitting = {
            "AWB_WEBHOOK_SECRET": endpoint.password or "",
            "AWB_PUBLIC_URL": f"{endpoint.scheme}://{endpoint.netloc.rpartition('@')[2]}",
        }
        with one.serve() as url, time_machine.travel(one.now, tick=False):
            return awb(*words, **{"AWB_CODER_URL": url, "AWB_CODER_TOKEN": token, **fitting, **environ})

    return run


def as_kept(one: Deployment, output: str) -> str:
    """Take out what differs between two deployments of a kind: names, addresses, times, the commit of a version."""
    name = one.answers["/users/me"][1]["username"]
    host = urlsplit(one.endpoint).netloc.rpartition("@")[2]
    text = re.sub(rf"\b{name}\b", "NAME", output).replace(host, "HOST")
    text = re.sub(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "ID", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "TIME", text)
    return re.sub(r"(v\d+\.\d+\.\d+)\+\w+", r"\1", text)


def said_by_both(ask: Ask, one: Deployment, token: str = TOKEN) -> str:
    """Return what the two commands print, each below its name."""
    parts = []
    for command in ("check", "subscribe"):
        result = ask(one, "coder", command, token=token)
        parts.append(f"$ awb coder {command}\n{result.stdout}{result.stderr}exit code {result.exit_code}\n")
    return as_kept(one, "\n".join(parts))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_said_of_each_kind_of_deployment_is_what_was_reviewed(ask: Ask, kind: str) -> None:
    one = made_up(kind)
    assert said_by_both(ask, one) == snapshot(kind).read_text(encoding="utf-8")


@pytest.mark.skipif(not codersays.RECORDED.is_dir(), reason="no answers of real servers on this machine")
@pytest.mark.parametrize("kind", KINDS)
def test_of_what_real_servers_answered_the_same_is_said(ask: Ask, kind: str) -> None:
    one, key = recorded(kind)
    assert said_by_both(ask, one, f"{key}-madeUpMadeUpMadeUpMade") == snapshot(kind).read_text(encoding="utf-8")


def findings(ask: Ask, one: Deployment, **environ: str) -> dict[str, tuple[str, str]]:
    """Return outcome and what is said, with its hint, by the id of the check."""
    result = ask(one, "coder", "check", "--json", **environ)
    return {row["check"]: (row["outcome"], f"{row['message']} → {row['hint']}") for row in json.loads(result.stdout)}


OWNER, BOT = "v2.31.9 owner", "v2.31.9 template-admin and auditor"
DISPATCH = "/notifications/dispatch-methods"
BY_MAIL = (200, {"available": ["smtp", "webhook"], "default": "smtp"})
LICENSED = (
    200,
    {
        "has_license": True,
        "features": {"managed_agent_limit": {"entitlement": "entitled", "enabled": True, "limit": 800, "actual": 12}},
    },
)


@pytest.mark.parametrize(
    ("secret", "former", "outcome", "says"),
    [
        (codersays.SECRET, "", "ok", "carries the right secret"),
        (codersays.SECRET, "another-secret-of-ours", "ok", "carries the right secret"),
        ("another-secret-of-ours", "", "error", "every notification is refused"),
        ("another-secret-of-ours", codersays.SECRET, "warning", "carries the former secret"),
    ],
)
def test_the_secret_that_coder_has_is_compared_and_never_shown(
    ask: Ask, secret: str, former: str, outcome: str, says: str
) -> None:
    one = made_up(OWNER)
    secrets = {"AWB_WEBHOOK_SECRET": secret, **({"AWB_WEBHOOK_SECRET_PREVIOUS": former} if former else {})}
    found = findings(ask, one, **secrets)["coder.secret"]
    assert (found[0], says in found[1]) == (outcome, True)
    for command in (("coder", "check"), ("coder", "check", "--json"), ("doctor",), ("doctor", "--json")):
        result = ask(one, *command, **secrets)
        assert not [text for text in (codersays.SECRET, secret, TOKEN, KEY) if text in result.output]


def test_the_doctor_compares_the_secret_as_well(ask: Ask) -> None:
    one = made_up(OWNER)
    for secret, outcome in ((codersays.SECRET, "ok"), ("another-secret-of-ours", "error")):
        told = json.loads(ask(one, "doctor", "--json", AWB_WEBHOOK_SECRET=secret).stdout)
        assert [row["outcome"] for row in told if row["check"] == "coder.secret"] == [outcome]


def test_the_doctor_says_that_it_could_not_compare_the_secret(ask: Ask) -> None:
    told = json.loads(ask(made_up("v2.31.9 member"), "doctor", "--json").stdout)
    assert [row["outcome"] for row in told if row["check"] == "coder.endpoint"] == ["warning"]


def test_a_secret_that_only_the_receiver_knows_is_read_from_the_data_directory(ask: Ask, tmp_path: Path) -> None:
    one = made_up(OWNER)
    (tmp_path / "data").mkdir()
    assert findings(ask, one, AWB_WEBHOOK_SECRET="")["coder.secret"][0] == "warning"
    assert not list((tmp_path / "data").iterdir())
    (tmp_path / "data" / "webhook-secret").write_text(codersays.SECRET)
    assert findings(ask, one, AWB_WEBHOOK_SECRET="")["coder.secret"][0] == "ok"


@pytest.mark.parametrize(
    ("kind", "licence", "hint", "set_by_us"),
    [
        (OWNER, None, "set CODER_NOTIFICATIONS_METHOD=webhook", False),
        ("v2.31.9 AGPL owner", None, "set CODER_NOTIFICATIONS_METHOD=webhook", False),
        (OWNER, LICENSED, "run: awb coder subscribe", True),
        (BOT, LICENSED, "let an owner run `awb coder subscribe`", False),
    ],
)
def test_where_notifications_do_not_go_out_by_webhook_the_remedy_is_one_that_the_token_has(
    ask: Ask, kind: str, licence: Any, hint: str, set_by_us: bool
) -> None:
    one = made_up(kind).but({DISPATCH: BY_MAIL, **({"/entitlements": licence} if licence else {})})
    outcome, says = findings(ask, one)["coder.method"]
    assert (outcome, hint in says, "Premium" in says) == ("error", True, False)
    ask(one, "coder", "subscribe", "--yes")
    assert any(path.endswith("/method") for method, path, _ in one.requests if method == "PUT") is set_by_us


def test_templates_with_the_method_webhook_of_their_own_are_sent_by_webhook(ask: Ask) -> None:
    listed = [{**one, "method": "webhook"} for one in codersays.templates(pauses=True)]
    one = made_up(OWNER).but({DISPATCH: BY_MAIL, "/notifications/templates/system": (200, listed)})
    assert findings(ask, one)["coder.method"][0] == "ok"
    one = made_up(OWNER).but(
        {DISPATCH: BY_MAIL, "/notifications/templates/system": (200, [*listed[:-1], {**listed[-1], "method": ""}])}
    )
    assert "not sent by webhook: Task Resumed →" in findings(ask, one)["coder.method"][1]


@pytest.mark.parametrize("kind", ["v2.31.9 owner", "v2.31.9 member", BOT])
def test_only_what_the_user_can_receive_is_switched_on(ask: Ask, kind: str) -> None:
    one = made_up(kind)
    path = next(path for path in one.answers if path.endswith("/preferences"))
    one = one.but({path: (200, [{"id": template, "disabled": True} for template in NEEDED])})
    can = [name for name in NEEDED.values() if name in _RECEIVED[kind]]
    assert findings(ask, one)["coder.templates"] == (
        "warning",
        f"off for counter-bot: {', '.join(can)} → run: awb coder subscribe",
    )
    ask(one, "coder", "subscribe", "--yes")
    [(_, _, body)] = [request for request in one.requests if request[0] == "PUT"]
    assert [NEEDED[template] for template in body["template_disabled_map"]] == can


_TO_OWNERS_OF_WORKSPACES = {"Task Resumed", "Task Paused", "Workspace Autobuild Failed"}
_RECEIVED = {
    "v2.31.9 member": _TO_OWNERS_OF_WORKSPACES,
    "v2.31.9 owner": _TO_OWNERS_OF_WORKSPACES | {"Workspace Created"},
    BOT: set(NEEDED.values()),
}


@pytest.mark.parametrize(
    ("kind", "users", "outcome", "says"),
    [
        (OWNER, (200, {"users": []}), "warning", "there is none"),
        (OWNER, (200, {"users": [codersays.user("olga", "owner")]}), "warning", "there is none"),
        (OWNER, (400, {"message": "No such filter."}), "warning", "whether there is one is not known"),
        (OWNER, (500, {"message": "Broken."}), "warning", "whether there is one is not known"),
        ("v2.31.9 member", (200, {"users": []}), "warning", "whether there is one is not known"),
        ("v2.31.9 member", (200, {"users": [codersays.user("tim", "template-admin")]}), "ok", "there is one"),
    ],
)
def test_whether_somebody_learns_of_a_failed_first_build_is_said_as_far_as_it_is_known(
    ask: Ask, kind: str, users: Any, outcome: str, says: str
) -> None:
    found = findings(ask, made_up(kind).but({"/users": users}))["coder.failures"]
    assert (found[0], says in found[1]) == (outcome, True)
    assert ("give one user that role" in found[1]) is (outcome == "warning")


def test_an_audit_log_that_records_nothing_finds_no_deleted_task(ask: Ask) -> None:
    kind = "v2.31.9 AGPL owner"
    one = made_up(kind).but({f"/organizations/{codersays.ORGANIZATION}/provisionerjobs": codersays.MISSING})
    outcome, says = findings(ask, one)["coder.deleted"]
    assert (outcome, "keeps no audit log" in says) == ("warning", True)


@pytest.mark.parametrize(
    ("left", "lifetime", "made_ago", "outcome", "says"),
    [
        # Not moved on by the use that it has just had, so it never is.
        (timedelta(days=15), codersays.YEAR, timedelta(days=350), "ok", "however much it is used"),
        (timedelta(days=13), codersays.YEAR, timedelta(days=352), "warning", "create a new one in time"),
        (timedelta(hours=5), codersays.YEAR, timedelta(days=364), "warning", "in 5 hours, however"),
        # Moved on.
        (timedelta(days=365), codersays.YEAR, timedelta(days=90), "ok", "365 days after its last use"),
        (timedelta(days=7), timedelta(days=7), timedelta(days=90), "warning", "if the meter is off for 7 days"),
        # Too young for Coder to move it.
        (timedelta(days=365), codersays.YEAR, timedelta(0), "ok", "in 365 days →"),
        (timedelta(days=7), timedelta(days=7), timedelta(0), "warning", "in 7 days →"),
    ],
)
def test_when_the_token_expires_is_said_fourteen_days_ahead(
    ask: Ask, left: timedelta, lifetime: timedelta, made_ago: timedelta, outcome: str, says: str
) -> None:
    one = made_up(BOT)
    record = codersays.key(lifetime, created=one.now - made_ago, expires=one.now + left)
    found = findings(ask, one.but({f"/users/me/keys/{KEY}": (200, record)}))["coder.expiry"]
    assert (found[0], says in found[1]) == (outcome, True), found[1]


@pytest.mark.parametrize(
    ("scopes", "allowed", "outcome", "says"),
    [
        (codersays.SCOPES, ["*:*"], "warning", "suffice for counting"),
        (("workspace:*", "task:*", "template:*", "user:*", "organization:*"), ["*:*"], "warning", "suffice"),
        (codersays.SCOPES[1:], ["*:*"], "error", "missing: workspace:read"),
        (codersays.SCOPES, [f"workspace:{codersays.ORGANIZATION}"], "error", "limited to single workspaces"),
        (("coder:all",), ["*:*"], None, ""),
    ],
)
def test_a_token_with_limited_scopes_is_reported_with_those_that_counting_lacks(
    ask: Ask, scopes: tuple[str, ...], allowed: list[str], outcome: str | None, says: str
) -> None:
    record = {**codersays.key(codersays.YEAR, *scopes), "allow_list": allowed}
    found = findings(ask, made_up(BOT).but({f"/users/me/keys/{KEY}": (200, record)})).get("coder.scopes")
    assert (found and found[0], says in (found or ("", ""))[1]) == (outcome, True)


def test_who_creates_most_tasks_is_not_notified_of_new_ones(ask: Ask, connection: "redis.Redis") -> None:
    one = made_up(OWNER)
    at = one.now - timedelta(hours=1)
    put(connection, [build(1, at, owner="ada"), build(2, at, owner="ada"), build(3, at, owner="counter-bot")])
    assert findings(ask, one)["coder.recipient"][0] == "ok"
    put(connection, [build(n, at, owner="counter-bot") for n in range(4, 8)])
    assert findings(ask, one)["coder.recipient"][0] == "warning"
