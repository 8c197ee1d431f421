"""Posts that the webhook refuses because of a wrong secret, which only the meter notices."""

import redis
import structlog

from app import clock
from app.config.load import Config
from app.core.alert.decision import AlertState
from app.core.alert.refusal import NOTICE_KEY, wrong_secret_notice
from app.core.wording.notice import notice_alert
from app.pipeline.notify.announce import change
from app.pipeline.outlook import bare_context
from app.store.alert.alerts import Change, StoredAlert
from app.store.receive.refusals import RefusalCounters
from app.store.store import Store

log = structlog.get_logger(__name__)
NAME = f"notice-{NOTICE_KEY}"


def watch_refusals(connection: "redis.Redis", config: Config) -> bool:
    """Announce or end the notice about a wrong secret; True if this call announced it.

    It belongs to the configured deployment: the secret is shared by all, and without it anybody can name any
        deployment.
    """
    deployment, now = config.settings.deployment, clock.now()
    store, runs = Store(connection, deployment), RefusalCounters(connection).runs()
    last = store.inbox.stats().get("last_delivery_at")

    def decide(found: StoredAlert) -> Change | None:
        state = found.state
        notice = wrong_secret_notice(
            runs,
            now,
            deployment=deployment,
            last_delivery=clock.at(last) if last else None,
            firing=bool(state.level),
            announced_at=state.announced_at,
            zone=config.zone,
        )
        if (notice is not None) == bool(state.level):
            return None
        if notice is None:
            # The time of the announcement is kept, so that it is not repeated too soon.
            return Change(AlertState(since=now, announced_at=state.announced_at), now)
        alert = notice_alert(notice, NAME, deployment, bare_context(config), now)
        return Change(AlertState(level="notice", since=now, announced_at=now), now, alert, notice.summary)

    made = change(store, config, NAME, decide)
    if made and not made.alert:
        log.info("notice no longer applies", deployment=deployment, notice=NOTICE_KEY)
    return bool(made and made.alert)
