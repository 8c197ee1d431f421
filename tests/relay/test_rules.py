"""Rules that choose the way to a person; a rule that is wrong is said, with its place and the remedy."""

from pathlib import Path

import pytest

from app.config.load import ConfigError, load
from app.core.relay.group import GROUPS, group_of
from app.core.relay.original import Subject
from app.core.relay.rule import RelayRule, RelayRulesError, Way, load_relay_rules, way_of
from app.notifiers.relay.directory import problems
from tests.conftest import make_config
from tests.core.make import ROOT

TASK = Subject("a2eb2d60-90a6-45ff-9c4b-d7cfcfb8a06e", "Task Resumed", "ada@example.com", passcode=False)
PASSCODE = Subject("62f86a30-2330-4b61-a26d-311ff3b608cf", "One-Time Passcode", "ada@example.com", passcode=True)


def rule(relay: str, **more: object) -> RelayRule:
    return RelayRule.model_validate({"name": "mine", "relay": relay, **more})


def test_the_first_rule_that_takes_it_says_the_way() -> None:
    rules = [rule("none", recipients="bob@*"), rule("slack", groups="Task *"), rule("none")]
    assert way_of(TASK, rules, Way.EMAIL) is Way.SLACK
    assert way_of(TASK, rules[:1], Way.EMAIL) is Way.EMAIL
    assert way_of(TASK, rules[2:], Way.EMAIL) is Way.NONE


def test_a_passcode_skips_rules_that_say_none() -> None:
    assert way_of(PASSCODE, [rule("none")], Way.EMAIL) is Way.EMAIL
    assert way_of(PASSCODE, [rule("none"), rule("slack")], Way.EMAIL) is Way.SLACK


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[relay]\nname = "a"', "[relay] is one table"),
        ('[[relay]]\nrelay = "email"', "rules.toml: relay number 1: `name` is missing"),
        ('[[relay]]\nname = "a"', "rules.toml: relay “a”: `relay` is missing"),
        ('[[relay]]\nname = "a"\nrelay = "mail"', "relay “a”: `relay` must be one of email, slack, none"),
        ('[[relay]]\nname = "a"\nrelay = "none"\ntemplate = "x"', "unknown key “template” (did you mean “templates”?)"),
        ('[[relay]]\nname = "a"\nrelay = "none"\ngroups = "Tsk Events"', "“Tsk Events” is no group (did you mean"),
        ('[[relay]]\nname = "a"\nrelay = "none"\nrecipients = [1]', "`recipients`: "),
    ],
)
def test_a_table_that_is_wrong_is_said(text: str, said: str) -> None:
    with pytest.raises(RelayRulesError) as refused:
        load_relay_rules(text, "rules.toml")
    assert said in str(refused.value)


def test_problems_of_relay_tables_are_the_configurations(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text((ROOT / "config" / "rules.toml").read_text() + '\n[[relay]]\nname = "a"\nrelay = "mail"\n')
    with pytest.raises(ConfigError, match=r"relay “a”: `relay` must be one of"):
        load(environ={"AWB_RULES": str(file)})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"relay": "mail"}, "AWB_RELAY: Input should be 'off', 'email' or 'slack'"),
        ({"relay": "email"}, "relay = email needs smtp_url and email_from; missing: smtp_url, email_from"),
        ({"relay": "email", "smtp_url": "smtp://127.0.0.1:1?tls=none"}, "missing: email_from"),
        (
            {"relay": "slack", "smtp_url": "smtp://127.0.0.1:1?tls=none", "email_from": "a@example.com"},
            "relay = slack needs slack_bot_token; missing: slack_bot_token",
        ),
    ],
)
def test_relaying_says_what_it_needs(settings: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        make_config(**settings)
    assert said in str(refused.value)


def test_relaying_needs_neither_recipients_nor_channels_of_warnings() -> None:
    mail = {"smtp_url": "smtp://127.0.0.1:1?tls=none", "email_from": "a@example.com"}
    assert problems(make_config(relay="email", **mail).settings) == []
    assert problems(make_config(relay="slack", slack_bot_token="xoxb-1", **mail).settings) == []


def test_a_rule_that_wants_slack_needs_a_bot(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text((ROOT / "config" / "rules.toml").read_text() + '\n[[relay]]\nname = "a"\nrelay = "slack"\n')
    mail = {"smtp_url": "smtp://127.0.0.1:1?tls=none", "email_from": "a@example.com"}
    config = make_config(relay="email", rules=file, **mail)
    assert problems(config.settings, config.relay_rules) == [
        "relay “a” of the rules: relay = slack needs AWB_SLACK_BOT_TOKEN"
    ]


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("Task Completed", GROUPS[1]),
        ("Workspace Autobuild Failed", GROUPS[0]),
        ("Your account has been suspended", GROUPS[2]),
        ("One-Time Passcode", GROUPS[2]),
        ("Prebuilt Workspace Resource Replaced", GROUPS[3]),
        ("Report: Workspace Builds Failed", GROUPS[3]),
        ("Custom Notification", GROUPS[4]),
        ("Something New", ""),
    ],
)
def test_templates_belong_to_coders_groups(name: str, group: str) -> None:
    assert group_of(name) == group
