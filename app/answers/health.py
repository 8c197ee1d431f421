"""Health: the verdict on an installation for pages, the API, `awb status`, `awb doctor`, `/readyz` and metrics."""

from datetime import datetime, timedelta
from typing import Any, Final, Self

import redis
from pydantic import Field

from app import clock
from app.answers.shape import Answer, one_of
from app.config.load import Config
from app.core.finding import Result
from app.core.health.verdict import Verdict, judge
from app.core.health.vitals import BudgetVitals, CoderVitals, Persistence, QueueVitals, RelayVitals, StepVitals, Vitals
from app.notifiers.receivers import receivers
from app.pipeline.relay.targetstatus import Condition, target_statuses
from app.store.alert.outbox import FAILED, SENT
from app.store.gauges import last_sweep
from app.store.receive.refusals import RefusalCounters
from app.store.reloads import reloads
from app.store.rq import jobqueue
from app.store.rq.queues import Queues
from app.store.server.budget import read_budget
from app.store.server.connection import unavailable
from app.store.server.info import ServerInfo, check_writable, server_info
from app.store.server.lineage import read_loss
from app.store.store import Store

#: A notification overdue by less than this is on its way.
_OVERDUE: Final = timedelta(minutes=5)
_MESSAGES: Final = 100
_PENDING: Final = "pending"


class Check(Answer):
    check: str
    subject: str = Field(description="What the check is about, such as a queue; empty for the whole installation.")
    outcome: str = one_of(Result)
    message: str
    hint: str


class Health(Answer):
    """The verdict on the installation's health: the worst outcome, and every check."""

    result: str = one_of(Result)
    checks: list[Check]

    @classmethod
    def of(cls, store: Store, config: Config) -> Self:
        found = verdict(store, config)
        return cls(result=found.result.value, checks=[Check.pick(finding) for finding in found.findings])

    @property
    def troubles(self) -> list[Check]:
        """The checks that are not OK, worst first."""
        bad = [check for check in self.checks if check.outcome != Result.OK]
        return sorted(bad, key=lambda check: check.outcome != Result.ERROR)


def verdict(store: Store, config: Config) -> Verdict:
    """Return the verdict; if Redis is unavailable, the verdict says so."""
    now = clock.now()
    try:
        check_writable(store.redis)
        return judge(vitals(store.glance(), config))
    except (redis.exceptions.RedisError, OSError) as error:
        return judge(Vitals(now=now, deployment=store.deployment, redis=unavailable(error) or "failing"))


def vitals(store: Store, config: Config) -> Vitals:
    """Collect the vitals of a deployment.

    Raises:
        redis.exceptions.RedisError: Redis is unavailable.
    """
    now, settings = clock.now(), config.settings
    swept, last = last_sweep(store.redis), store.inbox.stats().get("last_delivery_at")
    names = receivers(settings)
    return Vitals(
        now=now,
        zone=config.zone,
        deployment=store.deployment,
        persistence=_persistence(server_info(store.redis)),
        queues=_queues(store.redis),
        swept_at=clock.at(swept) if swept else None,
        steps=_steps(store),
        receivers=names,
        failing_receivers=_failing(store, names),
        dry_run=settings.dry_run,
        overdue=len(store.outbox.overdue(now - _OVERDUE)),
        last_delivery=None if last is None else clock.at(last),
        silence_allowed=timedelta(hours=settings.silence_hours),
        quarantined=store.quarantine.count_since(now - timedelta(days=settings.keep_days)),
        refusals=RefusalCounters(store.redis).runs(),
        reloads=_reloads(store),
        loss=read_loss(store.redis, store.deployment),
        budget=_budget(store, config),
        coder=_coder(store, config),
        relays=[
            RelayVitals(
                target=status.target,
                summary=status.summary,
                late=status.condition is Condition.LATE,
                failing=status.condition is Condition.FAILING,
            )
            for status in target_statuses(store, config)
        ],
    )


def _reloads(store: Store) -> dict[str, tuple[str, datetime]]:
    found = reloads(store.redis)
    return {f"{one.part} on {one.host}": (one.problems[0], one.at) for one in found if one.problems}


def _budget(store: Store, config: Config) -> BudgetVitals | None:
    state, limit = read_budget(store.redis), config.settings.redis_budget
    if not limit or state is None:
        return None
    since = clock.at(state.kept_since) if state.kept_since is not None else None
    # Once what was deleted early would be gone anyway, it is no matter any more.
    early = since is not None and since > clock.now() - timedelta(days=config.settings.keep_days)
    kept_since = since if early else None
    return BudgetVitals(limit=limit, used=state.used, kept_since=kept_since, exhausted=state.exhausted)


def _persistence(server: ServerInfo) -> Persistence:
    if server.missing:
        return Persistence.UNSEEN
    facts: dict[str, Any] = server.facts
    written = ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status")
    if any(facts.get(name, "ok") != "ok" for name in written):
        return Persistence.FAILED
    return Persistence.ON if str(facts.get("aof_enabled")) == "1" else Persistence.OFF


def _queues(connection: "redis.Redis") -> list[QueueVitals]:
    workers, queues = Queues(connection).workers_and_queues()
    served = {worker.queue for worker in workers if worker.state != "dead"}
    return [
        QueueVitals(
            name=queue.name,
            served=queue.name in served,
            waited_for=queue.name in jobqueue.CORE or bool(queue.length),
            paused=queue.paused,
            length=queue.length,
            failed=queue.failed,
            oldest_age=queue.oldest_age,
        )
        for queue in queues
    ]


def _steps(store: Store) -> list[StepVitals]:
    return [
        StepVitals(name=one.step, since=one.since, at=one.at, error=one.error, over=one.over_at is not None)
        for one in store.steps.failures().values()
    ]


def _failing(store: Store, names: list[str]) -> dict[str, str]:
    """Return the error for each receiver whose newest message has failed, or is failing so far."""
    newest: dict[str, dict[str, Any]] = {}
    for row in store.outbox.history(_MESSAGES):
        settled = row["state"] in (SENT, FAILED) or (row["state"] == _PENDING and row["error"])
        if settled and row["receiver"] in names:
            newest.setdefault(row["receiver"], row)
    return {name: str(row["error"] or "") for name, row in newest.items() if row["state"] != SENT}


def _coder(store: Store, config: Config) -> CoderVitals | None:
    if not config.verifying(store.deployment):
        return None
    state = store.coder
    return CoderVitals(
        failing_since=state.moment("failing_since"),
        failure=state.mark("failure") or "",
        reconciled_at=state.moment("reconciled_at"),
        every=timedelta(minutes=config.settings.reconcile_minutes),
    )
