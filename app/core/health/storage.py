"""The part of the verdict about Redis: whether it stores data reliably, and whether data was lost."""

from collections.abc import Iterator

from app.core.finding import Finding, Result
from app.core.health.vitals import BudgetVitals, Persistence, Vitals
from app.core.text.lines import day_text, moment_text, size_text


def storage_findings(vitals: Vitals) -> Iterator[Finding]:
    """Yield the findings about Redis as the place where data is stored."""
    yield _persistence(vitals.persistence)
    yield _loss(vitals)
    if vitals.budget is not None:
        yield _budget(vitals.budget)


def _persistence(persistence: Persistence) -> Finding:
    check = "redis.persistence"
    if persistence is Persistence.OFF:
        hint = "set appendonly yes: deliveries answered 2xx would be lost with the server"
        return Finding(check, Result.WARNING, "Redis has no append-only file", hint)
    if persistence is Persistence.FAILED:
        return Finding(check, Result.ERROR, "Redis cannot write to disk", "free disk space, and see Redis' log")
    if persistence is Persistence.UNSEEN:
        return Finding(check, Result.OK, "the Redis user may not read whether there is an append-only file")
    return Finding(check, Result.OK, "append-only file is on")


def _budget(budget: BudgetVitals) -> Finding:
    check, hint = "redis.budget", "raise AWB_REDIS_BUDGET, or lower AWB_KEEP_DAYS to what you need"
    if budget.used is None:
        hint = "allow it with +info; without it the budget has no effect"
        return Finding(check, Result.WARNING, "the Redis user may not see how much memory is in use", hint)
    text = f"Redis uses {size_text(budget.used)} of its budget of {size_text(budget.limit)}"
    if budget.exhausted:
        return Finding(check, Result.ERROR, f"{text}, and no older deliveries are left to delete", hint)
    if budget.kept_since is not None:
        text += f"; deliveries before {day_text(budget.kept_since.date())} were deleted early"
        return Finding(check, Result.WARNING, text, hint)
    return Finding(check, Result.OK, text)


def _loss(vitals: Vitals) -> Finding:
    check, loss = "redis.loss", vitals.loss
    if loss is None:
        return Finding(check, Result.OK, "no data was lost")
    text = (
        f"{vitals.deployment}: on {moment_text(loss.seen_at, vitals.zone)} there were {loss.before:,} records, and on "
        f"{moment_text(loss.found_at, vitals.zone)} only {loss.left:,}; alerts wait until the count has recovered"
    )
    hint = "run `awb rebuild` if Coder's API is configured, or stop the meter and run `awb restore FILE`"
    return Finding(check, Result.ERROR, text, hint)
