"""Health, as the overview tells it: what comes in, what works, and what has failed last."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import redis

from app import clock
from app.config.load import Config
from app.core.alert.refusal import WORDS, unauthorized
from app.core.alert.severity import Severity
from app.core.coder.passes import Phase, describe
from app.core.count.meter import AWB
from app.notifiers.receivers import receivers
from app.store.coder.state import CoderState
from app.store.receive.refusals import RefusalCounters
from app.store.rq.queues import Queues, QueueState
from app.store.server.info import server_info
from app.store.store import Store
from app.web.pages.alertdata import channels
from app.web.pages.frame import duration, to

#: A worker without a heartbeat for so many seconds is not working (RQ's heartbeat is below a minute here).
_WORKER_SILENT: Final = 120
_OLD_JOB: Final = 300
_MESSAGES_LOOKED_AT: Final = 100
#: A pass over Coder's API that is so many intervals late.
_LATE_PASSES: Final = 3


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the installation: how it is, in words, since when or until when, and where more is told."""

    name: str
    severity: Severity
    words: str
    detail: str = ""
    at: datetime | None = None
    link: str = ""


def parts(store: Store, config: Config) -> list[Part]:
    """Return every part, input first."""
    stats = store.inbox.stats()
    found = [_input(config, stats), *_refused(store.redis), _redis(store.redis), *_workers(store.redis)]
    found += _coder(store, config)
    return [*found, *_channels(store, config)]


def never_received(store: Store) -> bool:
    """Tell whether there is nothing to show yet: no delivery came, nothing was counted or found by Coder's API."""
    if store.inbox.stats() or store.coder.mark("reconciled_at"):
        return False
    return store.records(AWB).oldest() is None


def _input(config: Config, stats: dict[str, float]) -> Part:
    last, quarantined = stats.get("last_delivery_at"), int(stats.get("quarantined", 0))
    accepted, duplicate = int(stats.get("accepted", 0)), int(stats.get("duplicate", 0))
    detail = f"{accepted:,} accepted, {duplicate:,} duplicate, {quarantined:,} quarantined"
    if last is None:
        return Part("Deliveries", Severity.WARNING, "None has arrived", detail)
    at, allowed = clock.at(last), timedelta(hours=config.settings.silence_hours)
    quiet = clock.now() - at
    words = f"Last one {duration(quiet.total_seconds())} ago"
    return Part("Deliveries", Severity.WARNING if quiet > allowed else Severity.OK, words, detail, at)


def _refused(connection: "redis.Redis") -> Iterator[Part]:
    """Tell of refused posts once there were any."""
    runs = RefusalCounters(connection).runs()
    if not runs:
        return
    detail = ", ".join(f"{WORDS[reason]}: {run.total:,}" for reason, run in runs.items())
    wrong, last = unauthorized(runs, clock.now()), max(run.last for run in runs.values())
    if wrong is None:
        yield Part("Refused posts", Severity.OK, "None lately for want of the secret", detail, last)
    else:
        words = f"{wrong.count:,} without the right secret since {wrong.since:%Y-%m-%d %H:%M} UTC"
        yield Part("Refused posts", Severity.WARNING, words, detail, wrong.last)


def _redis(connection: "redis.Redis") -> Part:
    server = server_info(connection)
    info = server.facts
    if server.missing:
        detail = f"version {info['redis_version']}; the Redis user may not run {server.missing}"
        return Part("Redis", Severity.OK, "Answers; whether it writes to disk cannot be seen", detail)
    persists = str(info.get("aof_enabled")) == "1"
    written = info.get("aof_last_write_status", "ok") == "ok" and info.get("rdb_last_bgsave_status", "ok") == "ok"
    version = info.get("valkey_version") or info.get("redis_version")
    detail = f"version {version}, {info.get('used_memory_human', '?')} in use"
    if not written:
        return Part("Redis", Severity.CRITICAL, "Answers, but its last write to disk failed", detail)
    words = "Answers, and writes every change to disk" if persists else "Answers, without an append-only file"
    return Part("Redis", Severity.OK if persists else Severity.WARNING, words, detail)


def _workers(connection: "redis.Redis") -> Iterator[Part]:
    queues, now = Queues(connection), clock.now()
    listed = queues.workers()
    alive = {
        worker.queue
        for worker in listed
        if worker.last_heartbeat and (now - worker.last_heartbeat).total_seconds() < _WORKER_SILENT
    }
    for queue in queues.overview():
        short = queue.name.removeprefix("awb-").capitalize()
        severity, words = _queue(queue, works=any(queue.name in name.split(",") for name in alive))
        detail = f"{queue.length:,} waiting, {queue.failed:,} failed"
        yield Part(f"{short} worker", severity, words, detail, link=to("/queues"))


def _queue(queue: QueueState, *, works: bool) -> tuple[Severity, str]:
    if queue.paused:
        return Severity.WARNING, "Paused"
    if not works:
        return Severity.CRITICAL, "No worker is there"
    if queue.oldest_age is not None and queue.oldest_age > _OLD_JOB:
        return Severity.WARNING, f"Behind by {duration(queue.oldest_age)}"
    return (Severity.WARNING, "Works; jobs have failed") if queue.failed else (Severity.OK, "Works")


def _coder(store: Store, config: Config) -> Iterator[Part]:
    state = store.coder
    if not config.verifying(store.deployment):
        return
    failing, passed = state.moment("failing_since"), state.moment("reconciled_at")
    if failing:
        yield Part("Coder’s API", Severity.CRITICAL, "Fails", state.mark("failure") or "", failing)
    else:
        answered_at = state.moment("heard_at")
        yield Part("Coder’s API", Severity.OK, "Answers" if answered_at else "Not asked yet", at=answered_at)
    under_way = _under_way(store, state)
    if passed is None:
        yield Part("Reconcile", Severity.WARNING, "No pass has ended yet", under_way)
        return
    ago = clock.now() - passed
    late = ago > timedelta(minutes=config.settings.reconcile_minutes * _LATE_PASSES)
    words = f"Last pass {duration(ago.total_seconds())} ago"
    yield Part("Reconcile", Severity.WARNING if late else Severity.OK, words, under_way, passed)


def _under_way(store: Store, state: CoderState) -> str:
    """Say how far the pass has come, and what is left over for itself."""
    _version, now = store.passes.load()
    said = []
    if now is not None and now.phase is not Phase.DONE:
        read = f", back to {clock.at(now.back_to):%d %b %Y}" if now.back_to else ""
        said.append(f"The pass {describe(now)}{read}.")
    waiting, failing = state.due_count(clock.now().timestamp()), state.failing_count()
    said += [f"{waiting:,} workspaces wait to be verified."] if waiting else []
    said += [f"Coder fails for {failing:,} workspaces, which are tried again."] if failing else []
    return " ".join(said)


def _channels(store: Store, config: Config) -> Sequence[Part]:
    listed = receivers(config.settings)
    if not listed:
        hint = "Set AWB_SLACK_WEBHOOK_URL, or AWB_SMTP_URL with AWB_EMAIL_FROM and AWB_EMAIL_TO."
        return [Part("Receivers", Severity.WARNING, "None is configured: nobody is warned", hint)]
    found = channels(store, listed, _MESSAGES_LOOKED_AT)
    return [_channel(one) for one in found]


def _channel(found: dict[str, Any]) -> Part:
    last, failure, link = found["last"], found["failure"], to("/alerts") + "#messages"
    if failure and (last is None or failure["decided_at"] >= last["decided_at"]):
        at = clock.at(failure["decided_at"])
        return Part(found["name"], Severity.CRITICAL, "The newest message failed", failure["error"] or "", at, link)
    if last is None:
        return Part(found["name"], Severity.OK, "Nothing to send so far")
    detail = f"last failure: {failure['error']}" if failure else ""
    return Part(found["name"], Severity.OK, "Last message was accepted", detail, clock.at(last["sent_at"]), link)
