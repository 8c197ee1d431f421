"""Notices: each is announced once while it applies, and forgotten when it no longer does."""

from datetime import timedelta

import structlog

from app import clock
from app.config.load import Config
from app.core.alert.decision import AlertState
from app.core.alert.notice import Notice, Situation, active_notices
from app.core.count.meter import AWB
from app.core.wording.notice import notice_alert
from app.pipeline.notify.announce import change
from app.pipeline.outlook import bare_context
from app.pipeline.usage import coder_version, current_allowance, current_usage
from app.pipeline.watch import losses, refusals
from app.store.alert.alerts import Change, StoredAlert
from app.store.coder.state import CoderState
from app.store.store import Store

log = structlog.get_logger(__name__)
_KEY_PREFIX = "notice-"
# In seconds.
_LONGEST_BUILD = 3600.0


def give_notice(store: Store, config: Config) -> list[Notice]:
    """Announce every notice that newly applies, and return those that this process announced.

    Each notice has its own alert state. The change and its notifications are written by one script, as for thresholds.
    """
    if losses.is_held(store, config):
        return []
    now = clock.now()
    active = {_KEY_PREFIX + notice.key: notice for notice in active_notices(situation(store, config))}

    def decide(found: StoredAlert) -> Change | None:
        notice = active.get(found.name)
        if (notice is not None) == bool(found.state.level):
            return None
        if notice is None:
            return Change(AlertState(since=now), now)
        alert = notice_alert(notice, found.name, store.deployment, bare_context(config), now)
        return Change(AlertState(level="notice", since=now, announced_at=now), now, alert, notice.summary)

    announced = []
    # app/pipeline/watch/refusals.py ends its own notice.
    others = [name for name in store.alerts.firing(_KEY_PREFIX) if name not in (*active, refusals.NAME, losses.NAME)]
    for name in (*active, *others):
        if change(store, config, name, decide):
            if name in active:
                announced.append(active[name])
            else:
                log.info("notice no longer applies", deployment=store.deployment, notice=name)
    return announced


def situation(store: Store, config: Config) -> Situation:
    """Collect the data on which notices depend."""
    state = store.coder
    entitlements = state.entitlements()
    usage = current_usage(store, config, AWB, top=False)
    last = store.inbox.stats().get("last_delivery_at")
    silent_since = clock.at(last) if last else None
    return Situation(
        deployment=store.deployment,
        now=clock.now(),
        entitlements=entitlements,
        allowance=current_allowance(config, entitlements, AWB),
        version=coder_version(store, config),
        history=state.drift(),
        period_start=usage.period.starts_at,
        unreached_since=state.moment("failing_since"),
        failure=state.mark("failure") or "",
        silent_since=silent_since,
        proved_since_silence=_proved_since(store, last, state),
        silence_allowed=timedelta(hours=config.settings.silence_hours),
        sees_deleted=state.sees_deleted,
        token_ends_at=state.moment("token_ends_at"),
        zone=config.zone,
    )


def _proved_since(store: Store, last: float | None, state: CoderState) -> int:
    """Count builds proved after the last delivery, or after the meter first reconciled if there was none.

    A delivery arrives before the end of the build that it reports.
    """
    begun = state.moment("first_reconciled_at")
    since = last + _LONGEST_BUILD if last is not None else (begun.timestamp() if begun else None)
    return 0 if since is None else store.ledger(AWB).count_since(since)
