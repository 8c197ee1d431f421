"""The names of the configured receivers. The notifiers are in app/notifiers/directory.py, which is slower to import."""

import hashlib

from app.config.settings import Settings
from app.core.text.entries import split_urls
from app.core.text.mailbox import Mailbox, receiver_key


def receivers(settings: Settings) -> list[str]:
    """Return the names of the configured receivers.

    `slack` is the incoming webhook and `slack:<channel>` a channel of the bot; then come `email:<address>` for each
    recipient (always in lower case), `webhook`, and `apprise:<scheme>-<number>`.
    """
    found = ["slack"] if settings.slack_webhook_url else []
    found += [f"slack:{channel}" for channel in settings.slack_channel if settings.slack_bot_token]
    found += recipients(settings)
    found += ["webhook"] if settings.notify_webhook_url else []
    return found + list(apprise_urls(settings))


def recipients(settings: Settings) -> dict[str, Mailbox]:
    """Return the recipients of e-mails by receiver, without other spellings of the same address."""
    found: dict[str, Mailbox] = {}
    for mailbox in settings.email_to:
        found.setdefault(receiver_key(f"email:{mailbox.address}"), mailbox)
    return found


def receiver_slug(receiver: str) -> str:
    """Return a name for use in ids: `slack`, or `email-` and a digest, because keys must not contain addresses."""
    kind, _, address = receiver.partition(":")
    return f"{kind}-{hashlib.blake2s(address.encode(), digest_size=4).hexdigest()}" if address else kind


def apprise_urls(settings: Settings) -> dict[str, str]:
    """Return the URLs by receiver. Everything except their schemes is secret."""
    given = settings.apprise_urls.get_secret_value() if settings.apprise_urls else ""
    urls = split_urls(given)
    schemes = [url.partition("://")[0].lower() if "://" in url else "unknown" for url in urls]
    return {
        f"apprise:{scheme}-{number}": url for number, (scheme, url) in enumerate(zip(schemes, urls, strict=True), 1)
    }
