"""`awb top`: the users, templates or organizations with the highest usage."""

from datetime import date, datetime, timedelta
from typing import Any, Final

import click
from rich.markup import escape

from app.cli.base import AS_JSON, DEPLOYMENT, main, open_store, out, print_json
from app.cli.periods import period_of
from app.cli.show import print_table, share
from app.config.load import Config
from app.core.count.meter import AWB, Usage
from app.core.limit.period import Period
from app.pipeline.usage import current_usage
from app.store.store import Store

_DIMENSIONS: Final = ("user", "template", "organization")
_BAR: Final = 20


@main.command()
@click.option("--by", type=click.Choice(_DIMENSIONS), default="user", show_default=True, help="Rank by this.")
@click.option(
    "--period", type=click.DateTime(["%Y-%m-%d"]), metavar="START", help="The usage period that contains this day."
)
@click.option("--month", type=click.DateTime(["%Y-%m"]), metavar="YYYY-MM", help="A month (UTC).")
@click.option("--days", type=click.IntRange(1, 3660), metavar="N", help="The last N days (UTC), including today.")
@click.option("--limit", "most", type=click.IntRange(1, 1000), default=10, show_default=True, help="Rows to show.")
@DEPLOYMENT
@AS_JSON
@click.pass_context
def top(
    context: click.Context,
    by: str,
    period: datetime | None,
    month: datetime | None,
    days: int | None,
    most: int,
    deployment: str | None,
    as_json: bool,
) -> None:
    """Show the top users, in the current usage period unless another span is given."""
    if sum(given is not None for given in (period, month, days)) > 1:
        raise click.UsageError("give one of --period, --month and --days")
    store, config = open_store(context, deployment)
    present = current_usage(store, config, AWB, top=False)
    span = _span(store, config, present, period, month, days)
    answer = _answer(store, present, span, by, most)
    if as_json:
        print_json(answer)
        return
    _show(answer, span, present.as_of.date())


def _span(
    store: Store, config: Config, present: Usage, period: datetime | None, month: datetime | None, days: int | None
) -> Period:
    today = present.as_of.date()
    if month is not None:
        first = month.date()
        return Period(first, (first + timedelta(days=31)).replace(day=1))
    if days is not None:
        return Period(today - timedelta(days=days - 1), today + timedelta(days=1))
    return period_of(store, config, present, period.date()) if period else present.period


def _answer(store: Store, present: Usage, span: Period, by: str, most: int) -> dict[str, Any]:
    snapshot = store.snapshot(AWB)
    total = snapshot.usage(span, present.limit, present.as_of).counted
    rows = snapshot.names(by, span, present.as_of.date(), most)
    return {
        "deployment": present.deployment,
        "meter": AWB,
        "by": by,
        "start": span.start.isoformat(),
        "end": span.end.isoformat() if span.end else None,
        "total": total,
        "rows": [{"name": name or None, "used": used, "percent": share(used, total)} for name, used in rows],
    }


def _show(answer: dict[str, Any], span: Period, today: date) -> None:
    last = min(span.end - timedelta(days=1), today) if span.end else today
    out.print(f"[bold]{answer['total']:,}[/bold] Agent Workspace Builds from {span.start} to {last} (UTC)")
    if not answer["rows"]:
        return
    highest = answer["rows"][0]["used"]
    print_table(
        (answer["by"], "used", "%", ""),
        [
            (escape(row["name"] or "(unknown)"), f"{row['used']:,}", row["percent"], _bar(row["used"], highest))
            for row in answer["rows"]
        ],
        right=("used", "%"),
    )


def _bar(used: int, highest: int) -> str:
    return "▇" * max(used * _BAR // highest, 1) if used > 0 else ""
