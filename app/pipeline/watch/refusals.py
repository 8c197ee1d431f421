"""Posts that the webhook refuses: somebody has the wrong secret, and only the meter knows."""

import redis
import structlog

from app import clock
from app.config.load import Config
from app.core.alert.decision import AlertState
from app.core.alert.refusal import NOTICE_KEY, wrong_secret_notice
from app.core.wording.notice import notice_alert
from app.pipeline.outlook import bare_context
from app.pipeline.tell.announce import announce, settle
from app.store.alert.alerts import Alerts
from app.store.receive.inbox import Inbox
from app.store.receive.refusals import RefusalCounters
from app.store.store import Store

log = structlog.get_logger(__name__)
NAME = f"notice-{NOTICE_KEY}"


def watch_refusals(connection: "redis.Redis", config: Config) -> bool:
    """Announce or end the notice about a wrong secret; True when it was announced by this call.

    It belongs to the configured deployment: all deployments share the secret, and whoever has none may name any.
    """
    deployment, now = config.settings.deployment, clock.now()
    version, state = Alerts(connection, deployment).state(NAME)
    last = Inbox(connection, deployment).stats().get("last_delivery_at")
    notice = wrong_secret_notice(
        RefusalCounters(connection).runs(),
        now,
        deployment=deployment,
        last_delivery=clock.at(last) if last else None,
        firing=bool(state.level),
        announced_at=state.announced_at,
    )
    if notice is None and state.level:
        # When it was announced is kept, so that it does not come again too soon.
        settle(
            Store(connection, deployment), NAME, version, AlertState(since=now, announced_at=state.announced_at), now
        )
        log.info("notice no longer holds", deployment=deployment, notice=NOTICE_KEY)
    if notice is None or state.level:
        return False
    alert = notice_alert(notice, NAME, deployment, bare_context(config), now)
    firing = AlertState(level="notice", since=now, announced_at=now)
    return announce(connection, config, alert, version, firing, now, notice.summary)
