"""Warning: usage is held against the thresholds, and a decision to speak becomes notifications in the outbox."""

import re
from collections.abc import Sequence
from typing import Final

import redis
import structlog

from app.config import Config
from app.core.alert import Notification, describe
from app.core.meter import Usage
from app.core.threshold import Decision, Reason, evaluate
from app.notifiers.directory import receiver_slug, receivers
from app.pipeline.usage import current_usage
from app.store.alerts import Alerts

log = structlog.get_logger(__name__)
# A new period first resolves the old one's alert and may cross a threshold at once; racing processes cost a round each.
_ROUNDS: Final = 50


def warn(connection: "redis.Redis", config: Config, deployment: str, meter: str) -> list[Decision]:
    """Evaluate until there is nothing more to say; return the decisions that this process made stand.

    The state and its notifications change in one script, compared with what was read: of processes that race, one
    announces, and a crash before the script leaves the level unannounced for the next evaluation.
    """
    alerts = Alerts(connection, deployment)
    made: list[Decision] = []
    for _ in range(_ROUNDS):
        version, state = alerts.state(meter)
        usage = current_usage(connection, config, deployment, meter, top=False)
        decision = evaluate(state, usage, config.thresholds, usage.as_of, config.repeat_every)
        if decision.state == state:
            return made
        notifications: Sequence[Notification] = ()
        if decision.reason is not Reason.NONE:
            usage = current_usage(connection, config, deployment, meter, top=True)
            notifications = _notifications(config, decision, usage, version)
        if (
            alerts.announce(meter, version, decision.state, notifications, usage.as_of)
            and decision.reason is not Reason.NONE
        ):
            made.append(decision)
            log.warning(
                "threshold decided",
                deployment=deployment,
                meter=meter,
                reason=decision.reason.value,
                threshold=decision.level,
                used=usage.used,
                limit=usage.limit.count,
                notifications=[notification.id for notification in notifications],
            )
    log.error("thresholds keep changing", deployment=deployment, meter=meter, rounds=_ROUNDS)
    return made


def _notifications(config: Config, decision: Decision, usage: Usage, version: int) -> list[Notification]:
    alert = describe(decision, usage, config.settings.coder_url)
    level = re.sub(r"[^A-Za-z0-9]+", "-", decision.level.replace("%", "pct")) or "ok"
    # The state's version makes the id new when a level is announced again after it was resolved.
    stem = f"{usage.meter}-{usage.period.start.isoformat()}-{level}-{decision.reason.value}-{version + 1}"
    return [
        Notification(f"{stem}-{receiver_slug(receiver)}", receiver, usage.as_of, alert)
        for receiver in receivers(config.settings)
    ]
