"""The configured receivers, and the notifier that serves each."""

import hashlib
from urllib.parse import urlsplit

from app.notifiers.base import Notifier
from app.notifiers.email import NO_DOMAIN, EmailNotifier, SmtpServer
from app.notifiers.slack import SlackWebhook
from app.settings import Settings


class UnknownReceiverError(LookupError):
    """A notification names a receiver that is not configured (any more)."""


def problems(settings: Settings) -> list[str]:
    """Say what is wrong with the receivers' settings, without a secret's value."""
    found = []
    for receiver in receivers(settings):
        try:
            notifier(settings, receiver)
        except ValueError as error:
            key = "AWB_SLACK_WEBHOOK_URL" if receiver == "slack" else "AWB_SMTP_URL or AWB_EMAIL_TO"
            found.append(f"{key}: {error}")
    return list(dict.fromkeys(found))


def receivers(settings: Settings) -> list[str]:
    """Return the names of the configured receivers: `slack`, and `email:<address>` for each recipient."""
    slack = ["slack"] if settings.slack_webhook_url else []
    return slack + [f"email:{address}" for address in settings.email_to]


def receiver_slug(receiver: str) -> str:
    """Name a receiver inside an id: `slack`, or `email-` and a digest, for addresses belong in no key."""
    kind, _, address = receiver.partition(":")
    return f"{kind}-{hashlib.blake2s(address.encode(), digest_size=4).hexdigest()}" if address else kind


def notifier(settings: Settings, receiver: str) -> Notifier:
    """Return the notifier of a receiver.

    Raises:
        UnknownReceiverError: the receiver was taken out of the configuration.
    """
    kind, _, address = receiver.partition(":")
    if kind == "slack" and settings.slack_webhook_url:
        return SlackWebhook(settings.slack_webhook_url.get_secret_value())
    if kind == "email" and settings.smtp_url and address in settings.email_to:
        domain = urlsplit(settings.coder_url or settings.public_url).hostname or NO_DOMAIN
        server = SmtpServer.parse(settings.smtp_url.get_secret_value())
        return EmailNotifier(server, settings.email_from, address, domain)
    raise UnknownReceiverError(receiver)
