"""Which receivers there are, and what is wrong with their settings."""

from typing import Any

import pytest

from app.config.settings import Settings
from app.notifiers.directory import UnknownReceiverError, notifier, problems
from app.notifiers.receivers import receiver_slug, receivers
from tests.conftest import make_config

EVERY: dict[str, Any] = {
    "slack_webhook_url": "https://hooks.slack.com/services/T/B/x",
    "slack_bot_token": "xoxb-1",
    "slack_channel": "C1,C2",
    "smtp_url": "smtp://mail.example.com",
    "email_from": "awb@example.com",
    "email_to": "ops@example.com,boss@example.com",
    "notify_webhook_url": "https://hooks.example.com/awb",
    "notify_webhook_secret": "whsec_" + "c2VjcmV0" * 4,
    "apprise_urls": "json://localhost/a, jsons://localhost/b",
}
NAMES = [
    "slack",
    "slack:C1",
    "slack:C2",
    "email:ops@example.com",
    "email:boss@example.com",
    "webhook",
    "apprise:json-1",
    "apprise:jsons-2",
]


def settings(**more: Any) -> Settings:
    return make_config(**{**EVERY, **more}).settings


def test_every_configured_receiver_has_a_name_and_a_notifier() -> None:
    assert receivers(settings()) == NAMES
    assert problems(settings()) == []
    assert [type(notifier(settings(), name)).__name__ for name in NAMES] == [
        "SlackWebhook", "SlackBot", "SlackBot", "EmailNotifier", "EmailNotifier", "SignedWebhook",
        "AppriseNotifier", "AppriseNotifier",
    ]  # fmt: skip


def test_without_settings_there_is_nobody() -> None:
    assert receivers(make_config().settings) == []


def test_a_receiver_that_was_taken_out_is_unknown() -> None:
    for name in ("slack:C3", "email:old@example.com", "apprise:json-9", "pager"):
        with pytest.raises(UnknownReceiverError):
            notifier(settings(), name)


def test_ids_hold_no_address() -> None:
    slugs = [receiver_slug(name) for name in NAMES]
    assert len(set(slugs)) == len(NAMES)
    assert not any("@" in slug or ":" in slug or "example" in slug for slug in slugs)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"fallback": "slak"}, "fallback: there is no receiver “slak” (did you mean “slack”?)"),
        ({"routes": '[{}, {"receivers": ["slack:C3"]}]'}, "routes[2].receivers: there is no receiver “slack:C3”"),
        ({"routes": '[{"escalate_to": ["boss"]}]'}, "routes[1].escalate_to: there is no receiver “boss”"),
    ],
)
def test_what_is_wrong_is_said_with_the_remedy(more: dict[str, Any], said: str) -> None:
    [problem] = problems(settings(**more))
    assert problem.startswith(said)


def test_a_glob_may_find_nobody() -> None:
    assert problems(settings(fallback="pager*", routes='[{"receivers": ["sms:*"]}]')) == []
