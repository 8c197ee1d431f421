"""Every bad setting of a forward gets an error that names the table, the key and the remedy, and no secret."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.config.load import ConfigError, masked
from app.config.secrettexts import secret_texts
from app.notifiers.relay.directory import problems
from tests.conftest import make_config

GOOD = {"name": "teams", "url": "https://hooks.example.com/s3cret-path?sig=s3cret-sig"}


def load(*tables: Any, **settings: Any) -> Any:
    return make_config(forward=json.dumps(list(tables)), **settings)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"name": "teams"}, "AWB_FORWARD[1].url: Field required"),
        ({"url": GOOD["url"]}, "AWB_FORWARD[1].name: Field required"),
        ({**GOOD, "name": "My Teams"}, "AWB_FORWARD[1].name: must be lower-case letters, digits and dashes"),
        ({**GOOD, "url": "hooks.example.com/s3cret"}, "AWB_FORWARD[1].url: must be the whole URL of a webhook"),
        ({**GOOD, "url": "ftp://hooks.example.com/s3cret"}, "AWB_FORWARD[1].url: must be the whole URL"),
        ({**GOOD, "url": "https://hooks.example.com:s3cret/"}, "AWB_FORWARD[1].url: must be the whole URL"),
        ({**GOOD, "templates": [""]}, "AWB_FORWARD[1].templates: holds an empty text"),
        ({**GOOD, "tempaltes": ["x"]}, "AWB_FORWARD[1].tempaltes: unknown key “tempaltes”"),
        ({**GOOD, "allow_private": "perhaps"}, "AWB_FORWARD[1].allow_private: "),
    ],
)
def test_a_table_that_is_wrong_is_refused(table: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(table)
    assert said in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="two tables have the name “teams”"):
        load(GOOD, GOOD)


@pytest.mark.parametrize(
    ("key", "content", "said"),
    [
        ("secret_file", None, "cannot be read: No such file or directory"),
        ("secret_file", "", "is empty"),
        ("secret_file", "s3cret-token", "must be 24 to 64 bytes in base64"),
        ("bearer_file", "two words", "must hold one word, the token"),
        ("header_file", "no-colon", "must hold one line such as “X-Api-Key: …”"),
        ("header_file", "Host: elsewhere", "no header of the message itself"),
        ("header_file", "X-A: 1\nX-B: 2", "must hold one line"),
    ],
)
def test_a_file_that_cannot_be_used_is_said(tmp_path: Path, key: str, content: str | None, said: str) -> None:
    file = tmp_path / "file"
    if content is not None:
        file.write_text(content)
    [found] = problems(load({**GOOD, key: str(file)}).settings)
    assert found.startswith(f"forward “teams”: {key}: ")
    assert said in found
    assert str(file) in found
    assert not content or content not in found


@pytest.mark.parametrize(
    ("url", "settings", "back"),
    [
        ("http://127.0.0.1:8787/v1/webhook", {}, True),
        ("http://coder:x@localhost:8787/v1/webhook/other", {}, True),
        ("https://meter.example.com/v1/webhook", {"public_url": "https://METER.example.com"}, True),
        ("https://meter.example.com:8443/v1/webhook", {"public_url": "https://meter.example.com"}, False),
        ("http://127.0.0.1:9787/v1/webhook", {}, False),
        ("http://127.0.0.1:8787/hook", {}, False),
    ],
)
def test_a_forward_to_this_very_meter_is_refused(url: str, settings: dict[str, str], *, back: bool) -> None:
    found = problems(load({"name": "teams", "url": url}, **settings).settings)
    assert ["leads back to this meter" in problem for problem in found] == [True] * back


def test_the_url_is_shown_nowhere() -> None:
    settings = load(GOOD).settings
    assert "s3cret" not in json.dumps(masked(settings)) + repr(settings)
    assert {"/s3cret-path", "sig=s3cret-sig", GOOD["url"]} <= set(secret_texts(settings))
