"""Addressing: an alert becomes one notification for each receiver of its routes."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from app.config.load import Config
from app.core.alert.alert import Alert, Notification
from app.core.alert.decision import Reason
from app.core.alert.routing import addressed, named
from app.notifiers.receivers import receiver_slug, receivers
from app.pipeline.notify.texts import own_words


def notifications_for(config: Config, alert: Alert, stem: str, decided_at: datetime) -> list[Notification]:
    """Return the notifications of an alert.

    Args:
        config: routes, receivers and the admin's own texts.
        alert: the alert in the built-in texts.
        stem: the prefix of the ids, unique for each change of an alert's state.
        decided_at: the time of the decision.
    """
    chosen = addressed(config.settings.routes, alert.labels(), receivers(config.settings))
    return to_receivers(config, alert, stem, decided_at, chosen)


def to_receivers(
    config: Config, alert: Alert, stem: str, decided_at: datetime, chosen: Sequence[str]
) -> list[Notification]:
    worded = own_words(config.settings.texts, alert)
    return [
        Notification(f"{job_name(stem)}-{receiver_slug(receiver)}", receiver, decided_at, worded) for receiver in chosen
    ]


def substitutes(config: Config, failed: Notification, why: str, *, same_channel: bool) -> list[Notification]:
    """Return the notifications that replace one that could not be delivered.

    They never use the channel that failed, so that no failure causes another, and are never replaced themselves.

    Args:
        config: includes the fallback receivers.
        failed: the notification that failed.
        why: the reason, for readers and without secrets.
        same_channel: the channel works and only this recipient does not, so others of the same kind may be used.
    """
    # A test is only for its receiver, and what people did about an alert belongs only in its own thread.
    if failed.stands_in_for or failed.alert.reason in (Reason.TEST, Reason.ACKNOWLEDGED):
        return []
    kind = failed.receiver.partition(":")[0]
    footer = f"{failed.alert.footer} · {failed.receiver} could not be reached: {why}"
    alert = replace(failed.alert, footer=footer)
    return [
        Notification(f"{failed.id}-for-{receiver_slug(receiver)}", receiver, failed.decided_at, alert, failed.receiver)
        for receiver in named(receivers(config.settings), config.settings.fallback)
        if receiver != failed.receiver and (same_channel or receiver.partition(":")[0] != kind)
    ]


def job_name(text: str) -> str:
    """Make a text valid in ids of RQ's jobs: letters, digits, `_` and `-`."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text.replace("%", "pct"))
