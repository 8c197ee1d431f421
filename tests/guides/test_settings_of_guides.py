"""Settings, manifests and configurations of other programs that stand in the documents are ones that work."""

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

from app.config.load import Config, load
from app.core.text.redisurl import parse_cluster_url
from app.store.server.connection import connect
from app.web.factory import create_app
from tests.conftest import SECRET, make_config
from tests.guides.blocks import ROOT, block
from tests.web.guarded import HASHES

LOGIN = f"ada:viewer:{HASHES['viewer']}"


def from_toml(folder: Path, text: str, **environ: str) -> Config:
    """Load a file of settings with what the document leaves to the reader: secrets in files, and a token's digest."""
    for name in re.findall(r'_file = "(/etc/awb/[^"]+)"', text):
        file = folder / Path(name).name
        text_of = LOGIN if file.name.endswith("logins") else f"a-secret-for-{file.name}"
        file.write_text(f"{text_of}\n", encoding="utf-8")
        file.chmod(0o600)
        text = text.replace(name, str(file))
    file = folder / "awb-meter.toml"
    file.write_text(text.replace("<sha256>", "0" * 64), encoding="utf-8")
    return load(environ={"AWB_CONFIG": str(file), "AWB_WEBHOOK_SECRET": SECRET, **environ})


def from_lines(text: str) -> Config:
    return load(environ=dict(line.split("=", 1) for line in text.splitlines()))


def test_a_deployment_is_added_as_documented(tmp_path: Path) -> None:
    text = block("docs/deployments.md", "Add one")
    config = from_toml(tmp_path, text, AWB_SLACK_BOT_TOKEN="xoxb-1", AWB_SLACK_CHANNEL="C1")
    own = config.settings.deployment_settings["team-a"]
    assert (own.limit, own.coder_url) == (500, "https://coder.team-a.example.com")
    assert set(tomllib.loads(text)["deployment_settings"]["team-a"]) <= type(own).model_fields.keys() | {
        "webhook_secret_file", "coder_token_file",
    }  # fmt: skip


def test_a_deployment_has_logins_of_its_own_as_documented(tmp_path: Path) -> None:
    config = from_toml(tmp_path, block("docs/deployments.md", "Who sees which"))
    own = config.settings.deployment_settings["team-a"]
    assert own.logins
    assert len(own.api_tokens or ()) == 1


def test_a_forward_and_a_relay_are_set_up_as_documented(tmp_path: Path) -> None:
    (forward,) = from_toml(tmp_path, block("docs/relay.md", "Forwards: other webhooks")).settings.forward
    assert (forward.name, forward.url.get_secret_value()) == ("teams", "https://hooks.example.com/coder")
    relay = from_lines(block("docs/relay.md", "Relays: the people whom notifications are for")).settings
    assert (relay.relay, str(relay.email_from)) == ("email", "coder@example.com")


def test_a_path_is_set_as_documented() -> None:
    settings = from_lines(block("docs/behind-a-path.md", "Behind a path")).settings
    assert settings.public_url == "https://coder.example.com/awb"
    assert [str(one) for one in settings.proxy_addresses] == ["127.0.0.1/32"]


def test_prometheus_takes_its_configuration_with_the_alert_rules(tmp_path: Path) -> None:
    file = tmp_path / "prometheus.yml"
    file.write_text(block("docs/metrics.md", "Metrics"), encoding="utf-8")
    shutil.copy(ROOT / "deploy/prometheus/awb-alerts.yml", tmp_path)
    done = subprocess.run(["promtool", "check", "config", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "1 rule files found" in done.stdout


def test_the_manifest_asks_slack_for_the_documented_scopes_and_for_presses_at_a_page_that_exists() -> None:
    manifest = json.loads(block("docs/slack.md", "A bot"))
    table = (ROOT / "docs/slack.md").read_text(encoding="utf-8").partition("| scope |")[2].partition("\n\n")[0]
    assert sorted(manifest["oauth_config"]["scopes"]["bot"]) == sorted(re.findall(r"`([a-z.:]+)`", table))
    presses = manifest["settings"]["interactivity"]["request_url"].removeprefix("https://awb.example.com")
    routes = create_app(make_config(), connect("unix:///nowhere")).url_map.bind("").match(presses, method="POST")
    assert routes


def test_the_example_of_awb_status_has_the_facts_that_it_prints() -> None:
    shown = re.findall(r"^([a-zC][a-z0-9 ]{0,12}\S)  ", block("docs/cli.md", "The command `awb`"), re.MULTILINE)
    source = "".join((ROOT / "app/cli" / name).read_text(encoding="utf-8") for name in ("status.py", "bar.py"))
    assert {"forecast", "mode", "drift", "as of"} <= set(shown)
    assert [label for label in shown if f'"{label}"' not in source and f'"{label} ' not in source] == []


def test_a_prefix_and_a_cluster_are_set_as_documented() -> None:
    assert from_lines(block("docs/redis.md", "Several programs in one Redis")).settings.redis_prefix == "team-a:"
    settings = from_lines(block("docs/redis.md", "Redis Cluster")).settings
    assert settings.redis_prefix == "{awb}:"
    assert settings.redis_url
    assert len(parse_cluster_url(settings.redis_url.get_secret_value()).nodes) == 3
