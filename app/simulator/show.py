"""What a demonstration shows at its end, as tables."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from email.message import EmailMessage
from typing import Any, Final

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from app.simulator.sinks import Mail
from app.simulator.stage import Played, Stage

_MAIL_LINES: Final = 3


def scenarios(played: Iterable[Played]) -> Table:
    """Show each scenario with the service's verdict beside the documentation's."""
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
        lines = [line for line in plain_text(mail.message).splitlines() if line.strip()]
        table.add_row(Text(str(mail.message["Subject"]), style="bold"), Text("\n".join(lines[:_MAIL_LINES])))
    return table


def plain_text(message: EmailMessage) -> str:
    """Return the plain text of a mail."""
    body = message.get_body(("plain",))
    return str(body.get_content()) if body else ""


def numbers(stage: Stage, usage: Mapping[str, Any], verified: Mapping[str, Any]) -> Group:
    """Show what was posted, what was counted, and why the truth is another number."""
    totals, truth, estimate = stage.totals, len(stage.world.awbs), stage.delivered.total
    statuses = ", ".join(f"{status or 'no answer'}: {count}" for status, count in sorted(totals.statuses.items()))
    table = _plain_table("Numbers")
    for label, value in (
        ("Happenings in the simulated deployment", len(stage.world.happenings)),
        ("Notifications enqueued for all recipients", len(stage.outbox.messages)),
        ("POSTs", f"{totals.posts} ({statuses})"),
        ("of them retries / sent again after a lost lease", f"{totals.retries} / {totals.repeated}"),
        ("Estimate from notifications alone", f"{usage['used']} of {usage['limit']} ({usage['percent']} %)"),
        ("Expected of a meter that only has notifications", estimate),
        ("Verified with Coder's API", verified["used"]),
        ("Agent Workspace Builds there truly were", truth),
    ):
        table.add_row(label, Text(str(value)))
    return Group(table, Text(_difference(stage, truth, estimate)))


def _difference(stage: Stage, truth: int, estimate: int) -> str:
    if truth == estimate:
        return "The estimate is the truth: each start had a notification."
    reasons = Counter(happening.build.reason for happening in stage.silent_awbs if happening.build)
    named = ", ".join(f"{count} by {_SPOKEN.get(reason, reason)}" for reason, count in reasons.most_common())
    return (
        f"The estimate is {truth - estimate} below the truth: {reasons.total()} starts had no notification of their "
        f"own ({named or 'none'}), and a failed creation or resume takes one announced start back. A later pause "
        "proves some of them. Coder's API proved the rest: give the service a token for it."
    )


_SPOKEN: Final = {
    "initiator": "manual start of a task's workspace",
    "cli": "`coder start`",
    "ssh_connection": "an SSH connection",
    "autostart": "schedule",
    "task_resume": "a second resume on the same day, which Coder takes for a duplicate",
}


def _plain_table(title: str) -> Table:
    table = Table(title=title, title_justify="left", show_header=False, show_lines=True, expand=True)
    table.add_column(overflow="fold", ratio=2)
    table.add_column(overflow="fold", ratio=3)
    return table


def _yes(value: bool) -> str:
    return "yes" if value else "no"
