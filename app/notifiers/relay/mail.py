"""A letter as an e-mail that resembles Coder's own (coderd/notifications/dispatch/smtp)."""

import hashlib
import html
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Final
from urllib.parse import quote

from app.core.relay.letter import Letter
from app.core.relay.markup import to_html
from app.core.text.lines import one_line
from app.core.text.mailbox import Mailbox
from app.notifiers.email.message import header_text, id_domain, message_id

_LONGEST_SUBJECT: Final = 200
_FONT: Final = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:15px;line-height:1.5"
_BUTTON: Final = "display:inline-block;border:1px solid #8b95a5;border-radius:8px;padding:10px 18px;margin:0 8px 8px 0"


def render(
    letter: Letter, *, key: str, sender: Mailbox, recipient: Mailbox, host: str, sent_at: datetime
) -> EmailMessage:
    """Return the message. The same arguments always give the same bytes, including Message-ID and boundary.

    Args:
        letter: the content.
        key: the same for each attempt with the same letter, for Message-ID.
        sender: the From address.
        recipient: the To address.
        host: host of the deployment or of the meter, for Message-ID; empty if neither is known.
        sent_at: the Date.
    """
    message = EmailMessage()
    message["From"] = Address(sender.name, sender.local, sender.domain)
    message["To"] = Address(recipient.name, recipient.local, recipient.domain)
    message["Subject"] = header_text(letter.title, _LONGEST_SUBJECT)
    message["Date"] = sent_at
    # Stable across retries: after a connection is lost at the end of DATA, clients merge the duplicate.
    message["Message-ID"] = message_id("relay", key, id_domain(host, sender.domain))
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    text, page = _text(letter), _page(letter)
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(page, subtype="html", cte="quoted-printable")
    # The library chooses the boundary at random. A digest of the content cannot occur in it, so it is a safe boundary.
    digest = hashlib.sha256(f"{text}\0{page}".encode("utf-8", "replace")).hexdigest()[:32]
    message.set_boundary(f"=_awb_{digest}")
    return message


def _text(letter: Letter) -> str:
    parts = [f"Hi {letter.greeting}," if letter.greeting else "Hi,", letter.text]
    parts += ["\n".join(f"{label}: {url}" for label, url in letter.actions)] if letter.actions else []
    parts += ["\n".join(f"{label}: {url}" for label, url in _footer(letter))] if letter.base_url else []
    return "\n\n".join(parts) + "\n"


def _page(letter: Letter) -> str:
    """Render the letter as HTML without images, in the reader's own text and background colours."""
    buttons = "".join(f'<a style="{_BUTTON}" href="{_safe(url)}">{_safe(label)}</a>' for label, url in letter.actions)
    rows = [f'<p style="margin:0 0 4px"><a href="{_safe(url)}">{label}</a></p>\n' for label, url in _footer(letter)]
    rule = "border-top:1px solid #8b95a5;margin:32px 0 0;padding:12px 0 0;font-size:13px"
    footer = f'<div style="{rule}">\n{"".join(rows)}</div>\n' if rows else ""
    greeting = f"Hi {_safe(letter.greeting)}," if letter.greeting else "Hi,"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">'
        "<style>:root{color-scheme:light dark}</style>"
        f"<title>{_safe(letter.title)}</title></head>\n"
        f'<body style="margin:0;padding:16px;{_FONT}">\n'
        '<div style="max-width:600px;margin:0 auto;overflow-wrap:anywhere">\n'
        f'<h1 style="font-size:21px;font-weight:normal;line-height:1.3;margin:0 0 24px">{_safe(letter.title)}</h1>\n'
        f"<p>{greeting}</p>\n{to_html(letter.markdown)}"
        + (f'<p style="margin:24px 0 0">{buttons}</p>\n' if buttons else "")
        + footer
        + "</div></body></html>\n"
    )


def _footer(letter: Letter) -> list[tuple[str, str]]:
    """Return links to settings that the user may switch off; empty if the deployment's URL is unknown."""
    if not letter.base_url:
        return []
    settings = f"{letter.base_url}/settings/notifications"
    found = [("Manage your notification settings", settings)]
    if letter.template_id:
        found.append(("Stop receiving e-mails like this", f"{settings}?disabled={quote(letter.template_id, safe='')}"))
    return found


def _safe(text: str) -> str:
    return html.escape(one_line(text))
