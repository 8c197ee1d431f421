"""The configured receivers, and the notifier for each."""

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

from pydantic import SecretStr

from app.config.settings import Settings
from app.core.text.mailbox import Mailbox, receiver_key
from app.core.text.spelling import did_you_mean
from app.net.session import WebSession
from app.notifiers.base import Notifier
from app.notifiers.email.server import SmtpServer
from app.notifiers.email.smtp import EmailNotifier
from app.notifiers.receivers import apprise_urls, receivers, recipients
from app.notifiers.slack.bot import SlackBot
from app.notifiers.slack.webhook import SlackWebhook
from app.notifiers.webhook import SignedWebhook


class UnknownReceiverError(LookupError):
    """A notification names a receiver that is not, or no longer, configured."""


_SETTINGS = {
    "slack": "AWB_SLACK_WEBHOOK_URL, AWB_SLACK_BOT_TOKEN or AWB_SLACK_CHANNEL",
    "email": "AWB_SMTP_URL, AWB_SMTP_HELO or AWB_EMAIL_TO",
    "webhook": "AWB_NOTIFY_WEBHOOK_URL or AWB_NOTIFY_WEBHOOK_SECRET",
    "apprise": "AWB_APPRISE_URLS",
}


def problems(settings: Settings) -> list[str]:
    """Return what is wrong with the receivers' settings, without the values of secrets."""
    found = []
    for receiver in receivers(settings):
        try:
            notifier(settings, receiver)
        except ValueError as error:
            found.append(f"{_SETTINGS[receiver.partition(':')[0]]}: {error}")
    return list(dict.fromkeys([*found, *_unknown_names(settings)]))


def _unknown_names(settings: Settings) -> Iterator[str]:
    """Return where an unknown receiver is named; a glob may match none."""
    known = receivers(settings)
    named = [("fallback", name) for name in settings.fallback]
    for number, route in enumerate(settings.routes, 1):
        named += [(f"routes[{number}].receivers", name) for name in route.receivers]
        named += [(f"routes[{number}].escalate_to", name) for name in route.escalate_to]
    for place, name in named:
        if name not in known and not set("*?[") & set(name):
            listed = ", ".join(known) or "none is configured"
            yield f"{place}: there is no receiver “{name}”{did_you_mean(name, known)}; receivers: {listed}"


def notifier(settings: Settings, receiver: str) -> Notifier:
    """Return the notifier of a receiver.

    Raises:
        UnknownReceiverError: the receiver is no longer configured.
        ValueError: its settings are invalid.
    """
    receiver = receiver_key(receiver)  # a waiting message may have the spelling of an earlier version
    if receiver not in receivers(settings):
        raise UnknownReceiverError(receiver)
    kind, _, address = receiver.partition(":")
    trusted = settings.ca_file
    if kind == "slack" and address:
        buttons = settings.slack_signing_secret is not None
        token, api_url = _text(settings.slack_bot_token), settings.slack_api_url
        return SlackBot(token, address, api_url=api_url, buttons=buttons, session=WebSession(trusted))
    if kind == "slack":
        return SlackWebhook(_text(settings.slack_webhook_url), WebSession(trusted))
    if kind == "email":
        return _mailer(settings, receiver)
    if kind == "webhook":
        url, secret = _text(settings.notify_webhook_url), _text(settings.notify_webhook_secret)
        return SignedWebhook(url, secret, WebSession(trusted))
    from app.notifiers.apprise import AppriseNotifier  # noqa: PLC0415 - an optional extra, slow to import

    return AppriseNotifier(apprise_urls(settings)[receiver], trusted=trusted)


def _mailer(settings: Settings, receiver: str) -> EmailNotifier:
    server, sender = smtp_server(settings)
    return EmailNotifier(server, sender, recipients(settings)[receiver], mail_host(settings), trusted=settings.ca_file)


def smtp_server(settings: Settings) -> tuple[SmtpServer, Mailbox]:
    """Return the mail server and the sender.

    Raises:
        ValueError: the settings are invalid. The message contains no password.
    """
    server = SmtpServer.parse(_text(settings.smtp_url))
    if settings.smtp_helo:
        server = replace(server, helo=settings.smtp_helo)
    if settings.email_from is None:
        raise ValueError("AWB_EMAIL_FROM is not set")
    return server, settings.email_from


def mail_host(settings: Settings) -> str:
    """Return the host for message ids; empty if none is known."""
    return urlsplit(settings.coder_url or settings.public_url).hostname or ""


def _text(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""
