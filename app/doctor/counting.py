"""Checks of the counting: templates, workers, deliveries, the sweep, refused posts and Coder's API."""

from collections.abc import Iterator

import redis

from app import clock
from app.config.load import Config
from app.core.alert.refusal import RUN_PAUSE, UNAUTHORIZED, WORDS, unauthorized
from app.core.finding import Finding, Result
from app.pipeline.operate.codercheck import endpoint
from app.pipeline.passes import client
from app.store import keys
from app.store.coder.state import CoderState
from app.store.receive.inbox import Inbox, deployments
from app.store.receive.refusals import RefusalCounters
from app.store.rq.queues import Queues
from app.store.store import Store

_LATE_SWEEP = 300.0


def examine_counting(config: Config, connection: "redis.Redis") -> Iterator[Finding]:
    verifying = config.verifying(config.settings.deployment)
    if not config.settings.ai_templates and not verifying:
        yield Finding(
            "count.templates", Result.WARNING, "no AI templates are listed",
            "list the templates of Coder Tasks in AWB_AI_TEMPLATES, or new tasks are counted late or not at all",
        )  # fmt: skip
    try:
        yield from _workers(connection)
        yield from _traffic(connection)
        for deployment in dict.fromkeys([config.settings.deployment, *deployments(connection)]):
            yield from _steps(Store(connection, deployment))
        yield from _refused(connection)
        yield from _coder(config, connection) if verifying else ()
    except (redis.exceptions.RedisError, OSError):
        return  # said above already


def _coder(config: Config, connection: "redis.Redis") -> Iterator[Finding]:
    """Say how the passes over Coder's API go, and whether Coder posts here with our secret.

    `awb coder check` asks Coder for the rest.
    """
    state = CoderState(connection, config.settings.deployment)
    failing, done = state.moment("failing_since"), state.moment("reconciled_at")
    if failing:
        says = f"Coder's API fails since {failing:%Y-%m-%d %H:%M} UTC: {state.mark('failure')}"
        yield Finding("coder.api", Result.ERROR, says, "run: awb coder check")
    elif done is None:
        yield Finding("coder.api", Result.WARNING, "no pass over Coder's API is complete yet", "run: awb reconcile")
    else:
        minutes = (clock.now() - done).total_seconds() / 60
        yield Finding("coder.api", Result.OK, f"the last pass over Coder's API began {minutes:.0f} min ago")
    # Once: a Coder that is away has been reported above, and nobody waits for several attempts.
    with client(config, attempts=1) as api:
        yield from endpoint(config, api)


def _workers(connection: "redis.Redis") -> Iterator[Finding]:
    """Look for a living worker of each queue: without one, deliveries are kept but not counted."""
    idle = Queues(connection).without_worker()
    if not idle:
        yield Finding("workers.alive", Result.OK, "every queue has a living worker")
    for queue in idle:
        hint = f"run `awb run`, or `awb worker {queue}`; where it runs already, its log says why it ends"
        yield Finding("workers.alive", Result.ERROR, f"{queue}: no worker lives", hint)


def _traffic(connection: "redis.Redis") -> Iterator[Finding]:
    swept = connection.hget(keys.MARKS, "last_sweep_at")
    age = clock.now().timestamp() - float(swept) if swept else None
    if age is None or age > _LATE_SWEEP:
        says = "the scheduler has not swept yet" if age is None else f"the last sweep was {age:.0f} s ago"
        yield Finding(
            "scheduler.alive",
            Result.WARNING,
            says,
            "run `awb run`, or `awb scheduler` and `awb worker awb-maintenance`",
        )
    else:
        yield Finding("scheduler.alive", Result.OK, f"last sweep {age:.0f} s ago")
    known = deployments(connection)
    if not known:
        hint = "enable webhooks in Coder (`awb webhook-url` prints the lines), then: coder notifications test"
        yield Finding("input.deliveries", Result.WARNING, "no delivery has ever arrived", hint)
    for deployment in known:
        stats = Inbox(connection, deployment).stats()
        if "last_delivery_at" in stats:
            last = clock.now().timestamp() - stats["last_delivery_at"]
            says = f"{deployment}: {stats.get('accepted', 0):,.0f} deliveries, the last {last / 3600:.1f} h ago"
            yield Finding("input.deliveries", Result.OK, says)
        else:
            says = f"{deployment}: something posts here, but no notification ever came"
            yield Finding("input.deliveries", Result.WARNING, says, "is it Coder? look at `awb quarantine`")
        if stats.get("quarantined"):
            says = f"{deployment}: {stats['quarantined']:.0f} bodies were no Coder notifications"
            yield Finding("input.quarantine", Result.WARNING, says, "look at them with `awb quarantine`")


def _refused(connection: "redis.Redis") -> Iterator[Finding]:
    """Tell of posts that were refused within a day."""
    runs, now = RefusalCounters(connection).runs(), clock.now()
    wrong = unauthorized(runs, now)
    if wrong:
        says = (
            f"{wrong.count:,} posts without the right secret since {wrong.since:%Y-%m-%d %H:%M} UTC, the last "
            f"{(now - wrong.last).total_seconds() / 60:,.0f} min ago"
        )
        hint = "probably your Coder: compare CODER_NOTIFICATIONS_WEBHOOK_ENDPOINT of coderd with `awb webhook-url`"
        yield Finding("input.secret", Result.WARNING, says, hint)
    others = [reason for reason in runs if reason not in UNAUTHORIZED and now - runs[reason].last < RUN_PAUSE]
    if others:
        says = ", ".join(f"{WORDS[reason]}: {runs[reason].count:,}" for reason in others)
        hint = "is it your Coder? it needs the path that `awb webhook-url` prints, and no redirect on the way"
        yield Finding("input.refused", Result.WARNING, f"posts were refused: {says}", hint)
    if not wrong and not others:
        yield Finding("input.refused", Result.OK, "no post was refused within a day")


def _steps(store: Store) -> Iterator[Finding]:
    """Say which steps of the sweep fail, or failed within the last day."""
    for failure in store.steps.failures().values():
        over = failure.over_at is not None
        until = f"failed until {failure.at:%Y-%m-%d %H:%M}" if over else f"fails since {failure.since:%Y-%m-%d %H:%M}"
        yield Finding(
            f"sweep.{failure.step.replace(' ', '-')}",
            Result.WARNING if over else Result.ERROR,
            f"{store.deployment}: the step “{failure.step}” of the sweep {until} UTC ({failure.error})",
            "it goes on by itself; the log tells what failed"
            if over
            else "look for “sweep step failed” in the log of the workers; the other steps and deployments go on",
        )
