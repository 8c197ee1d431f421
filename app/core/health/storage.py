"""The part of the verdict about what Redis keeps, and whether it is still there."""

from collections.abc import Iterator

from app.core.finding import Finding, Result
from app.core.health.vitals import Persistence, Vitals
from app.core.text.lines import moment_text


def storage_findings(vitals: Vitals) -> Iterator[Finding]:
    """Yield what is found about Redis as the place of the data."""
    yield _persistence(vitals.persistence)
    yield _loss(vitals)


def _persistence(persistence: Persistence) -> Finding:
    check = "redis.persistence"
    if persistence is Persistence.OFF:
        hint = "set appendonly yes: deliveries answered 2xx would be lost with the server"
        return Finding(check, Result.WARNING, "Redis has no append-only file", hint)
    if persistence is Persistence.FAILED:
        return Finding(check, Result.ERROR, "Redis cannot write to disk", "free disk space, and see Redis' log")
    if persistence is Persistence.UNSEEN:
        return Finding(check, Result.OK, "the Redis user may not ask whether there is an append-only file")
    return Finding(check, Result.OK, "append-only file is on")


def _loss(vitals: Vitals) -> Finding:
    check, loss = "redis.loss", vitals.loss
    if loss is None:
        return Finding(check, Result.OK, "Redis has all that was in it")
    text = (
        f"{vitals.deployment}: on {moment_text(loss.seen_at, vitals.zone)} there were {loss.before:,} records, and on "
        f"{moment_text(loss.found_at, vitals.zone)} only {loss.left:,}; alerts wait until the count is back"
    )
    hint = "run `awb rebuild` if Coder's API is configured, or stop the meter and run `awb restore FILE`"
    return Finding(check, Result.ERROR, text, hint)
