"""The results of the demo, and whether they are correct."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.core.limit.threshold import Level, highest_level
from app.demo.past import Past
from app.demo.service import Service
from app.demo.today import Played, Today, Totals
from app.simulator.estimate import Estimator
from app.simulator.sinks import Mail

_SENT: Final = "sent"


@dataclass(frozen=True, slots=True)
class Result:
    """The content of the summary.

    Attributes:
        truth: the number of true Agent Workspace Builds.
        estimate: what a meter without Coder's API would have counted from the same notifications.
        messages: notifications that Coder sent in all three months.
        sent: what the meter reports as sent; `slack` and `mails` are what arrived.
        differences: everything that is not as expected, as one sentence each.
    """

    truth: int
    estimate: int
    messages: int
    usage: Mapping[str, Any]
    forecast: Mapping[str, Any]
    events: Sequence[Mapping[str, Any]]
    sent: Sequence[Mapping[str, Any]]
    scenarios: Sequence[Played]
    totals: Totals
    slack: Sequence[Any]
    mails: Sequence[Mail]
    differences: Sequence[str]


def gather(past: Past, today: Today, service: Service, slack: Sequence[Any], mails: Sequence[Mail]) -> Result:
    """Collect the service's results, and compare them with the world.

    Raises:
        app.demo.service.ServiceError: it does not answer.
    """
    estimator = Estimator(past.config.rules, past.config.ai_templates)
    messages = [*past.messages, *today.messages]
    for message in messages:
        estimator.add(message.body)
    usage, events, sent = service.usage(), service.events(), service.notifications()
    truth = {build.id for build in past.world.awbs}
    scenarios = today.judge()
    differences = [
        *counting_differences(truth, {str(record["build_id"]) for record in service.records()}, int(usage["used"])),
        *(f"not as documented: {row.scenario.title}" for row in scenarios if not row.as_documented),
        *([f"{today.totals.given_up} notifications were never accepted"] if today.totals.given_up else []),
        *warning_differences(highest_level(len(truth), past.limit, past.config.thresholds), events),
        *sending_differences(sent, slack=len(slack), mails=len(mails)),
    ]
    return Result(
        len(truth), estimator.total, len(messages), usage, service.forecast(), events, sent, scenarios,
        today.totals, slack, mails, differences,
    )  # fmt: skip


def counting_differences(truth: set[str], counted: set[str], used: int) -> list[str]:
    found = []
    if counted != truth:
        found.append(f"{len(truth - counted)} builds are missing, {len(counted - truth)} were counted by mistake")
    if used != len(truth):
        found.append(f"the meter reports {used}, but there were {len(truth)}")
    return found


def warning_differences(level: Level | None, events: Sequence[Mapping[str, Any]]) -> list[str]:
    """Check that the level reached in truth was announced."""
    announced = {event["level"] for event in events if event["alert"] == "awb"}
    if level is None or level.name in announced:
        return []
    return [f"the level {level.name} was reached but not announced"]


def sending_differences(sent: Sequence[Mapping[str, Any]], *, slack: int, mails: int) -> list[str]:
    """Check that each message arrived exactly once."""
    found = [f"the message {one['id']} is {one['state']}" for one in sent if one["state"] != _SENT]
    by_slack = sum(one["receiver"].startswith("slack") for one in sent)
    if (by_slack, len(sent) - by_slack) != (slack, mails):
        found.append(f"Slack received {slack} of {by_slack} messages, the mailbox {mails} of {len(sent) - by_slack}")
    return found
