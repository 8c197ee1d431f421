"""Draw docs/mail.png: a real e-mail of a real alert, in a light and in a dark reader. Needs Debian's chromium.

Run it again after a change of app/core/wording or app/notifiers/email/message.py: `python -m tests.pictures.mail`.
"""

import base64
import html
from email.message import EmailMessage

from app.core.alert.alert import Notification
from app.core.text.mailbox import Mailbox
from app.notifiers.email.message import render
from tests.pictures.alert import NOW, alert
from tests.pictures.screenshot import take

FROM, TO = Mailbox("awb", "example.com"), Mailbox("ops", "example.com")
STYLE = "body{margin:0;display:flex}div{padding:12px 0 0 16px;font:13px sans-serif}iframe{border:0;width:520px}"


def main() -> None:
    notification = Notification("awb-prod-90", "email:ops@example.com", NOW, alert())
    page = html_of(render(notification, sender=FROM, recipient=TO, host="", sent_at=NOW))
    # A frame takes its colours from the colour scheme of its element.
    frames = "".join(
        f'<div style="background:{ground}"><iframe style="color-scheme:{scheme};height:860px" '
        f'srcdoc="{html.escape(page.replace("light dark", scheme))}"></iframe></div>'
        for scheme, ground in (("light", "#fff"), ("dark", "#121212"))
    )
    take(f'<!doctype html><meta charset="utf-8"><style>{STYLE}</style>{frames}', "mail.png", 1072, 872)


def html_of(message: EmailMessage) -> str:
    """Return the HTML as a mail client shows it, including the picture."""
    page = message.get_body(("related", "html"))
    if page is None:
        raise ValueError("the mail has no HTML")
    parts = list(page.iter_parts()) or [page]
    text = str(parts[0].get_content())
    for picture in parts[1:]:
        data = base64.b64encode(picture.get_content()).decode()
        text = text.replace(f"cid:{picture['Content-ID'].strip('<>')}", f"data:image/png;base64,{data}")
    return text


if __name__ == "__main__":
    main()
