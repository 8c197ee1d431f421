"""E-mails: a notification as text and HTML, with a chart."""

import hashlib
import html
import re
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Final

from app.core.alert.alert import Alert, Notification
from app.core.alert.severity import Severity
from app.core.text.lines import one_line
from app.core.text.mailbox import Mailbox, address_literal, ascii_host
from app.core.wording.burnup import bar, course, filled
from app.notifiers.email.chart import HEIGHT, WIDTH, burn_up_png
from app.notifiers.plaintext import links, plain_text, title, why_here
from app.notifiers.text import sign

NO_DOMAIN: Final = "awb-meter.invalid"
_LONGEST_SUBJECT, _LONGEST_NAME = 200, 60
# With a longer domain the line would exceed 78 characters, and the library would fold it in a way that breaks the id.
_LONGEST_DOMAIN: Final = 47
# White text on these colours, and these colours on white and on black, are readable.
_COLOURS: Final = {Severity.OK: "#1f7a3d", Severity.WARNING: "#a15c00", Severity.CRITICAL: "#c4302b"}
_FONT: Final = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:15px;line-height:1.5"


def render(
    notification: Notification, *, sender: Mailbox, recipient: Mailbox, host: str, sent_at: datetime
) -> EmailMessage:
    """Return the message. The same arguments always give the same bytes, including Message-ID and boundaries.

    Args:
        notification: the content.
        sender: the From address.
        recipient: the To address.
        host: host of the deployment or of the meter, for Message-ID; empty if neither is known.
        sent_at: the Date. For a message held by quiet hours it is the time of sending; otherwise filters may treat it
            as spam.

    There is no List-Unsubscribe: recipients are set by an admin in the configuration, and unsubscribing by a link would
    need a public URL of ours.
    """
    alert = notification.alert
    name = header_text(alert.deployment, _LONGEST_NAME)
    message = EmailMessage()
    domain = id_domain(host, sender.domain)
    message["From"] = Address(sender.name, sender.local, sender.domain)
    message["To"] = Address(recipient.name, recipient.local, recipient.domain)
    message["Subject"] = header_text(f"[Coder AWB] [{name}] {title(alert)}", _LONGEST_SUBJECT)
    message["Date"] = sent_at
    # Stable across retries: after a connection is lost at the end of DATA, clients merge the duplicate.
    message["Message-ID"] = message_id("alert", notification.id, domain)
    # No mail has the root's id. It makes clients thread all mails of a period, whichever came first.
    message["In-Reply-To"] = message["References"] = message_id("thread", alert.group_key, domain)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    message["List-Id"] = f"<awb.alerts.{re.sub(r'[^a-z0-9-]+', '-', name.lower()).strip('-') or 'unnamed'}>"
    message["X-AWB-Level"] = header_text(alert.level, _LONGEST_NAME) or "none"
    message["X-Coder-Deployment"] = name
    _fill(message, notification, message_id("chart", notification.id, domain))
    return message


def _fill(message: EmailMessage, notification: Notification, chart_id: str) -> None:
    chart = burn_up_png(notification.alert)
    text = f"{title(notification.alert)}\n\n{plain_text(notification)}"
    page = _page(notification, chart_id.strip("<>") if chart else "")
    # Both parts are 7-bit, for servers without 8BITMIME.
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(page, subtype="html", cte="quoted-printable")
    # The library chooses boundaries at random. A digest of the content cannot occur in it, so it is a safe boundary.
    digest = hashlib.sha256(f"{text}\0{page}".encode("utf-8", "replace")).hexdigest()[:32]
    message.set_boundary(f"=_awb_{digest}")
    part = message.get_body(("html",))
    if chart and part:
        part.add_related(chart, "image", "png", cid=chart_id, disposition="inline", filename="usage.png")
        part.set_boundary(f"=_awb_{digest}_related")


def _page(notification: Notification, chart_id: str) -> str:
    """Render the message as HTML.

    Text and background colours are set only together, so that light and dark clients keep theirs. No width exceeds a
    phone's, and nothing is lost without images or style sheets.
    """
    alert = notification.alert
    emoji, word = sign(alert)
    badge = f"background:{_COLOURS[alert.severity]};color:#ffffff;padding:2px 10px;border-radius:10px;font-size:13px"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">'
        "<style>:root{color-scheme:light dark}</style>"
        f"<title>{_safe(alert.headline)}</title></head>\n"
        f'<body style="margin:0;padding:16px;{_FONT}">\n'
        '<div style="max-width:600px;margin:0 auto;overflow-wrap:anywhere">\n'
        f'<p style="margin:0 0 8px">{emoji} <b style="{badge}">{word}</b></p>\n'
        f'<h1 style="font-size:21px;line-height:1.3;margin:0 0 12px">{_safe(alert.headline)}</h1>\n'
        f"{_paragraph(why_here(notification))}{_paragraph(alert.actor, bold=True)}{_paragraph(alert.summary)}"
        f"{_paragraph(alert.meaning)}{_bar(alert)}{_facts(alert)}{_chart(alert, chart_id)}{_links(alert)}"
        f'<p style="font-size:13px;margin:16px 0 0;opacity:.8">{_safe(alert.footer)}</p>\n</div></body></html>\n'
    )


def _paragraph(text: str, *, bold: bool = False) -> str:
    if not one_line(text):
        return ""
    return f'<p style="margin:0 0 12px{";font-weight:bold" if bold else ""}">{_prose(text)}</p>\n'


def _bar(alert: Alert) -> str:
    """Draw usage against the limit as two table cells, which no mail client removes."""
    said = "" if alert.used is None else bar(alert.used, alert.limit)
    if not said or alert.used is None or not alert.limit:
        return ""
    done, colour = filled(alert.used, alert.limit, 100), _COLOURS[alert.severity]
    cell = '<td width="{0}%" style="width:{0}%;height:12px;line-height:12px;font-size:1px;padding:0{1}">&nbsp;</td>'
    cells = (cell.format(done, f";background:{colour}") if done else "") + (cell.format(100 - done, "") * (done < 100))  # noqa: PLR2004 - per cent
    frame = "width:100%;border:1px solid #8b95a5;border-collapse:collapse;margin:0 0 12px"
    return (
        '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" '
        f'style="{frame}"><tr>{cells}</tr></table>\n'
    )


def _facts(alert: Alert) -> str:
    cell = "padding:3px 16px 3px 0;text-align:left;vertical-align:top"
    row = f'<tr><th scope="row" style="{cell};white-space:nowrap">{{}}</th><td style="{cell}">{{}}</td></tr>'
    rows = "".join(row.format(_safe(label), _safe(value)) for label, value in alert.facts)
    return f'<table style="border-collapse:collapse;font-size:15px;margin:0 0 12px">{rows}</table>\n' if rows else ""


def _chart(alert: Alert, chart_id: str) -> str:
    if not chart_id:
        return ""
    words = _safe(course(alert.burn_up, alert.limit, alert.breach))
    return (
        f'<p style="margin:0 0 12px"><img src="cid:{chart_id}" alt="{words}" width="{WIDTH}" height="{HEIGHT}" '
        f'style="display:block;width:100%;max-width:{WIDTH}px;height:auto;border-radius:4px"></p>\n'
    )


def _links(alert: Alert) -> str:
    button = "display:inline-block;border:1px solid #8b95a5;border-radius:6px;padding:7px 14px;margin:0 8px 8px 0"
    shown = "".join(f'<a style="{button}" href="{_safe(url)}">{_safe(label)}</a>' for label, url in links(alert))
    return f'<p style="margin:0">{shown}</p>\n' if shown else ""


def _safe(text: str) -> str:
    return html.escape(one_line(text))


def _prose(text: str) -> str:
    """Render our own sentences; commands in them are between backticks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", _safe(text))


def header_text(text: str, limit: int) -> str:
    """Make a text safe for a header."""
    # The library decodes anything that looks like an encoded word (RFC 2047), including line breaks in it.
    line = one_line(text).replace("=?", "= ?")
    return line if len(line) <= limit else line[: limit - 1] + "…"


def id_domain(*hosts: str) -> str:
    """Return the domain for message ids: the first host that is valid there, such as a name or an IPv6 literal.

    Of a name that is too long the last labels are used, which still belong to its owner.
    """
    for host in hosts:
        labels = (ascii_host(host) or "").split(".")
        while len(".".join(labels)) > _LONGEST_DOMAIN:
            labels.pop(0)
        if ".".join(labels):
            return ".".join(labels)
        if literal := address_literal(host):
            return literal
    return NO_DOMAIN


def message_id(kind: str, key: str, domain: str) -> str:
    """Return a message id that is always the same for the same arguments."""
    digest = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:20]
    return f"<{kind}.{digest}@{domain}>"
