"""Settings of single deployments: what they take over, what is their own, and what is refused."""

from pathlib import Path

import pytest

from app.config.load import Config, ConfigError, load, masked
from app.config.secrettexts import secret_texts
from app.core.access.people import token_digest
from app.core.limit.limits import Limit
from app.notifiers.receivers import receivers
from tests.conftest import SECRET
from tests.web.guarded import HASHES

ALL = """
deployment = "prod"
limit = 900
thresholds = ["80%"]
ai_templates = ["aider"]
coder_url = "https://coder.example.com"
coder_token = "token-of-prod"
smtp_url = "smtp://mail.example.com:25"
email_from = "awb@example.com"
email_to = ["ops@example.com"]
feed_token = "feed token of prod, long"
"""


def read(tmp_path: Path, tables: str, **environ: str) -> Config:
    file = tmp_path / "awb.toml"
    file.write_text(ALL + tables, encoding="utf-8")
    return load(file, {"AWB_WEBHOOK_SECRET": SECRET, **environ})


def test_a_deployment_has_what_its_table_sets_and_the_rest_as_all(tmp_path: Path) -> None:
    config = read(tmp_path, '[deployment_settings.team-a]\nlimit = 5\nai_templates = ["goose"]\n')
    own = config.of("team-a")
    assert (own.limit, own.ai_templates) == (Limit(5), {"goose"})
    assert [one.level for one in own.thresholds] == ["80%"]
    assert receivers(own.settings) == ["email:ops@example.com"]
    assert (config.of("prod").limit, config.of("prod")) == (Limit(900), config)
    assert (own.of("prod"), own.of("team-a"), own.default_deployment) == (config, own, "prod")
    assert config.settings.configured_deployments == ["prod", "team-a"]


@pytest.mark.parametrize("name", ["team-a", "seen-once"])
def test_no_deployment_takes_over_the_api_or_the_access_of_another(tmp_path: Path, name: str) -> None:
    own = read(tmp_path, "[deployment_settings.team-a]\nlimit = 5\n").of(name)
    assert (own.settings.coder_url, own.settings.coder_token, own.settings.feed_token) == ("", None, None)
    assert not own.verifying(name)


def test_a_deployment_with_its_own_api_is_verified(tmp_path: Path) -> None:
    table = '[deployment_settings.team-a]\ncoder_url = "https://a.example.com"\ncoder_token = "token-of-a"\n'
    config = read(tmp_path, table)
    assert config.of("team-a").verifying("team-a")
    assert config.verifying("prod")


def test_an_own_webhook_secret_replaces_both_of_all(tmp_path: Path) -> None:
    table = '[deployment_settings.team-a]\nwebhook_secret = "the secret of team a"\n'
    own = read(tmp_path, table, AWB_WEBHOOK_SECRET_PREVIOUS="the former secret of all").of("team-a").settings
    assert own.webhook_secret is not None
    assert own.webhook_secret.get_secret_value() == "the secret of team a"
    assert own.webhook_secret_previous is None


def test_an_empty_value_turns_a_receiver_off(tmp_path: Path) -> None:
    config = read(tmp_path, "[deployment_settings.team-a]\nemail_to = []\n")
    assert receivers(config.of("team-a").settings) == []


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("token-of-a\n", encoding="utf-8")
    table = '[deployment_settings.team-a]\ncoder_url = "https://a.example.com"\n'
    config = read(tmp_path, f'{table}coder_token_file = "{tmp_path}/token"\n')
    token = config.of("team-a").settings.coder_token
    assert token is not None
    assert token.get_secret_value() == "token-of-a"


def test_tables_may_come_from_a_variable(tmp_path: Path) -> None:
    config = read(tmp_path, "", AWB_DEPLOYMENT_SETTINGS='{"team-a": {"limit": 7}}')
    assert config.of("team-a").limit == Limit(7)


def test_secrets_of_tables_are_neither_shown_nor_logged(tmp_path: Path) -> None:
    config = read(tmp_path, '[deployment_settings.team-a]\ncoder_token = "planted-token"\nlimit = 5\n')
    assert masked(config.settings)["deployment_settings"] == {"team-a": {"coder_token": "<secret>", "limit": 5}}
    assert "planted-token" not in repr(config) + str(config.settings)
    assert "planted-token" in set(secret_texts(config.settings))


WRONG = {
    "[deployment_settings.Team]\nlimit = 1": ["deployment_settings.Team", "lower-case letters"],
    "[deployment_settings.prod]\nlimit = 1": ["[deployment_settings.prod]", "default deployment"],
    "[deployment_settings.a]\nlimits = 1": ["deployment_settings.a", "unknown key “limits”"],
    "[deployment_settings.a]\nbind = '127.0.0.1:1'": ["deployment_settings.a", "unknown key “bind”"],
    "[deployment_settings.a]\nlimit = 'many'": ["deployment_settings.a.limit", "a number of builds"],
    "[deployment_settings.a]\nlimit = true": ["deployment_settings.a.limit", "no true or false"],
    "[deployment_settings.a]\nslack_bot_token = 'x'": ["[deployment_settings.a]", "missing: slack_channel"],
    "[deployment_settings.a]\ncoder_token_file = '/nowhere'": ["coder_token_file", "/nowhere", "cannot be read"],
    "[deployment_settings.a]\ncoder_token = 'x'\ncoder_token_file = '/x'": ["coder_token_file", "keep one of the two"],
}


@pytest.mark.parametrize("table", WRONG)
def test_a_mistake_names_the_table_the_key_and_the_remedy(tmp_path: Path, table: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, table)
    (problem,) = caught.value.problems
    assert all(part in problem for part in WRONG[table]), problem


def test_a_login_and_a_token_belong_to_one_deployment(tmp_path: Path) -> None:
    one = f"ada:admin:{HASHES['admin']}"
    token = f"viewer:{token_digest('awb_x')}"
    same = "".join(f"[deployment_settings.{name}]\nlogins = '{one}'\napi_tokens = ['{token}']\n" for name in ("a", "b"))
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, same)
    assert ["“ada” is a login elsewhere" in one or "api_tokens" in one for one in caught.value.problems] == [True, True]
