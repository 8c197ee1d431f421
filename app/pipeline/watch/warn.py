"""Warning: usage is compared with the thresholds, and changes become notifications in the outbox."""

from dataclasses import replace
from functools import partial
from typing import Final

import structlog

from app.config.load import Config
from app.core.alert.alert import Alert
from app.core.alert.decision import AlertState, Reason, evaluate
from app.core.count.meter import Usage, meter_of
from app.core.limit.period import Period
from app.core.wording.threshold import describe
from app.pipeline.notify.announce import change
from app.pipeline.outlook import context_of, is_projected, outlook
from app.pipeline.usage import current_usage
from app.pipeline.watch.losses import is_held
from app.store.alert.alerts import Change, StoredAlert
from app.store.count.snapshot import TOP
from app.store.store import Store

log = structlog.get_logger(__name__)
# A new period first produces a summary of the old one, and may cross a threshold immediately.
_MOST: Final = 50


def warn(store: Store, config: Config, meter: str) -> list[Alert]:
    """Evaluate until there is nothing more to announce, and return what this process announced.

    Nothing is announced for a meter that Coder no longer has (see app/pipeline/watch/retire.py), or after a loss
    (app/pipeline/watch/losses.py).
    """
    if is_held(store, config):
        return []
    announced: list[Alert] = []
    for _ in range(_MOST):
        made = change(store, config, meter, partial(_decide, store, config))
        if made is None:
            return announced
        if made.alert is not None:
            announced.append(made.alert)
    log.error("thresholds keep changing", deployment=store.deployment, meter=meter, changes=_MOST)
    return announced


def _decide(store: Store, config: Config, found: StoredAlert) -> Change | None:
    # Read after the state: a slow process must not compare older usage with a newer state.
    meter, state = found.name, found.state
    usage = current_usage(store, config, meter, top=False)
    if usage.gone:
        return None
    projected = is_projected(store, config, usage)
    decision = evaluate(
        state, usage, config.thresholds, usage.as_of, config.repeat_every(state.level), projected=projected
    )
    if decision.reason is Reason.REPEAT and store.silences.acknowledges(meter, state):
        # An acknowledged level is not repeated, but it is still evaluated.
        return None
    quiet = Change(decision.state, usage.as_of)
    if decision.reason is Reason.NONE:
        return quiet
    shown = _ended(store, usage, state) if decision.reason is Reason.SUMMARY else _with_tops(store, usage)
    if shown is None:
        return quiet
    alert = describe(decision, shown, context_of(store, config, outlook(store, shown)))
    return replace(quiet, alert=alert, because=decision.because)


def _with_tops(store: Store, usage: Usage) -> Usage:
    if not meter_of(usage.meter).counted_here:
        return usage
    found = store.snapshot(usage.meter).breakdown(usage.period, usage.as_of, TOP)
    return replace(usage, by_user=found.by_user, by_template=found.by_template)


def _ended(store: Store, usage: Usage, state: AlertState) -> Usage | None:
    """Return the total of the period that ended; None if there is nothing to summarize."""
    if state.period_start is None or not meter_of(usage.meter).counted_here:
        return None
    end = min(state.period_end or usage.period.start, usage.period.start)
    period = Period(state.period_start, end)
    limit = replace(usage.limit, count=state.limit) if state.limit is not None else usage.limit
    snapshot = store.snapshot(usage.meter)
    past = snapshot.usage(period, limit, usage.as_of, top=True)
    return replace(past, mode=usage.mode) if past.used else None
