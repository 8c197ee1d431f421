"""The commands: what they print and with which code they end."""

import inspect
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import redis
import requests
from flask.testing import FlaskClient

from app import clock
from app.cli import main
from app.cli.commands import SECTIONS
from app.config.load import Config
from app.core.count.delivery import read_delivery
from app.pipeline.count.count import count
from app.web.factory import create_app
from tests.cli.conftest import Awb, call, rows_of
from tests.conftest import SECRET
from tests.web.make import PAYLOADS, ROOT, basic, notification, payload_file

AWAY = "unix:///nowhere/redis.sock"


@pytest.fixture
def client(connection: "redis.Redis", config: Config) -> FlaskClient:
    return create_app(config, connection).test_client()


@pytest.fixture
def three_builds(connection: "redis.Redis", config: Config) -> None:
    arrived = clock.now().timestamp()
    for number, owner in enumerate(["ada", "ada", "[/bold]"]):
        body = notification(f"m{number}", number, user_username=owner)
        count(connection, config, [(config.settings.deployment, f"m{number}", arrived, read_delivery(body).payload)])


def commands(group: click.Group = main, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        words = (*before, name)
        yield from commands(command, words) if isinstance(command, click.Group) else [words]


@pytest.mark.parametrize("words", [(), ("config",), *commands()], ids=" ".join)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_explains_itself(words: tuple[str, ...], option: str) -> None:
    result = call(*words, option)
    assert result.exit_code == 0
    assert result.output.startswith("Usage: ")
    assert len(result.output.splitlines()) > 4


def test_every_command_is_listed_under_a_purpose_and_its_module_has_it() -> None:
    """Modules are imported when a command is asked for, so the list must be right."""
    listed = {name: module for section in SECTIONS.values() for name, (module, _) in section.items()}
    for name, module in listed.items():
        made = main.commands[name]
        assert inspect.unwrap(made.callback or main).__module__ == f"app.cli.{module}"
    assert set(main.commands) == set(listed)
    shown = call("--help").stdout
    assert [title for title in SECTIONS if f"{title}:" not in shown] == []
    assert [name for name in listed if f"\n  {name} " not in shown] == []


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["statsu"], "'status'"),
        (["alerts", "akc"], "'ack'"),
        (["silence", "lst"], "'list'"),
        (["status", "--jsno"], "'--json'"),
        (["top", "--perod", "2026-10-01"], "'--period'"),
    ],
)
def test_a_mistyped_command_or_option_is_a_usage_error_with_a_hint(words: list[str], hint: str) -> None:
    result = call(*words)
    assert result.exit_code == 2
    assert f"Did you mean {hint}" in result.stderr


def test_the_version_is_reported_where_the_package_is_not_installed() -> None:
    result = call("--version")
    assert result.exit_code == 0
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert result.stdout.startswith(f"awb, version {told}")


# ---- config ----


def test_a_good_configuration_is_ok(awb: Awb) -> None:
    result = awb("config", "check")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "awb-meter.toml: ok." in result.stdout
    assert "rules, ok." in result.stdout


def test_every_mistake_ends_with_code_78_and_all_of_them_are_printed(awb: Awb) -> None:
    result = awb("config", "check", AWB_LIMIT="many", AWB_BIND="x", AWB_NO="1", AWB_CODER_TOKEN_FILE="/nowhere")
    assert result.exit_code == 78
    lines = result.stderr.splitlines()
    assert all(line.startswith("configuration: ") for line in lines)
    for name in ("AWB_LIMIT:", "AWB_BIND:", "AWB_NO:", "AWB_CODER_TOKEN_FILE:"):
        assert [line for line in lines if name in line] != []


#: Commands that read no configuration.
WITHOUT = {
    *[("demo",), ("completion",), ("access", "hash"), ("access", "login"), ("access", "token"), ("systemd-units",)],
}
A_FILE = str(PAYLOADS / "task_working.json")
ARGUMENTS = {
    "erase": ["ada"],
    "worker": ["awb-deliveries"],
    "backup": ["-"],
    "restore": [A_FILE],
    "explain": [A_FILE],
    "import": [A_FILE],
    "silence add": ["level=90%", "--for", "7d", "--comment", "known"],
    "queues pause": ["awb-deliveries"],
    "queues resume": ["awb-deliveries"],
    **{name: ["x"] for name in ("why", "replay", "alerts ack", "silence end", "queues requeue", "queues delete")},
    **{name: ["x"] for name in ("quarantine show", "quarantine release", "quarantine discard", "deployments remove")},
}
GROUPS = [("alerts",), ("queues",), ("quarantine",)]


def test_mistakes_can_be_read_by_programs(awb: Awb) -> None:
    good, wrong = awb("config", "check", "--json"), awb("config", "check", "--json", AWB_LIMIT="many")
    assert (good.exit_code, json.loads(good.stdout)) == (0, {"problems": []})
    assert wrong.exit_code == 78
    (problem,) = json.loads(wrong.stdout)["problems"]
    assert problem.startswith("AWB_LIMIT:")


@pytest.mark.parametrize("words", [words for words in [*GROUPS, *commands()] if words not in WITHOUT], ids=" ".join)
def test_no_command_starts_with_a_wrong_configuration(awb: Awb, words: tuple[str, ...]) -> None:
    result = awb(*words, *ARGUMENTS.get(" ".join(words), []), AWB_LIMIT="many")
    assert (result.exit_code, result.stderr.count("AWB_LIMIT")) == (78, 1)


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"AWB_SMTP_URL": "smtp://u:planted@mail.test?tls=maybe"}, "AWB_SMTP_URL"),
        ({"AWB_SMTP_URL": "smtp://u:planted@mail.test?tls=none"}, "AWB_SMTP_URL"),
        ({"AWB_SMTP_URL": "smtp://mail.test", "AWB_EMAIL_TO": "ä b@b.test"}, "AWB_EMAIL_TO"),
    ],
)
def test_what_a_notifier_cannot_work_with_is_a_mistake(awb: Awb, environ: dict[str, str], named: str) -> None:
    result = awb("config", "check", **{"AWB_EMAIL_FROM": "a@b.test", "AWB_EMAIL_TO": "c@d.test", **environ})
    assert result.exit_code == 78
    assert named in result.stderr
    assert "planted" not in result.stderr


def test_the_file_can_be_named_by_option(awb: Awb, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("limit = 7\n", encoding="utf-8")
    assert f"{file}: ok." in awb("--config", str(file), "config", "check").stdout
    assert json.loads(awb("--config", str(file), "config", "show", "--json").stdout)["limit"] == 7


def test_what_is_in_force_is_shown_without_secrets(awb: Awb) -> None:
    secrets = {
        "AWB_SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T0/B0/planted",
        "AWB_SMTP_URL": "smtp://user:planted@mail.test",
        "AWB_CODER_TOKEN": "planted",
        "AWB_WEBHOOK_SECRET_PREVIOUS": "planted-planted-planted",
    }
    more = {"AWB_LIMIT": "7", "AWB_EMAIL_FROM": "a@b.test", "AWB_EMAIL_TO": "c@d.test"}
    text, as_json = (awb("config", "show", *option, **secrets, **more) for option in ([], ["--json"]))
    assert (text.exit_code, as_json.exit_code) == (0, 0)
    shown = json.loads(as_json.stdout)
    assert (shown["limit"], shown["webhook_secret"], shown["redis_url"]) == (7, "<secret>", "<secret>")
    assert "limit = 7" in text.stdout.splitlines()
    assert 'slack_webhook_url = "<secret>"' in text.stdout.splitlines()
    for result in (text, as_json):
        assert "planted" not in result.output
        assert SECRET not in result.output


# ---- explain, why, status, quarantine ----


def test_explain_shows_the_verdict_of_a_file(awb: Awb, connection: "redis.Redis") -> None:
    result = awb("explain", str(PAYLOADS / "task_resumed.json"), "--json")
    assert result.exit_code == 0
    shown = json.loads(result.stdout)
    assert (shown["outcome"], shown["evidence"], shown["meter"]) == ("evidence", "resumed", "awb")
    assert shown["notification"] == "Task Resumed"
    assert shown["rule"]
    assert shown["reason"]
    assert connection.dbsize() == 0


def test_explain_reads_standard_input_and_counts_nothing(awb: Awb, connection: "redis.Redis") -> None:
    result = awb("explain", "-", stdin=notification())
    assert result.exit_code == 0
    assert "outcome:       evidence" in rows_of(result)
    assert "workspace:     w0" in rows_of(result)
    assert connection.dbsize() == 0


def test_explain_needs_no_redis(awb: Awb) -> None:
    assert awb("explain", "-", stdin=notification(), AWB_REDIS_URL=AWAY).exit_code == 0


def test_explain_says_what_would_be_put_aside(awb: Awb) -> None:
    result = awb("explain", "-", stdin=b"no json")
    assert result.exit_code == 1
    assert "not valid JSON (JSONDecodeError)" in result.stderr
    assert "quarantine" in result.stderr


def test_explain_never_shows_a_passcode(awb: Awb) -> None:
    code = payload_file("one_time_passcode")["payload"]["labels"]["one_time_passcode"]
    result = awb("explain", str(PAYLOADS / "one_time_passcode.json"))
    assert result.exit_code == 0
    assert code not in result.output


@pytest.mark.parametrize("what", ["ada/w0", "ADA/W0", "w0", "00000000-0000-4000-8000-000000000000"])
def test_why_says_why_a_workspace_was_counted(awb: Awb, three_builds: None, what: str) -> None:
    (record,) = json.loads(awb("why", what, "--json").stdout)
    assert (record["workspace"], record["owner"], record["deliveries"]) == ("w0", "ada", ["m0"])
    (by_key,) = json.loads(awb("why", record["key"], "--json").stdout)
    assert by_key == record
    text = awb("why", what)
    assert text.exit_code == 0
    assert f"reason:        {record['reason']}" in rows_of(text)
    assert "deliveries:" in text.stdout
    assert "Task Resumed  m0" in text.stdout


def test_why_of_nothing_counted_fails(awb: Awb, three_builds: None) -> None:
    text, as_json = awb("why", "ada/nothing"), awb("why", "ada/nothing", "--json")
    assert (text.exit_code, as_json.exit_code) == (1, 1)
    assert "nothing was counted for “ada/nothing”" in text.stderr
    assert json.loads(as_json.stdout) == []
    assert awb("why", "ada/w0", "--deployment", "eu").exit_code == 1


def test_status_is_what_the_api_says(awb: Awb, three_builds: None, client: FlaskClient) -> None:
    told = json.loads(awb("status", "--json").stdout)
    from_api = client.get("/api/v1/usage").get_json()
    assert {**told, "as_of": ""} == {**told, **from_api, "as_of": ""}
    assert told["used"] == 3


def test_status_is_readable(awb: Awb, three_builds: None) -> None:
    result = awb("status")
    assert result.exit_code == 0
    assert "3 of 1,000 Agent Workspace Builds  0.3%" in result.stdout
    assert "OK: Below all thresholds" in result.stdout
    rows = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "top users ada 2, [/bold] 1" in rows
    assert "alert ok: awb" in rows


def test_status_of_an_unlimited_deployment_has_no_bar(awb: Awb, three_builds: None) -> None:
    assert "3 of unlimited Agent Workspace Builds\n" in awb("status", AWB_LIMIT="unlimited").stdout


def test_status_of_another_deployment_is_its_own(awb: Awb, three_builds: None) -> None:
    assert json.loads(awb("status", "--deployment", "eu", "--json").stdout)["used"] == 0
    assert awb("status", "--deployment", "EU:1").exit_code == 2


def test_a_deployment_that_never_posted_is_said_to_be_one(awb: Awb, client: FlaskClient) -> None:
    client.post("/v1/webhook/production", headers=basic(), data=notification())
    unknown, known = (awb("status", "--deployment", name, "--json") for name in ("prodution", "production"))
    assert (unknown.exit_code, json.loads(unknown.stdout)["used"]) == (0, 0)
    assert unknown.stderr == "awb: no deployment “prodution” has ever posted (did you mean “production”?)\n"
    assert known.stderr == ""


def test_quarantine_lists_what_was_put_aside_without_its_content(awb: Awb, client: FlaskClient) -> None:
    for message_id, body in (("older", b"planted {"), ("newer", b"[]")):
        client.post("/v1/webhook", headers={**basic(), "X-Message-Id": message_id}, data=body)
    text, as_json = awb("quarantine"), awb("quarantine", "--json")
    assert [row["message_id"] for row in json.loads(as_json.stdout)] == ["newer", "older"]
    assert [line.split()[:2] for line in text.stdout.splitlines()] == [["newer", "2"], ["older", "9"]]
    assert "planted" not in text.output + as_json.output


@pytest.mark.parametrize(
    "words",
    [
        *(["status"], ["status", "--json"], ["why", "x"], ["quarantine"], ["worker", "awb-deliveries", "--burst"]),
        *(["top"], ["periods"], ["forecast"], ["events"], ["messages"], ["alerts"], ["alerts", "ack", "awb"]),
        *(["silence", "list"], ["silence", "end", "x"], ["export"]),
        ["silence", "add", "level=90%", "--for", "7d", "--comment", "known"],
    ],
    ids=" ".join,
)
def test_without_redis_commands_end_with_code_69(awb: Awb, words: list[str]) -> None:
    result = awb(*words, AWB_REDIS_URL=AWAY)
    assert (result.exit_code, result.stdout) == (69, "")
    assert result.stderr.endswith("awb: Redis is unreachable\n")


def test_without_any_redis_setting_the_one_of_the_data_directory_is_asked(tmp_path: Path) -> None:
    assert call("status", AWB_DATA_DIR=str(tmp_path)).exit_code == 69


# ---- webhook-url, run, web ----


def test_webhook_url_prints_the_lines_for_coder(awb: Awb) -> None:
    result = awb("webhook-url", AWB_PUBLIC_URL="https://awb.example.com/base/")
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert "CODER_NOTIFICATIONS_METHOD=webhook" in lines
    url = f"https://coder:{SECRET}@awb.example.com/base/v1/webhook"
    assert f"CODER_NOTIFICATIONS_WEBHOOK_ENDPOINT={url}" in lines


def test_webhook_url_can_be_read_by_programs(awb: Awb) -> None:
    told = json.loads(awb("webhook-url", "--json", AWB_PUBLIC_URL="https://awb.example.com").stdout)
    assert told == {"method": "webhook", "endpoint": f"https://coder:{SECRET}@awb.example.com/v1/webhook"}


@pytest.mark.parametrize("bind", ["::1:8787", "[::1]:8787"])
def test_the_url_of_an_ipv6_address_can_be_used(awb: Awb, bind: str) -> None:
    said = awb("webhook-url", AWB_BIND=bind, AWB_PUBLIC_URL="").stdout
    assert f"http://coder:{SECRET}@[::1]:8787/v1/webhook" in said
    assert "http://[::1]:8787/\n" in said


def test_webhook_url_prints_the_secret_of_the_first_start_and_makes_none(tmp_path: Path) -> None:
    assert call("webhook-url", AWB_DATA_DIR=str(tmp_path)).exit_code == 69
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "webhook-secret").write_text("made-at-the-first-start\n", encoding="ascii")
    said = call("webhook-url", AWB_DATA_DIR=str(tmp_path)).stdout
    assert "http://coder:made-at-the-first-start@127.0.0.1:8787/v1/webhook" in said
    assert "is running" not in said


def test_a_secret_with_odd_characters_makes_a_url_that_works(awb: Awb) -> None:
    secret = "a/b?c#d@e:f%g h+i&<j>"
    endpoint = next(w for w in awb("webhook-url", AWB_WEBHOOK_SECRET=secret).stdout.split() if "ENDPOINT=" in w)
    prepared = requests.Request("POST", endpoint.partition("=")[2]).prepare()
    assert prepared.path_url == "/v1/webhook"
    assert prepared.headers["Authorization"] == basic(secret)["Authorization"]


@pytest.mark.parametrize("command", ["run", "web"])
def test_insecure_off_loopback_ends_with_code_78(awb: Awb, command: str) -> None:
    result = awb(command, "--insecure", AWB_BIND="0.0.0.0:0", AWB_WEBHOOK_SECRET="")
    assert result.exit_code == 78
    assert "--insecure is for loopback addresses only" in result.stderr


def test_an_address_that_is_taken_is_said_to_be(awb: Awb) -> None:
    result = awb("web", AWB_BIND="192.0.2.7:8787")
    assert result.exit_code == 1
    assert "cannot listen on 192.0.2.7:8787" in result.stderr
    assert "AWB_BIND" in result.stderr


def test_the_command_works_from_anywhere(tmp_path: Path) -> None:
    """As installed: no checkout around, no terminal, output to a pipe."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWB_")}
    command = [sys.executable, "-m", "app.cli", "explain", "-", "--json"]
    environ["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        command, input=notification(), capture_output=True, cwd=tmp_path, env=environ, check=True, timeout=60
    )
    assert json.loads(done.stdout)["evidence"] == "resumed"
    assert done.stderr == b""
