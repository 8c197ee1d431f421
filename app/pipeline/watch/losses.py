"""Losses: a Redis that was emptied, replaced or restored from an older state is detected and causes no flood of alerts.

Until a sweep has examined such a Redis, and then until the count has recovered, alerts are not evaluated. Earlier
announcements are restored from the data directory, so they are not repeated.
"""

import redis
import structlog

from app import clock
from app.config.load import Config
from app.config.recollection import Recollection, Seen, recall, remember
from app.core.alert.decision import AlertState
from app.core.alert.loss import NOTICE_KEY, Lineage, Loss, loss_notice
from app.core.count.meter import AWB
from app.core.wording.notice import notice_alert
from app.pipeline.notify.announce import change
from app.pipeline.outlook import bare_context
from app.store.alert.alerts import Change, StoredAlert
from app.store.receive.inbox import deployments
from app.store.server.lineage import advance, forget_loss, note_loss, read_lineage, read_lineage_and_loss, read_loss
from app.store.store import Store

log = structlog.get_logger(__name__)
NAME = f"notice-{NOTICE_KEY}"


def examine(connection: "redis.Redis", config: Config) -> None:
    """Compare Redis with what this machine last saw, restore missing alerts, and store what it sees now.

    If the process dies here, the next sweep does it again.
    """
    last = recall(config.settings.data_dir)
    if last is not None and not read_lineage(connection).follows(_lineage_of(last)):
        for name, seen in last.deployments.items():
            _recover(Store(connection, name), seen, last)
    now = advance(connection)
    seen_now = {name: _seen(Store(connection, name)) for name in _known(connection, config)}
    remember(
        config.settings.data_dir,
        Recollection(at=clock.now().timestamp(), lineage=now.id, sweeps=now.sweeps, deployments=seen_now),
    )


def is_held(store: Store, config: Config) -> bool:
    """Return whether alerts of a deployment have to wait, because Redis may lack counts and announcements."""
    last = recall(config.settings.data_dir)
    lineage, loss = read_lineage_and_loss(store.redis, store.deployment)
    return loss is not None or (last is not None and not lineage.follows(_lineage_of(last)))


def watch_loss(store: Store, config: Config) -> None:
    """Announce a loss, and end it once the count has recovered or the notice has been acknowledged."""
    loss, now = read_loss(store.redis, store.deployment), clock.now()
    if loss is not None:
        over = loss.is_over(store.records(AWB).count(), store.coder.moment("reconciled_at"))
        accepted = not over and store.silences.acknowledges(NAME, store.alerts.read(NAME).state)
        if over or accepted:
            if accepted:
                _start_over(store, config)
            forget_loss(store.redis, store.deployment)
            log.warning("loss is over", deployment=store.deployment, accepted=accepted)
            loss = None

    def decide(found: StoredAlert) -> Change | None:
        if (loss is not None) == bool(found.state.level):
            return None
        if loss is None:
            return Change(AlertState(since=now), now)
        verifying = config.verifying(store.deployment)
        notice = loss_notice(loss, store.deployment, verifying=verifying, zone=config.zone)
        alert = notice_alert(notice, NAME, store.deployment, bare_context(config), now)
        return Change(AlertState(level="notice", since=now, announced_at=now), now, alert, notice.summary)

    change(store, config, NAME, decide)


def _recover(store: Store, seen: Seen, last: Recollection) -> None:
    left = store.records(AWB).count()
    restored = [name for name, fields in seen.alerts.items() if name != NAME and store.alerts.put_back(name, fields)]
    if left >= seen.records:
        return
    loss = Loss(found_at=clock.now(), seen_at=clock.at(last.at), before=seen.records, left=left)
    if note_loss(store.redis, store.deployment, loss):
        log.error(
            "redis has lost records", deployment=store.deployment, before=loss.before, left=left, alerts=len(restored)
        )


def _start_over(store: Store, config: Config) -> None:
    """Forget announced levels silently: alerts start from the present count."""
    for name in store.alerts.firing():
        if name != NAME:
            change(store, config, name, lambda found: Change(AlertState(), clock.now()) if found.state.level else None)


def _seen(store: Store) -> Seen:
    loss = read_loss(store.redis, store.deployment)
    records = store.records(AWB).count()
    # If data is lost again before the count has recovered, the loss is measured from the state before the first loss.
    return Seen(
        records=max(records, loss.before) if loss else records, alerts=store.alerts.stored(store.alerts.firing())
    )


def _known(connection: "redis.Redis", config: Config) -> list[str]:
    return list(dict.fromkeys([*config.settings.configured_deployments, *deployments(connection)]))


def _lineage_of(last: Recollection) -> Lineage:
    return Lineage(last.lineage, last.sweeps)
