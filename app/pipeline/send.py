"""Sending: one attempt at one notification, and when to try again."""

from datetime import timedelta
from typing import Final

import redis
import structlog

from app import clock
from app.config import Config
from app.notifiers.base import NotifyError
from app.notifiers.directory import UnknownReceiverError, notifier
from app.store.alerts import Alerts, Attempt

log = structlog.get_logger(__name__)
#: Longer than any attempt may take, so that a claim outlives its attempt and a dead process's claim ends.
CLAIM_SECONDS: Final = 120.0
#: A message that could not be delivered for a day has missed its purpose; the page still shows it.
GIVE_UP_AFTER: Final = timedelta(hours=24)
_DELAYS: Final = (5, 15, 60, 300, 900, 3600)
_LONGEST_RETRY_AFTER: Final = 600.0


def send(connection: "redis.Redis", config: Config, deployment: str, notification_id: str) -> float | None:
    """Make one attempt; return the seconds after which to try again, or None when it is settled.

    If we die between the receiver's answer and `mark_sent`, the message is sent once more when the claim ends: that is
    the only way to a doubled message.
    """
    alerts = Alerts(connection, deployment)
    attempt = alerts.claim(notification_id, clock.now(), CLAIM_SECONDS)
    if attempt is None:
        return None
    bound = log.bind(deployment=deployment, notification_id=notification_id, attempt=attempt.number)
    try:
        notifier(config.settings, attempt.notification.receiver).send(attempt.notification)
    except NotifyError as error:
        return _failed(alerts, attempt, error, bound)
    except UnknownReceiverError:
        _dropped(alerts, notification_id, "The receiver is no longer configured.", bound)
        return None
    except ValueError as error:
        _dropped(alerts, notification_id, f"The receiver's settings are wrong: {error}", bound)
        return None
    alerts.mark_sent(notification_id, clock.now())
    bound.info("notification sent")
    return None


def _dropped(alerts: Alerts, notification_id: str, why: str, bound: structlog.stdlib.BoundLogger) -> None:
    alerts.mark_failed(notification_id, why)
    bound.error("notification dropped", why=why)


def _failed(alerts: Alerts, attempt: Attempt, error: NotifyError, bound: structlog.stdlib.BoundLogger) -> float | None:
    notification, now = attempt.notification, clock.now()
    if error.permanent or now - notification.decided_at > GIVE_UP_AFTER:
        alerts.mark_failed(notification.id, str(error))
        bound.error("notification failed", why=error.reason.value, error=str(error))
        return None
    delay = retry_delay(attempt.number, error.retry_after)
    alerts.mark_retry(notification.id, str(error), now.timestamp() + delay)
    bound.warning("notification will be tried again", why=error.reason.value, error=str(error), seconds=delay)
    return delay


def retry_delay(attempt: int, retry_after: float | None) -> float:
    """Return the seconds to the next attempt: what the receiver asked for, within reason, else a growing delay."""
    if retry_after is not None:
        return min(max(retry_after, 1.0), _LONGEST_RETRY_AFTER)
    return float(_DELAYS[min(attempt, len(_DELAYS)) - 1])
