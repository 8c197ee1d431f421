"""`awb periods` and `awb forecast`: what was, and what is to be expected."""

from datetime import date, timedelta

import click
from rich.markup import escape

from app.answers import shape
from app.answers.past import UnknownPeriodError, usage_of
from app.answers.usage import Forecast, Periods
from app.cli.base import AS_JSON, DEPLOYMENT, fail, main, open_store, out, print_json
from app.cli.show import facts_table, print_table, print_wide
from app.config.load import Config
from app.core.count.meter import Usage
from app.core.limit.period import Period
from app.core.text.lines import day_text
from app.store.store import Store


def period_of(store: Store, config: Config, present: Usage, day: date) -> Period:
    """Return the usage period that holds a day, or end the command with code 1."""
    try:
        return usage_of(store, config, present, day).period
    except UnknownPeriodError:
        fail(f"no usage period with records holds {day}; `awb periods` lists those that there are")


@main.command()
@DEPLOYMENT
@AS_JSON
@click.pass_context
def periods(context: click.Context, deployment: str | None, as_json: bool) -> None:
    """List the usage periods that there are records of, the newest first."""
    store, config = open_store(context, deployment)
    told = Periods.of(store, config)
    if as_json:
        print_json(told)
        return
    print_table(
        ("period", "used", "limit", "%", "provisional"),
        [
            (
                _span(row) + (" (present)" if row.present else ""),
                f"{row.used:,}",
                "unlimited" if row.limit is None else f"{row.limit:,}",
                row.percent,
                f"{row.provisional:,}",
            )
            for row in told.periods
        ],
        right=("used", "limit", "%", "provisional"),
    )
    for note in told.notes:
        out.print(escape(note), style="dim")


def _span(row: shape.Period) -> str:
    """Write a period with its last day, as people say it."""
    start = row.start.date()
    if row.end is None:
        return f"since {start}"
    return f"{start} to {row.end.date() - timedelta(days=1)}"


@main.command()
@DEPLOYMENT
@AS_JSON
@click.pass_context
def forecast(context: click.Context, deployment: str | None, as_json: bool) -> None:
    """Say when the limit will be reached at the present pace, and how sure that is."""
    store, config = open_store(context, deployment)
    told = Forecast.of(store, config)
    if as_json:
        print_json(told)
        return
    out.print(escape(told.words))
    out.print()
    print_wide(facts_table((label, text) for label, text in _facts(told) if text))


def _facts(told: Forecast) -> list[tuple[str, str]]:
    paces = [("in this period", told.pace_period), ("28 days", told.pace_28), ("7 days", told.pace_7)]
    pace = ", ".join(f"{number:,.1f} ({label})" for label, number in paces if number is not None)
    limit = "unlimited" if told.limit is None else f"{told.limit:,}"
    expected = told.enough and told.projected is not None
    return [
        ("used", f"{told.used:,} of {limit}"),
        ("period", _span(told.period)),
        ("builds a day", pace),
        ("pace of the forecast", f"{told.pace:,.1f} a day" if told.enough else ""),
        ("end of the period", f"{told.projected:,} ({told.low:,} to {told.high:,})" if expected else ""),
        ("limit reached", _breach(told) if told.enough else ""),
        ("why", escape(told.why)),
    ]


def _breach(told: Forecast) -> str:
    if told.reached:
        return "already"
    if told.breach is None:
        return "not in sight"
    days = [day_text(day) for day in (told.breach_earliest, told.breach_latest) if day]
    where = "" if told.breach_in_period else ", after the period"
    between = f" (between {' and '.join(days)})" if len(days) > 1 else ""
    return f"{day_text(told.breach)}{between}{where}"
