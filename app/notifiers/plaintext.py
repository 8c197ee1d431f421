"""Alerts as self-contained plain text, for e-mails and for services without formatting."""

from collections.abc import Callable

from app.core.alert.alert import Alert, Notification
from app.core.text.lines import one_line
from app.core.text.weburl import is_web_link
from app.core.wording.burnup import bar, course
from app.notifiers.text import sign


def links(alert: Alert) -> list[tuple[str, str]]:
    """Return the (label, URL) pairs that may be shown as links."""
    return [(one_line(label), url) for label, url in alert.links if is_web_link(url)]


def why_here(notification: Notification) -> str:
    """Return why this receiver gets a message that was meant for another one; empty if it was not."""
    missing = one_line(notification.stands_in_for)
    return f"Sent here because {missing} could not be reached." if missing else ""


def title(alert: Alert) -> str:
    return f"{sign(alert)[1]}: {one_line(alert.headline)}"


def plain_text(notification: Notification, name: Callable[[str], str] = one_line, *, columns: bool = True) -> str:
    """Render everything except the title.

    Args:
        notification: the notification.
        name: returns a harmless line for a text that may contain names that people chose.
        columns: for monospaced fonts, with a bar and with facts in columns.
    """
    alert = notification.alert
    facts = [(name(label), name(value)) for label, value in alert.facts]
    width = max((len(label) for label, _ in facts), default=0) + 1 if columns else 0
    blocks = [
        name(why_here(notification)),
        name(alert.actor),
        name(alert.summary),
        name(alert.meaning),
        bar(alert.used, alert.limit) if columns and alert.used is not None else "",
        "\n".join(f"{label + ':':<{width}} {value}" for label, value in facts),
        course(alert.burn_up, alert.limit, alert.breach),
        "\n".join(f"{name(label)}: {url}" for label, url in links(alert)),
        name(alert.footer),
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"
