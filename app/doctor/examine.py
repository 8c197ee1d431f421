"""Checks of a whole installation, each with a stable id, an outcome and a hint; `awb doctor` prints them."""

from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import redis
import requests

from app import clock
from app.config.load import Config
from app.core.alert.refusal import DOCTOR, RUN_PAUSE, UNAUTHORIZED, WORDS, unauthorized
from app.core.finding import Finding, Outcome
from app.doctor.access import examine_access
from app.net import trust
from app.net.session import WebSession
from app.notifiers.base import NotifyError
from app.notifiers.directory import notifier
from app.notifiers.receivers import receivers
from app.pipeline.operate.codercheck import endpoint
from app.pipeline.passes import client
from app.store import keys
from app.store.coder.state import CoderState
from app.store.receive.inbox import Inbox, deployments
from app.store.receive.refusals import RefusalCounters
from app.store.rq.queues import Queues
from app.store.server.connection import OLDEST_VERSION, missing_right, unavailable
from app.store.server.info import check_writable, server_info
from app.store.steps import Steps

_TIMEOUT = 5
_LARGEST_SKEW = 30.0
_LATE_SWEEP = 300.0
_RIGHTS = "docs/operation.md, Rights of the Redis user"


def examine(config: Config, connection: "redis.Redis") -> Iterator[Finding]:
    """Yield the findings of every check, as they come."""
    yield from _secret(config)
    yield from _redis(connection)
    yield from _receiver(config)
    yield from examine_access(config.settings)
    yield from _receivers(config)
    yield from _counting(config, connection)


def _secret(config: Config) -> Iterator[Finding]:
    settings = config.settings
    if settings.webhook_secret is None:
        yield Finding(
            "secret.present", Outcome.ERROR, "no webhook secret", "set AWB_WEBHOOK_SECRET, or start `awb run` once"
        )
        return
    yield Finding("secret.present", Outcome.OK, "a webhook secret is set")
    if settings.webhook_secret_previous:
        yield Finding(
            "secret.rotation", Outcome.WARNING, "the former webhook secret is still accepted",
            "unset AWB_WEBHOOK_SECRET_PREVIOUS once Coder has the new one",
        )  # fmt: skip
    if not settings.on_loopback and urlsplit(settings.public_url).scheme != "https":
        yield Finding(
            "secret.transport", Outcome.WARNING, "Coder would send the secret unencrypted",
            "put a TLS proxy in front and name its URL in AWB_PUBLIC_URL",
        )  # fmt: skip


def _redis(connection: "redis.Redis") -> Iterator[Finding]:
    try:
        check_writable(connection)
        server = server_info(connection)
        seconds, micros = connection.time()
    except (redis.exceptions.RedisError, OSError) as error:
        right = missing_right(error)
        hint = f"let the Redis user run {right} ({_RIGHTS})" if right else "start it, or check AWB_REDIS_URL"
        hint = trust.REMEDY if trust.is_untrusted(error) else hint
        yield Finding("redis.reachable", Outcome.ERROR, f"Redis is {unavailable(error)}", hint)
        return
    yield Finding("redis.reachable", Outcome.OK, "Redis answers and takes writes")
    info = server.facts
    told = str(info.get("valkey_version") or info["redis_version"])
    # Valkey calls itself Redis 7.2.4 towards clients; its own version is newer than any that lacks something.
    new_enough = tuple(int(part) for part in str(info["redis_version"]).split(".")[:2]) >= OLDEST_VERSION
    yield Finding(
        "redis.version", Outcome.OK if new_enough else Outcome.ERROR, f"version {told}",
        "" if new_enough else "RQ loses jobs on servers before 6.2; use a newer one",
    )  # fmt: skip
    if server.missing:
        yield Finding(
            "redis.rights", Outcome.WARNING,
            f"append-only file and maxmemory-policy cannot be seen: the Redis user may not run {server.missing}",
            f"allow it with +info, or see to appendonly yes and maxmemory-policy noeviction yourself ({_RIGHTS})",
        )  # fmt: skip
    else:
        yield _persistence(info)
        yield _policy(info)
    skew = abs(seconds + micros / 1e6 - clock.now().timestamp())
    yield Finding(
        "clock.redis", Outcome.OK if skew < _LARGEST_SKEW else Outcome.WARNING, f"{skew:.1f} s from Redis' clock",
        "" if skew < _LARGEST_SKEW else "synchronise the clocks (NTP): usage periods begin by them",
    )  # fmt: skip


def _policy(info: dict[str, object]) -> Finding:
    policy = str(info.get("maxmemory_policy", "unknown"))
    return Finding(
        "redis.policy", Outcome.OK if policy == "noeviction" else Outcome.ERROR, f"maxmemory-policy {policy}",
        "" if policy == "noeviction" else "set maxmemory-policy noeviction: any other may throw the ledger away",
    )  # fmt: skip


def _persistence(info: dict[str, object]) -> Finding:
    if not int(str(info.get("aof_enabled", 0))):
        hint = "set appendonly yes: deliveries answered 2xx would be lost with the server"
        return Finding("redis.persistence", Outcome.WARNING, "no append-only file", hint)
    if info.get("aof_last_write_status") != "ok":
        return Finding("redis.persistence", Outcome.ERROR, "the append-only file cannot be written", "free disk space")
    return Finding("redis.persistence", Outcome.OK, "append-only file is on")


def _receiver(config: Config) -> Iterator[Finding]:
    """Ask the receiver as Coder would reach it; a redirect would turn its POSTs into GETs and lose them."""
    base = config.settings.public_url or f"http://{config.settings.bind}"
    host = urlsplit(base).hostname or ""
    try:
        with WebSession(config.settings.ca_file, direct=True) as session:
            answer = session.get(f"{base}/v1/webhook", headers={"User-Agent": DOCTOR}, timeout=_TIMEOUT)
    except requests.RequestException as error:
        hint = (
            trust.REMEDY
            if trust.is_untrusted(error)
            else f"is it started, and does {host} lead here? check AWB_BIND and AWB_PUBLIC_URL"
        )
        yield Finding("receiver.reachable", Outcome.ERROR, f"{base} does not answer ({type(error).__name__})", hint)
        return
    if answer.is_redirect:
        hint = (
            "Coder follows redirects by GET and loses the notification: give it the final URL, and AWB_PUBLIC_URL too"
        )
        yield Finding("receiver.redirect", Outcome.ERROR, f"{base} redirects", hint)
    elif answer.status_code == requests.codes.method_not_allowed:
        yield Finding("receiver.reachable", Outcome.OK, f"{base}/v1/webhook answers")
    else:
        hint = "something else answers there; check the proxy and AWB_PUBLIC_URL"
        yield Finding("receiver.reachable", Outcome.ERROR, f"{base}/v1/webhook answers {answer.status_code}", hint)
    skew = _skew(answer.headers.get("Date", ""))
    if skew > _LARGEST_SKEW:
        yield Finding("clock.receiver", Outcome.WARNING, f"{skew:.0f} s from {host}", "synchronise the clocks (NTP)")


def _steps(connection: "redis.Redis", deployment: str) -> Iterator[Finding]:
    """Say which steps of the sweep fail, or failed within the last day."""
    for failure in Steps(connection, deployment).failures().values():
        over = failure.over_at is not None
        until = f"failed until {failure.at:%Y-%m-%d %H:%M}" if over else f"fails since {failure.since:%Y-%m-%d %H:%M}"
        yield Finding(
            f"sweep.{failure.step.replace(' ', '-')}",
            Outcome.WARNING if over else Outcome.ERROR,
            f"{deployment}: the step “{failure.step}” of the sweep {until} UTC ({failure.error})",
            "it goes on by itself; the log tells what failed"
            if over
            else "look for “sweep step failed” in the log of the workers; the other steps and deployments go on",
        )


def _skew(date: str) -> float:
    """Return the seconds between an HTTP Date and our clock; 0 where the header is missing or no date."""
    try:
        return abs(parsedate_to_datetime(date).timestamp() - clock.now().timestamp())
    except ValueError:
        return 0.0


def _receivers(config: Config) -> Iterator[Finding]:
    names = receivers(config.settings)
    if config.settings.dry_run:
        yield Finding("alerts.dry-run", Outcome.WARNING, "nothing is sent: it is a dry run", "unset AWB_DRY_RUN")
    if not names:
        hint = "set AWB_SLACK_WEBHOOK_URL, or AWB_SMTP_URL with AWB_EMAIL_FROM and AWB_EMAIL_TO"
        yield Finding("receivers.configured", Outcome.ERROR, "nobody would be warned", hint)
    for name in names:
        check = f"receiver.{name}"
        try:
            notifier(config.settings, name).probe()
        except NotifyError as error:
            yield Finding(
                check, Outcome.ERROR, f"{error} ({error.reason.value})", "correct the setting, or try again later"
            )
        except ValueError as error:
            yield Finding(check, Outcome.ERROR, str(error), "correct the setting")
        else:
            yield Finding(check, Outcome.OK, "can be reached")


def _counting(config: Config, connection: "redis.Redis") -> Iterator[Finding]:
    verifying = config.verifying(config.settings.deployment)
    if not config.settings.ai_templates and not verifying:
        yield Finding(
            "count.templates", Outcome.WARNING, "no AI templates are listed",
            "list the templates of Coder Tasks in AWB_AI_TEMPLATES, or new tasks are counted late or not at all",
        )  # fmt: skip
    try:
        yield from _workers(connection)
        yield from _traffic(connection)
        for deployment in dict.fromkeys([config.settings.deployment, *deployments(connection)]):
            yield from _steps(connection, deployment)
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
        yield Finding("coder.api", Outcome.ERROR, says, "run: awb coder check")
    elif done is None:
        yield Finding("coder.api", Outcome.WARNING, "no pass over Coder's API is complete yet", "run: awb reconcile")
    else:
        minutes = (clock.now() - done).total_seconds() / 60
        yield Finding("coder.api", Outcome.OK, f"the last pass over Coder's API began {minutes:.0f} min ago")
    # Once: a Coder that is away has been reported above, and nobody waits for several attempts.
    with client(config, attempts=1) as api:
        yield from endpoint(config, api)


def _workers(connection: "redis.Redis") -> Iterator[Finding]:
    """Look for a living worker of each queue: without one, deliveries are kept but not counted."""
    idle = Queues(connection).without_worker()
    if not idle:
        yield Finding("workers.alive", Outcome.OK, "every queue has a living worker")
    for queue in idle:
        hint = f"run `awb run`, or `awb worker {queue}`; where it runs already, its log says why it ends"
        yield Finding("workers.alive", Outcome.ERROR, f"{queue}: no worker lives", hint)


def _traffic(connection: "redis.Redis") -> Iterator[Finding]:
    swept = connection.hget(keys.MARKS, "last_sweep_at")
    age = clock.now().timestamp() - float(swept) if swept else None
    if age is None or age > _LATE_SWEEP:
        says = "the scheduler has not swept yet" if age is None else f"the last sweep was {age:.0f} s ago"
        yield Finding(
            "scheduler.alive",
            Outcome.WARNING,
            says,
            "run `awb run`, or `awb scheduler` and `awb worker awb-maintenance`",
        )
    else:
        yield Finding("scheduler.alive", Outcome.OK, f"last sweep {age:.0f} s ago")
    known = deployments(connection)
    if not known:
        hint = "enable webhooks in Coder (`awb webhook-url` prints the lines), then: coder notifications test"
        yield Finding("input.deliveries", Outcome.WARNING, "no delivery has ever arrived", hint)
    for deployment in known:
        stats = Inbox(connection, deployment).stats()
        if "last_delivery_at" in stats:
            last = clock.now().timestamp() - stats["last_delivery_at"]
            says = f"{deployment}: {stats.get('accepted', 0):,.0f} deliveries, the last {last / 3600:.1f} h ago"
            yield Finding("input.deliveries", Outcome.OK, says)
        else:
            says = f"{deployment}: something posts here, but no notification ever came"
            yield Finding("input.deliveries", Outcome.WARNING, says, "is it Coder? look at `awb quarantine`")
        if stats.get("quarantined"):
            says = f"{deployment}: {stats['quarantined']:.0f} bodies were no Coder notifications"
            yield Finding("input.quarantine", Outcome.WARNING, says, "look at them with `awb quarantine`")


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
        yield Finding("input.secret", Outcome.WARNING, says, hint)
    others = [reason for reason in runs if reason not in UNAUTHORIZED and now - runs[reason].last < RUN_PAUSE]
    if others:
        says = ", ".join(f"{WORDS[reason]}: {runs[reason].count:,}" for reason in others)
        hint = "is it your Coder? it needs the path that `awb webhook-url` prints, and no redirect on the way"
        yield Finding("input.refused", Outcome.WARNING, f"posts were refused: {says}", hint)
    if not wrong and not others:
        yield Finding("input.refused", Outcome.OK, "no post was refused within a day")
