"""Scopes: sub-limits of users, templates, organizations and groups, evaluated by every sweep."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Final

from app import clock
from app.config.load import Config
from app.core.alert.decision import AlertState, Reason, evaluate
from app.core.alert.scope import ScopeUsage, by_group, scope_usages
from app.core.count.era import is_gone
from app.core.count.meter import Usage
from app.core.limit.limits import Limit
from app.core.limit.period import Period, PeriodRule
from app.core.wording.scope import scope_alert, scope_name
from app.pipeline.notify.announce import change
from app.pipeline.outlook import bare_context
from app.pipeline.usage import coder_version, current_usage
from app.pipeline.watch.steps import each
from app.store.alert.alerts import Change, StoredAlert
from app.store.store import Store

_MOST_NAMES: Final = 10_000


def watch(store: Store, config: Config) -> None:
    """Compare every name's usage with its configured sub-limits.

    Raises:
        ExceptionGroup: some names could not be checked; the others were.
    """
    version, alerts = coder_version(store, config), store.alerts
    rules = [rule for rule in config.settings.scopes if not is_gone(rule.meter, version)]
    watched: dict[str, tuple[Usage, ScopeUsage]] = {}
    for meter in sorted({rule.meter for rule in rules}):
        usage = current_usage(store, config, meter, top=False)
        used: dict[tuple[str, str], Sequence[tuple[str, int]]] = {}
        for rule in rules:
            if rule.meter == meter and (rule.by, rule.per) not in used:
                used[rule.by, rule.per] = _units(store, usage, rule.by, rule.per)
        for scope in scope_usages([rule for rule in rules if rule.meter == meter], used):
            watched[scope_name(scope)] = usage, scope
    firing = alerts.firing("scope-")
    # A firing alert whose rule has no name in use is included, so that it can end.
    found = alerts.states(list(dict.fromkeys([*watched, *firing])))

    def evaluate_one(stored: StoredAlert) -> None:
        change(store, config, stored.name, partial(_decide, config, watched), read=stored)

    each(found, evaluate_one)


def _decide(config: Config, watched: Mapping[str, tuple[Usage, ScopeUsage]], found: StoredAlert) -> Change | None:
    if found.name not in watched:
        # There has been no usage since the day or month began, or the rule was removed.
        return Change(AlertState(), clock.now())
    whole, scope = watched[found.name]
    period = _period(whole, scope.rule.per)
    usage = Usage(whole.deployment, whole.meter, period, Limit(scope.rule.limit), scope.used, 0, whole.as_of)
    # Never repeated: only the end of the period changes it, and there may be many.
    decision = evaluate(found.state, usage, scope.rule.thresholds, usage.as_of)
    if decision.reason not in (Reason.NONE, Reason.SUMMARY):
        alert = scope_alert(decision, scope, usage, bare_context(config))
        return Change(decision.state, usage.as_of, alert, decision.because)
    # Most names are far below their limit, so they have no stored state.
    return Change(decision.state, usage.as_of) if decision.state.level or found.state.level else None


def _period(usage: Usage, per: str) -> Period:
    today = usage.as_of.date()
    if per == "day":
        return Period(today, today + timedelta(days=1))
    return PeriodRule.parse("monthly").at(today) if per == "month" else usage.period


def _units(store: Store, usage: Usage, by: str, per: str) -> Sequence[tuple[str, int]]:
    snapshot = store.snapshot(usage.meter)
    dimension = "user" if by == "group" else by
    found = snapshot.names(dimension, _period(usage, per), usage.as_of.date(), _MOST_NAMES)
    return by_group(found, store.coder.groups()) if by == "group" else found
