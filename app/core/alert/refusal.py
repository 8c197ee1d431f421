"""Refusals: posts to the webhook that were rejected, the reasons, and when to send an alert about them.

Coder gives up on a notification after five attempts, five minutes apart (coderd/notifications/manager.go), and reports
the reason only in its own log. All data here is bounded, because anybody can post without a secret: there is a fixed
list of reasons, and nothing that was sent is kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Final

from app.core.alert.notice import Notice
from app.core.alert.severity import Severity
from app.core.text.lines import moment_text

#: Refusals with one reason form one run until there is a pause longer than this; one alert covers a run.
RUN_PAUSE: Final = timedelta(hours=24)
#: Shorter than the time between two of Coder's attempts: a single mistake or a passing scanner needs no alert.
_SHORTEST_RUN: Final = timedelta(minutes=4)
#: Coder's last attempt comes 20 minutes after the first, so by then a corrected secret has been used.
_CORRECTED: Final = timedelta(hours=1)
#: The minimum time between two alerts, however the posts come.
_REPEATED_AFTER: Final = timedelta(hours=24)
NOTICE_KEY: Final = "wrong-secret"


class Refusal(StrEnum):
    """Why a post to the webhook was rejected."""

    WRONG_SECRET = "wrong-secret"  # noqa: S105 - a reason
    NO_SECRET = "no-secret"  # noqa: S105 - a reason
    OTHER_SITE = "other-site"
    WRONG_PATH = "wrong-path"
    WRONG_METHOD = "wrong-method"
    NO_LENGTH = "no-length"
    TOO_LARGE = "too-large"
    NOT_JSON = "not-json"
    UNAVAILABLE = "unavailable"


#: The User-Agent of `awb doctor`, whose requests are not counted.
DOCTOR: Final = "awb-doctor"
#: The reasons in words."""
WORDS: Final[Mapping[Refusal, str]] = {
    Refusal.WRONG_SECRET: "a wrong secret",
    Refusal.NO_SECRET: "no secret",
    Refusal.OTHER_SITE: "sent by another site's page",
    Refusal.WRONG_PATH: "a wrong path",
    Refusal.WRONG_METHOD: "another method than POST",
    Refusal.NO_LENGTH: "no Content-Length",
    Refusal.TOO_LARGE: "too large",
    Refusal.NOT_JSON: "not JSON",
    Refusal.UNAVAILABLE: "Redis was unavailable",
}
UNAUTHORIZED: Final = (Refusal.WRONG_SECRET, Refusal.NO_SECRET)


@dataclass(frozen=True, slots=True)
class Run:
    """The refusals with one reason.

    Attributes:
        total: all refusals so far.
        count: those in the latest run.
        since, last: the first and the last refusal of that run.
    """

    total: int
    count: int
    since: datetime
    last: datetime


def unauthorized(runs: Mapping[Refusal, Run], now: datetime) -> Run | None:
    """Return the run of posts without the right secret; None if there was none within a day."""
    found = [runs[reason] for reason in UNAUTHORIZED if reason in runs and now - runs[reason].last < RUN_PAUSE]
    if not found:
        return None
    return Run(
        total=sum(run.total for run in found),
        count=sum(run.count for run in found),
        since=min(run.since for run in found),
        last=max(run.last for run in found),
    )


def wrong_secret_notice(
    runs: Mapping[Refusal, Run],
    now: datetime,
    *,
    deployment: str,
    last_delivery: datetime | None,
    firing: bool,
    announced_at: datetime | None,
    zone: tzinfo = UTC,
) -> Notice | None:
    """Return the notice about posts without the right secret, if it applies or should start to apply.

    Args:
        runs: the refusals.
        now: timezone-aware.
        deployment: the configured deployment, whose Coder probably sent them.
        last_delivery: arrival of the last delivery with the right secret; None if there was none.
        firing: whether the notice is active.
        announced_at: when it was last announced; None if never.
        zone: the time zone for times in the text.
    """
    run = unauthorized(runs, now)
    if run is None:
        return None
    corrected = now - run.last > _CORRECTED and last_delivery is not None and last_delivery > run.last
    if corrected:
        return None
    too_soon = announced_at is not None and now - announced_at < _REPEATED_AFTER
    if not firing and (run.count < 2 or run.last - run.since < _SHORTEST_RUN or too_soon):  # noqa: PLR2004 - once is a slip
        return None
    wrong = Refusal.WRONG_SECRET in runs and now - runs[Refusal.WRONG_SECRET].last < RUN_PAUSE
    how = "with a wrong secret" if wrong else "without a secret"
    delivering = last_delivery is not None and last_delivery > run.since
    return _notice(run.count, how, moment_text(run.since, zone), deployment, delivering=delivering)


def _notice(count: int, how: str, since: str, deployment: str, *, delivering: bool) -> Notice:
    who = "It may be a second Coder or a stranger." if delivering else "It is probably your Coder."
    so_far = (
        "Deliveries with the right secret arrive as well." if delivering else "No delivery has been accepted since."
    )
    return Notice(
        key=NOTICE_KEY,
        severity=Severity.WARNING,
        headline=f"Posts {how} are refused",
        summary=f"Since {since} the meter of Coder deployment “{deployment}” has refused "
        f"{count:,} posts {how}. {who} {so_far}",
        meaning="Coder drops a notification after five refusals, and its build is then missing from the estimate. "
        "Compare CODER_NOTIFICATIONS_WEBHOOK_ENDPOINT of coderd with the output of `awb webhook-url`.",
    )
