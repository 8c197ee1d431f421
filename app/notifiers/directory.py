"""The configured receivers, and the notifier that serves each."""

from app.notifiers.base import Notifier
from app.notifiers.email import EmailNotifier, SmtpServer
from app.notifiers.slack import SlackWebhook
from app.settings import Settings


class UnknownReceiverError(LookupError):
    """A notification names a receiver that is not configured (any more)."""


def receivers(settings: Settings) -> list[str]:
    """Return the names of the configured receivers: `slack`, and `email:<address>` for each recipient."""
    slack = ["slack"] if settings.slack_webhook_url else []
    return slack + [f"email:{address}" for address in settings.email_to]


def notifier(settings: Settings, receiver: str) -> Notifier:
    """Return the notifier of a receiver.

    Raises:
        UnknownReceiverError: the receiver was taken out of the configuration.
    """
    kind, _, address = receiver.partition(":")
    if kind == "slack" and settings.slack_webhook_url:
        return SlackWebhook(settings.slack_webhook_url.get_secret_value())
    if kind == "email" and settings.smtp_url and address in settings.email_to:
        return EmailNotifier(SmtpServer.parse(settings.smtp_url.get_secret_value()), settings.email_from, address)
    raise UnknownReceiverError(receiver)
