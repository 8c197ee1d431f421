"""Scopes: sub-limits of users, templates, organizations and groups, and bursts; evaluated by every sweep."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from app import clock
from app.config.load import Config
from app.core.alert.decision import AlertState, Reason, evaluate
from app.core.alert.scope import ScopeUsage, bursts, by_group, scope_usages
from app.core.count.era import is_gone
from app.core.count.meter import AWB, Usage
from app.core.limit.limits import Limit
from app.core.limit.period import Period, PeriodRule
from app.core.wording.scope import burst_alert, burst_name, scope_alert, scope_name
from app.pipeline.outlook import bare_context
from app.pipeline.tell.announce import announce, settle
from app.pipeline.usage import coder_version, current_usage
from app.pipeline.watch.steps import each
from app.store.alert.alerts import Stored
from app.store.store import Store

#: A burst is over when the user has been below it for so long.
_CALM: Final = timedelta(hours=1)
_MOST_NAMES: Final = 10_000
_MOST_BUILDS: Final = 20_000


def watch_scopes(store: Store, config: Config) -> None:
    """Hold every name against the sub-limits that the configuration sets for it.

    Raises:
        ExceptionGroup: some names could not be looked at; the others were.
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
    # A rule without a name in use leaves what fired before to be let go.
    found = alerts.states(list(dict.fromkeys([*watched, *firing])))

    def look(stored: Stored) -> None:
        if stored.name in watched:
            _evaluate(store, config, *watched[stored.name], stored)
        else:
            # It used nothing since its day or month began, or has no rule any more.
            settle(store, stored.name, stored.version, AlertState(), clock.now())

    each(found, look)


def _evaluate(store: Store, config: Config, whole: Usage, scope: ScopeUsage, stored: Stored) -> None:
    state, version, period = stored.state, stored.version, _period(whole, scope.rule.per)
    usage = Usage(whole.deployment, whole.meter, period, Limit(scope.rule.limit), scope.used, 0, whole.as_of)
    # Never repeated: nothing but the end of the period changes it, and there may be many.
    decision = evaluate(state, usage, scope.rule.thresholds, usage.as_of)
    quiet = decision.reason in (Reason.NONE, Reason.SUMMARY)
    # Most names are far below their limit and have no state to keep.
    if decision.state == state or (quiet and not decision.state.level and not state.level):
        return
    if quiet:
        settle(store, stored.name, version, decision.state, usage.as_of)
        return
    alert = scope_alert(decision, scope, usage, bare_context(config))
    announce(store.redis, config, alert, version, decision.state, usage.as_of, decision.because)


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


def watch_bursts(store: Store, config: Config) -> None:
    """Look for users with very many builds in a short time, and forget those that have calmed down.

    Raises:
        ExceptionGroup: some users could not be looked at; the others were.
    """
    rule = config.settings.burst
    alerts = store.alerts
    if not rule.builds:
        return
    gone, ledger = is_gone(AWB, coder_version(store, config)), store.ledger(AWB)
    now = clock.now()
    since = (now - timedelta(hours=rule.hours)).timestamp()
    found = {
        burst_name(user): (user, builds)
        for user, builds in bursts([] if gone else ledger.owners_since(since, _MOST_BUILDS), rule)
    }
    stored = alerts.states(list(dict.fromkeys([*found, *alerts.firing("burst-")])))

    def look(one: Stored) -> None:
        state = one.state
        if one.name not in found:
            if state.since is not None and now - state.since >= _CALM:
                settle(store, one.name, one.version, AlertState(since=now), now)
        elif not state.level:
            user, builds = found[one.name]
            firing = AlertState(level="burst", since=now, announced_at=now)
            alert = burst_alert(store.deployment, AWB, user, builds, rule, now, bare_context(config))
            announce(store.redis, config, alert, one.version, firing, now, alert.summary)

    each(stored, look)
