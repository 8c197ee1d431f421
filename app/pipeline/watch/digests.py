"""Digests: the weekly and monthly reports, each exactly once, whichever scheduler is first and however late it is."""

from datetime import UTC, datetime, timedelta

from app import clock
from app.config.load import Config
from app.core.alert.decision import AlertState
from app.core.alert.digest import DigestKind, DigestSpan, due_digest
from app.core.count.era import is_gone
from app.core.count.meter import AWB
from app.core.limit.period import Period
from app.core.wording.digest import DigestFacts, digest_alert
from app.core.wording.usagestatus import usage_status
from app.pipeline.notify.announce import change
from app.pipeline.outlook import context_of, is_projected, outlook
from app.pipeline.usage import coder_version, current_usage
from app.store.alert.alerts import Change, StoredAlert
from app.store.count.snapshot import TOP
from app.store.store import Store

_MOST_CHANGES = 5


def watch(store: Store, config: Config) -> None:
    """Announce every digest that is due and has not been announced."""
    if is_gone(AWB, coder_version(store, config)):
        return
    for kind in config.settings.digest:
        _report(store, config, kind)


def _report(store: Store, config: Config, kind: DigestKind) -> None:
    now = clock.now()
    span = due_digest(kind, now.astimezone(config.zone))
    reported = AlertState(period_start=span.start, period_end=span.end, since=now)

    def decide(found: StoredAlert) -> Change | None:
        before = found.state.period_start
        if before is not None and before >= span.start:
            return None
        usage, facts = current_usage(store, config, AWB, top=False), _facts(store, span, now)
        if before is None or not (usage.used or facts.used):
            # A new installation has no last week, and without any usage there is nothing to report.
            return Change(reported, now)
        context = context_of(store, config, outlook(store, usage))
        status = usage_status(usage, config.thresholds, projected=is_projected(store, config, usage))
        alert = digest_alert(span, facts, usage, context, status.severity)
        return Change(reported, now, alert, alert.summary)

    change(store, config, f"digest-{kind}", decide)


def _facts(store: Store, span: DigestSpan, now: datetime) -> DigestFacts:
    snapshot = store.snapshot(AWB)
    period = Period(span.start, span.end)
    found = snapshot.breakdown(period, now, TOP)
    before = Period(span.start - (span.end - span.start), span.start)
    if span.kind == "monthly":
        before = Period((span.start - timedelta(days=1)).replace(day=1), span.start)
    return DigestFacts(
        used=sum(units for _day, units in found.by_day),
        before=sum(units for _day, units in snapshot.by_day(before, now.date())),
        by_user=found.by_user,
        by_template=found.by_template,
        changes=_changes(store, period),
    )


def _changes(store: Store, period: Period) -> list[str]:
    """Return what happened to alerts and to the drift within the span."""
    ends_at = period.ends_at or datetime.max.replace(tzinfo=UTC)
    events = store.alerts.events(200, before=ends_at.timestamp())
    start = period.starts_at.timestamp()
    changes = [event["because"] for event in events if event["at"] >= start and event["kind"] != "digest"]
    drifts = [p.drift for p in store.coder.drift() if period.contains(p.at.date())]
    if drifts and drifts[0] != drifts[-1]:
        changes.append(f"The drift against Coder's own number went from {drifts[0]:+,} to {drifts[-1]:+,}.")
    return list(dict.fromkeys(changes))[:_MOST_CHANGES]
