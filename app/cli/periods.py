"""`awb periods` and `awb forecast`: past periods, and the expected future."""

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
    """Return the usage period that contains a day, or end the command with code 1."""
    try:
        return usage_of(store, config, present, day).period
    except UnknownPeriodError:
        fail(f"no usage period with records contains {day}; `awb periods` lists them")


@main.command()
@DEPLOYMENT
@AS_JSON
@click.pass_context
def periods(context: click.Context, deployment: str | None, as_json: bool) -> None:
    """List the usage periods with records, newest first."""
    store, config = open_store(context, deployment)
    answer = Periods.of(store, config)
    if as_json:
        print_json(answer)
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
            for row in answer.periods
        ],
        right=("used", "limit", "%", "provisional"),
    )
    for note in answer.notes:
        out.print(escape(note), style="dim")


def _span(row: shape.Period) -> str:
    """Format a period with its last day."""
    start = row.start.date()
    if row.end is None:
        return f"since {start}"
    return f"{start} to {row.end.date() - timedelta(days=1)}"


@main.command()
@DEPLOYMENT
@AS_JSON
@click.pass_context
def forecast(context: click.Context, deployment: str | None, as_json: bool) -> None:
    """Show when the limit will be reached at the current pace, and how certain that is."""
    store, config = open_store(context, deployment)
    answer = Forecast.of(store, config)
    if as_json:
        print_json(answer)
        return
    out.print(escape(answer.words))
    out.print()
    print_wide(facts_table((label, text) for label, text in _facts(answer) if text))


def _facts(answer: Forecast) -> list[tuple[str, str]]:
    paces = [("in this period", answer.pace_period), ("28 days", answer.pace_28), ("7 days", answer.pace_7)]
    pace = ", ".join(f"{number:,.1f} ({label})" for label, number in paces if number is not None)
    limit = "unlimited" if answer.limit is None else f"{answer.limit:,}"
    expected = answer.enough and answer.projected is not None
    return [
        ("used", f"{answer.used:,} of {limit}"),
        ("period", _span(answer.period)),
        ("builds a day", pace),
        ("pace of the forecast", f"{answer.pace:,.1f} a day" if answer.enough else ""),
        ("end of the period", f"{answer.projected:,} ({answer.low:,} to {answer.high:,})" if expected else ""),
        ("limit reached", _breach(answer) if answer.enough else ""),
        ("why", escape(answer.why)),
    ]


def _breach(answer: Forecast) -> str:
    if answer.reached:
        return "already"
    if answer.breach is None:
        return "not in sight"
    days = [day_text(day) for day in (answer.breach_earliest, answer.breach_latest) if day]
    where = "" if answer.breach_in_period else ", after the period"
    between = f" (between {' and '.join(days)})" if len(days) > 1 else ""
    return f"{day_text(answer.breach)}{between}{where}"
