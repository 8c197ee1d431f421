"""Sending: one attempt at one notification, and when to retry."""

import random
from datetime import datetime, timedelta
from typing import Final

import structlog

from app import clock
from app.config.load import Config
from app.core.alert.dispatch import Circumstances, Dispatch, Step, dispatch
from app.notifiers.base import FailureReason, NotifyError
from app.notifiers.directory import UnknownReceiverError, notifier
from app.pipeline.notify.address import substitutes
from app.store.alert import tallies
from app.store.alert.outbox import Attempt, Outbox
from app.store.store import Store

log = structlog.get_logger(__name__)
#: Longer than any attempt may take, so that a claim outlives its attempt, but a dead process's claim ends.
CLAIM_SECONDS: Final = 120.0
#: A message that could not be delivered for a day is no longer useful; the page still shows it.
GIVE_UP_AFTER: Final = timedelta(hours=24)
_DELAYS: Final = (5, 15, 60, 300, 900, 3600)
_LONGEST_RETRY_AFTER: Final = 600.0
_JITTER: Final = 0.2
_CHANCE = random.SystemRandom()


def send(store: Store, config: Config, notification_id: str) -> float | None:
    """Make one attempt; return the seconds until the next one, or None if it has ended or is held.

    If the process dies before `mark_sent`, the message is sent again after the claim ends. This is the only way in
    which a message can be sent twice.
    """
    outbox = store.outbox
    now = clock.now()
    attempt = outbox.claim(notification_id, now, CLAIM_SECONDS)
    if attempt is None:
        return None
    bound = log.bind(deployment=store.deployment, notification_id=notification_id, attempt=attempt.number)
    decided = dispatch(
        attempt.notification.alert,
        attempt.notification.receiver,
        _circumstances(store, config, attempt, now),
    )
    if decided.step is not Step.SEND:
        _hold_or_drop(outbox, notification_id, decided, bound)
        return None
    return _attempt(outbox, config, attempt, bound)


def _circumstances(store: Store, config: Config, attempt: Attempt, now: datetime) -> Circumstances:
    return Circumstances(
        now=now,
        zone=config.zone,
        routes=config.settings.routes,
        quiet=config.quiet_spans,
        silences=store.silences.active(now),
        dry_run=config.settings.dry_run,
        held=attempt.held,
        newest=attempt.newest,
        overtaken=attempt.overtaken,
    )


def _hold_or_drop(outbox: Outbox, notification_id: str, decided: Dispatch, bound: structlog.stdlib.BoundLogger) -> None:
    if decided.step is Step.HOLD and decided.until is not None:
        outbox.hold(notification_id, decided.why, decided.until)
    else:
        outbox.drop(notification_id, decided.step.value, decided.why)
    bound.info("notification not sent", step=decided.step.value, why=decided.why, until=decided.until)


def _attempt(outbox: Outbox, config: Config, attempt: Attempt, bound: structlog.stdlib.BoundLogger) -> float | None:
    notification = attempt.notification
    try:
        by = notifier(config.settings, notification.receiver)
        thread = outbox.thread(notification.receiver, notification.alert.group_key) if by.threads else None
        handle = by.send(notification, thread, retry=attempt.number > 1)
    except NotifyError as error:
        return _failed(outbox, config, attempt, error, bound)
    except UnknownReceiverError:
        outbox.mark_failed(notification.id, "The receiver is no longer configured.")
        bound.error("notification dropped", why="the receiver is no longer configured")
        return None
    except ValueError as error:
        outbox.mark_failed(notification.id, f"The receiver's settings are wrong: {error}")
        bound.error("notification dropped", why="the receiver's settings are wrong", error=str(error))
        return None
    outbox.mark_sent(notification, clock.now(), handle)
    bound.info("notification sent", receiver=notification.receiver.partition(":")[0])
    return None


def _failed(
    outbox: Outbox, config: Config, attempt: Attempt, error: NotifyError, bound: structlog.stdlib.BoundLogger
) -> float | None:
    notification, now = attempt.notification, clock.now()
    tallies.erred(outbox.connection, outbox.deployment, notification.receiver, error.reason.value)
    waited = now - attempt.tried_since
    ends = error.permanent or waited > GIVE_UP_AFTER
    if ends or waited >= timedelta(minutes=config.settings.fallback_minutes):
        # Stored before it is marked: if the process dies in between, the next attempt adds the same ids, which exist
        # already.
        alone = error.reason is FailureReason.RECIPIENT_REFUSED
        outbox.add(substitutes(config, notification, str(error), same_channel=alone), now)
    if ends:
        outbox.mark_failed(notification.id, str(error))
        bound.error("notification failed", why=error.reason.value, error=str(error))
        return None
    delay = retry_delay(attempt.number, error.retry_after, _CHANCE.random())
    outbox.mark_retry(notification.id, str(error), now.timestamp() + delay)
    bound.warning("notification will be tried again", why=error.reason.value, error=str(error), seconds=delay)
    return delay


def retry_delay(attempt: int, retry_after: float | None, chance: float = 0.0) -> float:
    """Return the seconds until the next attempt: what the receiver requested, up to a maximum, or else a growing delay.

    `chance`, from 0 to 1, adds up to a fifth, so that messages that failed together are not retried together. It never
    shortens the delay, because a time that the receiver requests is a minimum.
    """
    if retry_after is not None:
        delay = min(max(retry_after, 1.0), _LONGEST_RETRY_AFTER)
    else:
        delay = float(_DELAYS[min(attempt, len(_DELAYS)) - 1])
    return delay * (1 + chance * _JITTER)
