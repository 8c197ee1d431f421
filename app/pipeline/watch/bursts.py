"""Bursts: users with very many builds in a short time, evaluated by every sweep."""

from datetime import timedelta
from typing import Final

from app import clock
from app.config.load import Config
from app.core.alert.decision import AlertState
from app.core.alert.scope import bursts
from app.core.count.era import is_gone
from app.core.count.meter import AWB
from app.core.wording.burst import burst_alert, burst_name
from app.pipeline.notify.announce import change
from app.pipeline.outlook import bare_context
from app.pipeline.usage import coder_version
from app.pipeline.watch.steps import each
from app.store.alert.alerts import Change, StoredAlert
from app.store.store import Store

#: A burst is over once the user has been below the limit for this long.
_CALM: Final = timedelta(hours=1)
_MOST_BUILDS: Final = 20_000


def watch(store: Store, config: Config) -> None:
    """Announce users with very many builds in a short time, and forget those whose burst is over.

    Raises:
        ExceptionGroup: some users could not be checked; the others were.
    """
    rule = config.settings.burst
    if not rule.builds:
        return
    gone, ledger = is_gone(AWB, coder_version(store, config)), store.ledger(AWB)
    now = clock.now()
    since = (now - timedelta(hours=rule.hours)).timestamp()
    users = dict(bursts([] if gone else ledger.owners_since(since, _MOST_BUILDS), rule))
    active = {burst_name(user): user for user in users}

    def decide(found: StoredAlert) -> Change | None:
        state, user = found.state, active.get(found.name)
        if user is None:
            calm = state.since is not None and now - state.since >= _CALM
            return Change(AlertState(since=now), now) if state.level and calm else None
        if state.level:
            return None
        alert = burst_alert(store.deployment, AWB, user, users[user], rule, now, bare_context(config))
        return Change(AlertState(level="burst", since=now, announced_at=now), now, alert, alert.summary)

    def evaluate_one(stored: StoredAlert) -> None:
        change(store, config, stored.name, decide, read=stored)

    each(store.alerts.states(list(dict.fromkeys([*active, *store.alerts.firing("burst-")]))), evaluate_one)
