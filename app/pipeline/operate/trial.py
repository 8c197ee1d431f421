"""Test messages: queued like any other, so that they test the whole path to a receiver."""

from collections.abc import Sequence

from app import clock
from app.config.load import Config
from app.core.wording.test import trial_alert
from app.pipeline.notify.address import to_receivers
from app.pipeline.outlook import bare_context
from app.store.store import Store


def queue_test(store: Store, config: Config, receivers: Sequence[str]) -> list[str]:
    """Queue a test message to each of these configured receivers, and return the ids.

    The ids have a resolution of one second, so a repeated request within a second sends only one.
    """
    now = clock.now()
    stem, queued = f"test-{int(now.timestamp())}", []
    for receiver in receivers:
        alert = trial_alert(store.deployment, receiver, bare_context(config), now)
        messages = to_receivers(config, alert, stem, now, [receiver])
        store.outbox.add(messages, now)
        queued += [message.id for message in messages]
    return queued
