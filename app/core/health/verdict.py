"""The verdict on an installation's health: one function, used by every page, command and API."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from app.core.alert.refusal import RUN_PAUSE, UNAUTHORIZED, WORDS, unauthorized
from app.core.finding import Finding, Result
from app.core.health.storage import storage_findings
from app.core.health.vitals import CoderVitals, QueueVitals, RelayVitals, Vitals
from app.core.text.lines import moment_text

#: The sweep is due every minute; later than this is an error.
_LATE_SWEEP: Final = timedelta(minutes=5)
#: The longest that a job should wait, in seconds.
_OLD_JOB: Final = 300.0
#: The number of intervals after which a pass over Coder's API is late.
_LATE_PASSES: Final = 3
_WORST_FIRST: Final = (Result.ERROR, Result.WARNING, Result.OK)


@dataclass(frozen=True, slots=True)
class Verdict:
    """All findings, in the order in which data flows through the system.

    Attributes:
        vitals: the measurements that were judged.
    """

    vitals: Vitals
    findings: Sequence[Finding]

    @property
    def result(self) -> Result:
        """The worst result of all findings."""
        found = {finding.outcome for finding in self.findings}
        return next((result for result in _WORST_FIRST if result in found), Result.OK)

    @property
    def troubles(self) -> list[Finding]:
        """The findings that are not OK, worst first."""
        bad = [finding for finding in self.findings if finding.outcome is not Result.OK]
        return sorted(bad, key=lambda finding: _WORST_FIRST.index(finding.outcome))

    @property
    def advice(self) -> list[tuple[str, list[Finding]]]:
        """The troubles grouped by remedy, so that each remedy is given once; worst first."""
        found: dict[str, list[Finding]] = {}
        for finding in self.troubles:
            found.setdefault(finding.hint or finding.message, []).append(finding)
        return [(findings[0].hint, findings) for findings in found.values()]

    @property
    def checks(self) -> list[str]:
        """The ids of all checks, without duplicates."""
        return list(dict.fromkeys(finding.check for finding in self.findings))

    def of(self, check: str, subject: str = "") -> Result:
        """Return the worst result of a check, optionally for one subject only."""
        found = {one.outcome for one in self.findings if one.check == check and subject in ("", one.subject)}
        return next((result for result in _WORST_FIRST if result in found), Result.OK)


def judge(vitals: Vitals) -> Verdict:
    """Judge an installation."""
    if vitals.redis:
        hint = "start it, or check AWB_REDIS_URL"
        return Verdict(vitals, [Finding("redis.reachable", Result.ERROR, f"Redis is {vitals.redis}", hint)])
    return Verdict(
        vitals,
        [
            Finding("redis.reachable", Result.OK, "Redis answers and takes writes"),
            *storage_findings(vitals),
            *_receivers(vitals),
            *_notifications(vitals),
            *_relays(vitals.relays),
            *_workers(vitals.queues),
            *_jobs(vitals.queues),
            _scheduler(vitals),
            *_steps(vitals),
            *_reloads(vitals),
            _deliveries(vitals),
            _quarantine(vitals),
            *_refused(vitals),
            *_coder(vitals, vitals.coder),
        ],
    )


def _receivers(vitals: Vitals) -> Iterator[Finding]:
    if vitals.dry_run:
        yield Finding("alerts.dry-run", Result.WARNING, "nothing is sent, because of the dry run", "unset AWB_DRY_RUN")
    if not vitals.receivers:
        hint = "set AWB_SLACK_WEBHOOK_URL, or AWB_SMTP_URL with AWB_EMAIL_FROM and AWB_EMAIL_TO"
        yield Finding("receivers.configured", Result.ERROR, "nobody is warned: no receiver is configured", hint)
        return
    yield Finding("receivers.configured", Result.OK, f"{len(vitals.receivers)} configured")
    for name in vitals.receivers:
        error = vitals.failing_receivers.get(name)
        if error is None:
            yield Finding("receivers.working", Result.OK, f"{name}: no message failed lately", subject=name)
        else:
            text = f"{name}: the newest message failed: {error}"
            hint = "correct its settings, then run `awb notify test`"
            yield Finding("receivers.working", Result.ERROR, text, hint, subject=name)


def _notifications(vitals: Vitals) -> Iterator[Finding]:
    check = "notifications.overdue"
    if vitals.overdue:
        text = f"{_number(vitals.overdue, 'message')} should have been sent by now"
        yield Finding(
            check, Result.ERROR, text, "run `awb messages`, and check that a worker for awb-notifications is running"
        )
    else:
        yield Finding(check, Result.OK, "no message is overdue")


def _relays(relays: Sequence[RelayVitals]) -> Iterator[Finding]:
    for relay in relays:
        result = Result.ERROR if relay.failing else Result.WARNING if relay.late else Result.OK
        hint = "" if result is Result.OK else "run `awb deliveries`, and check whether the target answers"
        who = "people" if relay.target == "relay" else relay.target
        yield Finding("relays.working", result, f"{who}: {relay.summary}", hint, subject=relay.target)


def _workers(queues: Sequence[QueueVitals]) -> Iterator[Finding]:
    for queue in queues:
        check = "workers.alive"
        if not queue.served and queue.waited_for:
            hint = "start `awb run` or `awb worker`; if they were started, see their logs"
            yield Finding(check, Result.ERROR, f"{queue.name}: no worker is running", hint, subject=queue.name)
        elif queue.served:
            yield Finding(check, Result.OK, f"{queue.name}: a worker is running", subject=queue.name)
        if queue.paused:
            hint = f"run `awb queues resume {queue.name}`"
            yield Finding("queues.paused", Result.WARNING, f"{queue.name} is paused", hint, subject=queue.name)


def _jobs(queues: Sequence[QueueVitals]) -> Iterator[Finding]:
    for queue in queues:
        name = queue.name
        if queue.failed:
            text = f"{name}: {_number(queue.failed, 'job')} failed"
            yield Finding("jobs.failed", Result.WARNING, text, "run `awb queues` to see them", subject=name)
        if queue.oldest_age is not None and queue.oldest_age > _OLD_JOB and not queue.paused:
            text = f"{name}: the oldest job has waited for {queue.oldest_age / 60:.0f} min"
            yield Finding(
                "jobs.waiting", Result.WARNING, text, "run `awb queues`; you can start more workers", subject=name
            )
    if not any(queue.failed for queue in queues):
        yield Finding("jobs.failed", Result.OK, "no job has failed")


def _scheduler(vitals: Vitals) -> Finding:
    check, hint = "scheduler.alive", "start `awb run`, or `awb scheduler` and `awb worker awb-maintenance`"
    if vitals.swept_at is None:
        return Finding(check, Result.WARNING, "the scheduler has not run yet", hint)
    age = vitals.now - vitals.swept_at
    if age > _LATE_SWEEP:
        return Finding(
            check, Result.ERROR, f"the scheduler has not run since {moment_text(vitals.swept_at, vitals.zone)}", hint
        )
    return Finding(check, Result.OK, f"the scheduler ran {age.total_seconds():.0f} s ago")


def _reloads(vitals: Vitals) -> Iterator[Finding]:
    """Report parts that could not apply a changed configuration."""
    for part, (problem, at) in vitals.reloads.items():
        when = moment_text(at, vitals.zone)
        message = f"{part} could not take the changed configuration at {when} and uses the former one: {problem}"
        yield Finding("config.reload", Result.WARNING, message, "correct it, and run `awb reload`", part)


def _steps(vitals: Vitals) -> Iterator[Finding]:
    """Report steps of the sweep that are failing, or failed within the last day."""
    for step in vitals.steps:
        when = (
            f"failed until {moment_text(step.at, vitals.zone)}"
            if step.over
            else f"has failed since {moment_text(step.since, vitals.zone)}"
        )
        yield Finding(
            f"sweep.{step.name.replace(' ', '-')}",
            Result.WARNING if step.over else Result.ERROR,
            f"{vitals.deployment}: the step “{step.name}” of the sweep {when} ({step.error})",
            "it works again; the log says what failed"
            if step.over
            else "search the workers' log for “sweep step failed”; other steps and deployments are not affected",
        )


def _deliveries(vitals: Vitals) -> Finding:
    check = "input.deliveries"
    if vitals.last_delivery is None:
        hint = "enable webhooks in Coder with the lines of `awb webhook-url`, then run `coder notifications test`"
        return Finding(check, Result.WARNING, "no delivery has ever arrived", hint)
    quiet = vitals.now - vitals.last_delivery
    text = f"{vitals.deployment}: the last delivery arrived {quiet.total_seconds() / 3600:.1f} h ago"
    if quiet > vitals.silence_allowed:
        hint = "run `awb coder check` to see whether the webhook is still on; AWB_SILENCE_HOURS sets how long is normal"
        return Finding(check, Result.WARNING, text, hint)
    return Finding(check, Result.OK, text)


def _quarantine(vitals: Vitals) -> Finding:
    check = "input.quarantine"
    if vitals.quarantined:
        text = f"{vitals.deployment}: {_number(vitals.quarantined, 'body', 'bodies')} could not be read"
        return Finding(check, Result.WARNING, text, "run `awb quarantine` to see them")
    return Finding(check, Result.OK, "the quarantine is empty")


def _refused(vitals: Vitals) -> Iterator[Finding]:
    """Report posts that were refused within the last day."""
    runs, now = vitals.refusals, vitals.now
    wrong = unauthorized(runs, now)
    if wrong:
        text = (
            f"{wrong.count:,} posts without the right secret since {moment_text(wrong.since, vitals.zone)}, the last "
            f"{(now - wrong.last).total_seconds() / 60:,.0f} min ago"
        )
        hint = "probably your Coder: compare CODER_NOTIFICATIONS_WEBHOOK_ENDPOINT of coderd with `awb webhook-url`"
        yield Finding("input.secret", Result.WARNING, text, hint)
    others = [reason for reason in runs if reason not in UNAUTHORIZED and now - runs[reason].last < RUN_PAUSE]
    if others:
        text = ", ".join(f"{WORDS[reason]}: {runs[reason].count:,}" for reason in others)
        hint = "if it is your Coder, give it the URL that `awb webhook-url` prints, without a redirect on the way"
        yield Finding("input.refused", Result.WARNING, f"posts were refused: {text}", hint)
    if not wrong and not others:
        yield Finding("input.refused", Result.OK, "no post was refused within a day")


def _coder(vitals: Vitals, coder: CoderVitals | None) -> Iterator[Finding]:
    check = "coder.api"
    if coder is None:
        return
    if coder.failing_since:
        text = f"Coder's API has failed since {moment_text(coder.failing_since, vitals.zone)}: {coder.failure}"
        yield Finding(check, Result.ERROR, text, "run `awb coder check`")
    elif coder.reconciled_at is None:
        yield Finding(check, Result.WARNING, "no pass over Coder's API has finished yet", "run `awb reconcile`")
    else:
        ago = vitals.now - coder.reconciled_at
        text = f"the last pass over Coder's API began {ago.total_seconds() / 60:.0f} min ago"
        late = ago > coder.every * _LATE_PASSES
        yield Finding(check, Result.WARNING if late else Result.OK, text, "run `awb reconcile`" if late else "")


def _number(number: int, one: str, many: str = "") -> str:
    return f"1 {one}" if number == 1 else f"{number:,} {many or one + 's'}"
