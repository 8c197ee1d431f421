"""Health on the overview: input, parts of the installation, and recent failures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import redis

from app import clock
from app.config.load import Config
from app.core.alert.refusal import WORDS, unauthorized
from app.core.alert.severity import Severity
from app.core.coder.passes import Phase, describe
from app.core.count.meter import AWB
from app.core.finding import Result
from app.core.health.verdict import Verdict
from app.core.health.vitals import QueueVitals
from app.core.text.lines import moment_text
from app.notifiers.receivers import receivers
from app.store.coder.state import CoderState
from app.store.server.info import server_info
from app.store.store import Store
from app.web.pages.alertdata import channels
from app.web.pages.frame import duration, to

#: After this many seconds without a heartbeat, a worker is not running (RQ's heartbeats are less than a minute apart).
_WORKER_SILENT: Final = 120
_OLD_JOB: Final = 300
_MOST_MESSAGES: Final = 100
_QUEUE_CHECKS: Final = ("workers.alive", "queues.paused", "jobs.failed", "jobs.waiting")
SEVERITIES: Final = {
    Result.ERROR: Severity.CRITICAL,
    Result.WARNING: Severity.WARNING,
    Result.OK: Severity.OK,
}
_REDIS_WORDS: Final = {
    Severity.CRITICAL: "Its last write to disk failed",
    Severity.WARNING: "Running without an append-only file",
    Severity.OK: "Running, every change is written to disk",
}


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the installation: its status in words, a time, and a link to details."""

    name: str
    severity: Severity
    words: str
    detail: str = ""
    at: datetime | None = None
    link: str = ""


def parts(store: Store, config: Config, found: Verdict) -> list[Part]:
    """Return all parts, input first, with the status from the verdict."""
    rows = [_input(store, found), *_refused(found), _redis(store.redis, found)]
    rows += [*_workers(found), *_coder(store, config, found)]
    return [*rows, *_channels(store, config, found)]


def _severity(found: Verdict, *checks: str, subject: str = "") -> Severity:
    results = {found.of(check, subject) for check in checks}
    return next((severity for result, severity in SEVERITIES.items() if result in results), Severity.OK)


def never_received(store: Store) -> bool:
    """Return whether there is nothing to show yet: no delivery, no record and nothing found by Coder's API."""
    if store.inbox.stats() or store.coder.mark("reconciled_at"):
        return False
    return store.records(AWB).oldest() is None


def _input(store: Store, found: Verdict) -> Part:
    stats = store.inbox.stats()
    last, quarantined = stats.get("last_delivery_at"), int(stats.get("quarantined", 0))
    accepted, duplicate = int(stats.get("accepted", 0)), int(stats.get("duplicate", 0))
    detail = f"{accepted:,} accepted, {duplicate:,} duplicate, {quarantined:,} quarantined"
    severity = _severity(found, "input.deliveries", "input.quarantine")
    if last is None:
        return Part("Deliveries", severity, "None received yet", detail)
    at = clock.at(last)
    return Part("Deliveries", severity, f"Last one {duration((clock.now() - at).total_seconds())} ago", detail, at)


def _refused(found: Verdict) -> Iterator[Part]:
    """Report refused posts, once there were any."""
    runs = found.vitals.refusals
    if not runs:
        return
    detail = ", ".join(f"{WORDS[reason]}: {run.total:,}" for reason, run in runs.items())
    wrong, last = unauthorized(runs, clock.now()), max(run.last for run in runs.values())
    severity = _severity(found, "input.secret", "input.refused")
    if wrong is None:
        yield Part("Refused posts", severity, "None recently without the right secret", detail, last)
    else:
        words = f"{wrong.count:,} without the right secret since {moment_text(wrong.since, found.vitals.zone)}"
        yield Part("Refused posts", severity, words, detail, wrong.last)


def _redis(connection: "redis.Redis", found: Verdict) -> Part:
    server = server_info(connection)
    info = server.facts
    severity = _severity(found, "redis.persistence")
    if server.missing:
        detail = f"version {info['redis_version']}; the Redis user may not run {server.missing}"
        return Part("Redis", severity, "Running; whether it writes to disk is unknown", detail)
    version = info.get("valkey_version") or info.get("redis_version")
    detail = f"version {version}, {info.get('used_memory_human', '?')} in use"
    return Part("Redis", severity, _REDIS_WORDS[severity], detail)


def _workers(found: Verdict) -> Iterator[Part]:
    for queue in found.vitals.queues:
        if queue.served or queue.waited_for or queue.failed or queue.paused:
            short = queue.name.removeprefix("awb-").capitalize()
            severity = _severity(found, *_QUEUE_CHECKS, subject=queue.name)
            detail = f"{queue.length:,} waiting, {queue.failed:,} failed"
            yield Part(f"{short} worker", severity, _queue(queue, found), detail, link=to("/queues"))


def _queue(queue: QueueVitals, found: Verdict) -> str:
    if queue.paused:
        return "Paused"
    if found.of("workers.alive", queue.name) is not Result.OK:
        return "No worker is running"
    if found.of("jobs.waiting", queue.name) is not Result.OK and queue.oldest_age is not None:
        return f"Behind by {duration(queue.oldest_age)}"
    return "Running; some jobs have failed" if queue.failed else "Running"


def _coder(store: Store, config: Config, found: Verdict) -> Iterator[Part]:
    state = store.coder
    if not config.verifying(store.deployment):
        return
    failing, passed, severity = (
        state.moment("failing_since"),
        state.moment("reconciled_at"),
        _severity(found, "coder.api"),
    )
    if failing:
        yield Part("Coder’s API", severity, "Fails", state.mark("failure") or "", failing)
    else:
        answered_at = state.moment("heard_at")
        yield Part("Coder’s API", Severity.OK, "Working" if answered_at else "Not used yet", at=answered_at)
    under_way = _under_way(store, state)
    # A pass that is late because the API fails is not a second problem.
    severity = Severity.OK if failing else severity
    if passed is None:
        yield Part("Reconcile", severity, "No pass has finished yet", under_way)
        return
    words = f"Last pass {duration((clock.now() - passed).total_seconds())} ago"
    yield Part("Reconcile", severity, words, under_way, passed)


def _under_way(store: Store, state: CoderState) -> str:
    """Return the progress of the pass, and the numbers of remaining and failing workspaces."""
    _version, now = store.passes.load()
    said = []
    if now is not None and now.phase is not Phase.DONE:
        read = f", back to {clock.at(now.back_to):%d %b %Y}" if now.back_to else ""
        said.append(f"The pass {describe(now)}{read}.")
    waiting, failing = state.due_count(clock.now().timestamp()), state.failing_count()
    said += [f"{waiting:,} workspaces are waiting to be verified."] if waiting else []
    said += [f"Coder fails for {failing:,} workspaces, which are retried."] if failing else []
    return " ".join(said)


def _channels(store: Store, config: Config, found: Verdict) -> Sequence[Part]:
    listed = receivers(config.settings)
    if not listed:
        hint = "Set AWB_SLACK_WEBHOOK_URL, or AWB_SMTP_URL with AWB_EMAIL_FROM and AWB_EMAIL_TO."
        severity = _severity(found, "receivers.configured")
        return [Part("Receivers", severity, "None configured: nobody is warned", hint)]
    return [_channel(one, found) for one in channels(store, listed, _MOST_MESSAGES)]


def _channel(channel: dict[str, Any], found: Verdict) -> Part:
    name, last, failure = channel["name"], channel["last"], channel["failure"]
    severity, link = _severity(found, "receivers.working", subject=name), to("/alerts") + "#messages"
    if severity is not Severity.OK and failure:
        at = clock.at(failure["decided_at"])
        return Part(name, severity, "The last message failed", failure["error"] or "", at, link)
    if last is None:
        return Part(name, severity, "No messages yet")
    detail = f"last failure: {failure['error']}" if failure else ""
    return Part(name, severity, "Last message accepted", detail, clock.at(last["sent_at"]), link)
