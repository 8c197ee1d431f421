"""A calendar (RFC 5545) with the end of the usage period and the day on which the limit is expected to be reached."""

from datetime import date, datetime, timedelta
from typing import Final

from icalendar import Calendar, Event

from app.core.count.meter import Usage
from app.core.limit.forecast import Forecast
from app.core.text.lines import day_text

#: How often programs should refresh it; both properties are in use (RFC 7986, and Outlook's own).
_EVERY: Final = timedelta(hours=12)


def calendar_of(usage: Usage, forecast: Forecast | None, url: str, now: datetime) -> bytes:
    """Return the calendar; events keep their ids, so that a new forecast moves its entry.

    Args:
        usage: the usage of the current period.
        forecast: the forecast; without a breach there is no entry for it.
        url: the public URL of the meter; empty if there is none.
        now: the time of the forecast.
    """
    calendar = Calendar()
    calendar.add("prodid", "-//Coder AWB meter//EN")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", f"Agent Workspace Builds, {usage.deployment}")
    calendar.add("refresh-interval", _EVERY, parameters={"value": "DURATION"})
    calendar.add("x-published-ttl", "PT12H")
    last = usage.period.last
    if last is not None and not usage.gone:
        ends = f"The usage period from {day_text(usage.period.start)} ends. {_used(usage)}"
        calendar.add_component(_event("period-end", usage, last, "AWB usage period ends", ends, url, now))
    if forecast is not None and forecast.enough and forecast.breach is not None and forecast.in_period():
        words = f"{forecast.words()} {_used(usage)}"
        title = f"AWB limit of {usage.limit.count:,} expected to be reached"
        calendar.add_component(_event("limit-reached", usage, forecast.breach, title, words, url, now))
    return bytes(calendar.to_ical())


def _used(usage: Usage) -> str:
    of = "" if usage.limit.count is None else f" of {usage.limit.count:,}"
    return f"{usage.used:,}{of} used so far."


def _event(name: str, usage: Usage, day: date, title: str, words: str, url: str, now: datetime) -> Event:
    event = Event()
    event.add("uid", f"{name}-{usage.deployment}-{usage.meter}@coder-awb-meter")
    event.add("dtstamp", now)
    event.add("dtstart", day)
    event.add("dtend", day + timedelta(days=1))
    event.add("summary", title if usage.deployment == "default" else f"{title} ({usage.deployment})")
    event.add("description", words)
    # The entries do not mark anybody as busy.
    event.add("transp", "TRANSPARENT")
    if url:
        event.add("url", url)
    return event
