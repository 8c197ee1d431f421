"""Warning: usage is held against the thresholds, and a decision to speak becomes notifications in the outbox."""

from dataclasses import replace
from typing import Final

import structlog

from app.config.load import Config
from app.core.alert.decision import AlertState, Decision, Reason, evaluate
from app.core.count.meter import Usage, meter_of
from app.core.limit.period import Period
from app.core.wording.threshold import describe
from app.pipeline.outlook import context_of, outlook
from app.pipeline.tell.announce import announce, settle
from app.pipeline.usage import current_usage
from app.store.store import Store

log = structlog.get_logger(__name__)
# A new period first sums the old one up and may cross a threshold at once; racing processes cost a round each.
_ROUNDS: Final = 50


def warn(store: Store, config: Config, meter: str) -> list[Decision]:
    """Evaluate until there is nothing more to say; return the decisions that this process made stand.

    Of a meter that is gone nothing is said (app/pipeline/watch/retire.py forgets what was).

    The state and its notifications change in one script, compared with what was read: of processes that race, one
    announces, and a crash before the script leaves the level unannounced for the next evaluation.
    """
    alerts = store.alerts
    made: list[Decision] = []
    for _ in range(_ROUNDS):
        version, state = alerts.state(meter)
        usage = current_usage(store, config, meter, top=False)
        if usage.gone:
            return made
        decision = evaluate(state, usage, config.thresholds, usage.as_of, config.repeat_every(state.level))
        if decision.reason is Reason.REPEAT and store.silences.acknowledges(meter, state):
            # What somebody acknowledged is not said again, but is still evaluated.
            return made
        if decision.state == state:
            return made
        if decision.reason is Reason.NONE:
            settle(store, meter, version, decision.state, usage.as_of)
        elif _say(store, config, decision, usage, version, state):
            made.append(decision)
    log.error("thresholds keep changing", deployment=store.deployment, meter=meter, rounds=_ROUNDS)
    return made


def _say(store: Store, config: Config, decision: Decision, usage: Usage, version: int, state: AlertState) -> bool:
    told = _ended(store, usage, state) if decision.reason is Reason.SUMMARY else _with_tops(store, usage)
    if told is None:
        return settle(store, usage.meter, version, decision.state, usage.as_of)
    alert = describe(decision, told, context_of(store.redis, config, outlook(store, told)))
    return announce(store.redis, config, alert, version, decision.state, usage.as_of, decision.because)


def _with_tops(store: Store, usage: Usage) -> Usage:
    if not meter_of(usage.meter).counted_here:
        return usage
    found = store.snapshot(usage.meter).breakdown(usage.period, usage.as_of)
    return replace(usage, by_user=found.by_user, by_template=found.by_template)


def _ended(store: Store, usage: Usage, state: AlertState) -> Usage | None:
    """Return what the period that ended came to; None when there is nothing to sum up."""
    if state.period_start is None or not meter_of(usage.meter).counted_here:
        return None
    end = min(state.period_end or usage.period.start, usage.period.start)
    period = Period(state.period_start, end)
    limit = replace(usage.limit, count=state.limit) if state.limit is not None else usage.limit
    snapshot = store.snapshot(usage.meter)
    past = snapshot.usage(period, limit, usage.as_of, top=True)
    return replace(past, mode=usage.mode) if past.used else None
