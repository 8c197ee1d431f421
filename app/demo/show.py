"""The summary at the end of the demo: ten lines, and tables with the details."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from email.message import EmailMessage
from typing import Any, Final

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from app.demo.result import Result
from app.demo.today import Played
from app.simulator.sinks import Mail

_MAIL_LINES: Final = 3
_TOP: Final = 4


def lines(result: Result) -> Iterator[tuple[str, str]]:
    """Yield the label and the text of each line."""
    usage, totals = result.usage, result.totals
    first, last = usage["period"]["start"][:10], (usage["period"]["end"] or "")[:10]
    documented = sum(row.as_documented for row in result.scenarios)
    share = f" ({usage['percent']}%)" if usage["percent"] is not None else ""
    yield "Usage", f"{usage['used']:,} of {usage['limit']:,}{share} since {first}; the period ends on {last}"
    yield (
        "Truth",
        f"{result.truth:,} Agent Workspace Builds, each counted once; Coder's own number, minutes old: {_coder(usage)}",
    )
    yield "Estimate", f"{result.estimate:,} would be counted by notifications alone, without Coder's API"
    yield "Forecast", str(result.forecast["words"])
    yield "Users", _top(usage["by_user"])
    yield "Templates", f"{_top(usage['by_template'])}; organizations: {_top(usage['by_organization'])}"
    yield "Alerts", "; ".join(_alerts(result.events))
    yield "Messages", f"{len(result.slack)} in Slack, {len(result.mails)} by e-mail"
    yield (
        "Deliveries",
        (
            f"{result.messages:,} notifications in all; today over a bad network: {totals.posts:,} POSTs, "
            f"{totals.retries:,} of them retries and {totals.repeated:,} sent twice"
        ),
    )
    yield "Scenarios", f"{documented} of {len(result.scenarios)} are counted as in Coder's documentation"


def details(result: Result) -> Iterator[Table]:
    """Yield a table of the scenarios, of Slack's messages and of the mails."""
    yield scenarios(result.scenarios)
    yield slack(result.slack)
    yield mails(result.mails)


def _coder(usage: Mapping[str, Any]) -> str:
    return "unknown" if usage["coder_actual"] is None else f"{usage['coder_actual']:,}"


def _top(rows: Sequence[Mapping[str, Any]]) -> str:
    shown = ", ".join(f"{row['name'] or 'unknown'} {row['used']:,}" for row in rows[:_TOP])
    more = len(rows) - _TOP
    return f"{shown} and {more} more" if more > 0 else shown


def _alerts(events: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the day and the headline of the latest warnings."""
    announced = [event for event in events if event["kind"] != "digest"]
    for event in reversed(announced[:_TOP]):
        yield f"{event['at'][:10]} {event['headline']}"


def scenarios(played: Iterable[Played]) -> Table:
    """Show each scenario with the service's verdict and the documentation's."""
    table = Table(title="Scenarios of Coder's documentation", title_justify="left", expand=True, show_lines=True)
    table.add_column("Scenario", ratio=4)
    table.add_column("Counted?", justify="center")
    table.add_column("Documented", justify="center")
    table.add_column("Why", ratio=6)
    for row in played:
        counted = Text(_yes(row.counted), style="green" if row.as_documented else "bold red")
        table.add_row(escape(row.scenario.title), counted, _yes(row.scenario.counts), escape(row.why))
    return table


def slack(messages: Sequence[Any]) -> Table:
    """Show headline and summary of each Slack message."""
    table = _plain_table("What Slack received")
    for message in messages:
        blocks = message.get("blocks") or [{}]
        headline = blocks[0].get("text", {}).get("text", "")
        table.add_row(Text(headline, style="bold"), Text(str(message.get("text", ""))))
    return table


def mails(received: Sequence[Mail]) -> Table:
    """Show subject and first lines of each mail."""
    table = _plain_table("What the mailbox received")
    for mail in received:
        shown = [line for line in plain_text(mail.message).splitlines() if line.strip()]
        table.add_row(Text(str(mail.message["Subject"]), style="bold"), Text("\n".join(shown[:_MAIL_LINES])))
    return table


def plain_text(message: EmailMessage) -> str:
    """Return the plain text of a mail."""
    body = message.get_body(("plain",))
    return str(body.get_content()) if body else ""


def _plain_table(title: str) -> Table:
    table = Table(title=title, title_justify="left", show_header=False, show_lines=True, expand=True)
    table.add_column(overflow="fold", ratio=2)
    table.add_column(overflow="fold", ratio=3)
    return table


def _yes(value: bool) -> str:
    return "yes" if value else "no"
