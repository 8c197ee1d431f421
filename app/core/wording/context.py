"""Shared by all texts: the facts besides the usage, and the formats of numbers, days and names."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, tzinfo
from typing import Final

from app.core.coder.versions import Version
from app.core.count.meter import Usage
from app.core.limit.entitlement import LicenceStatus
from app.core.text.lines import day_text

CONTACT_URL: Final = "https://coder.com/contact"
_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Context:
    """What is known besides the usage when an alert is written.

    Attributes:
        coder_url: access URL of the deployment, for links; empty if unknown.
        status_url: URL of our own status page; empty if people cannot reach it.
        version: Coder's version; None if unknown.
        forecast: pace and projection in words (app/core/limit/forecast.py); empty if there is no forecast.
        breach: the day on which the limit is expected to be reached.
        burn_up: (UTC day, units used by its end), oldest first.
        zone: the time zone for times in the text.
    """

    coder_url: str = ""
    status_url: str = ""
    version: Version | None = None
    licence: LicenceStatus = LicenceStatus.UNKNOWN
    forecast: str = ""
    breach: date | None = None
    burn_up: tuple[tuple[date, int], ...] = ()
    zone: tzinfo = UTC


def links(context: Context, *, contact: bool = False) -> tuple[tuple[str, str], ...]:
    """Return links to where readers may want to go next, most useful first.

    Args:
        context: the known addresses.
        contact: whether to add Coder's account team.
    """
    found = []
    if context.coder_url:
        found.append(("Open Licenses page", context.coder_url.rstrip("/") + "/deployment/licenses"))
    if context.status_url:
        found.append(("Open AWB meter", _with_slash(context.status_url)))
    return (*found, ("Contact account team", CONTACT_URL)) if contact else tuple(found)


def _with_slash(url: str) -> str:
    """End the path with a slash; with a query it does already."""
    return url if "?" in url else url.rstrip("/") + "/"


def share(usage: Usage) -> str:
    return "" if usage.percent is None else f"{usage.percent:g}%"


def limit_text(usage: Usage) -> str:
    return "unlimited" if usage.limit.count is None else f"{usage.limit.count:,}"


def usage_text(usage: Usage) -> str:
    """Format all figures of a usage in one line, such as “930 of 1,000 (93%), 70 left”."""
    left = usage.limit.left(usage.used)
    if left is None:
        return f"{usage.used:,}, unlimited"
    percent = f" ({share(usage)})" if share(usage) else ""
    over = usage.used - (usage.limit.count or 0)
    return f"{usage.used:,} of {limit_text(usage)}{percent}, " + (f"{over:,} over" if over > 0 else f"{left:,} left")


def period_text(usage: Usage) -> str:
    start, left = usage.period.start, usage.period.days_left(usage.as_of.astimezone(UTC).date())
    if usage.period.end is None:
        return f"since {day_text(start)}, without end"
    days = "1 day left" if left == 1 else f"{left} days left" if left else "over"
    return f"{day_text(start)} to {day_text(date.fromordinal(usage.period.end.toordinal() - 1))}, {days}"


def top(rows: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{name or 'unknown'} {count:,}" for name, count in rows[:_SHOWN])
