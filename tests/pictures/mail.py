"""Draw docs/mail.png: a real e-mail of a real alert, in a light and in a dark reader. Needs Debian's chromium.

Run it again after a change of app/core/wording or app/notifiers/email/message.py: `python -m tests.pictures.mail`.
"""

import base64
import html
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage

from app.core.alert.alert import Notification
from app.core.alert.decision import AlertState, evaluate
from app.core.count.meter import AWB, Usage
from app.core.limit.limits import Limit
from app.core.limit.period import PeriodRule
from app.core.limit.threshold import Threshold
from app.core.text.mailbox import Mailbox
from app.core.wording.context import Context
from app.core.wording.threshold import describe
from app.notifiers.email.message import render
from tests.pictures.screenshot import take

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
FROM, TO = Mailbox("awb", "example.com"), Mailbox("ops", "example.com")
START = date(2026, 3, 1)
STYLE = "body{margin:0;display:flex}div{padding:12px 0 0 16px;font:13px sans-serif}iframe{border:0;width:520px}"


def main() -> None:
    page = html_of(render(notification(), sender=FROM, recipient=TO, host="", sent_at=NOW))
    # A frame takes its colours from the scheme of the element that holds it.
    frames = "".join(
        f'<div style="background:{ground}"><iframe style="color-scheme:{scheme};height:860px" '
        f'srcdoc="{html.escape(page.replace("light dark", scheme))}"></iframe></div>'
        for scheme, ground in (("light", "#fff"), ("dark", "#121212"))
    )
    take(f'<!doctype html><meta charset="utf-8"><style>{STYLE}</style>{frames}', "mail.png", 1072, 872)


def notification() -> Notification:
    days = (NOW.date() - START).days
    # Half the pace at weekends, and a little more every month.
    paces = [(1 + n / days) * (0.3 if (START + timedelta(days=n)).weekday() > 4 else 1) for n in range(days + 1)]
    burn_up = tuple(
        (START + timedelta(days=n), round(912 * sum(paces[: n + 1]) / sum(paces))) for n in range(0, days + 1, 7)
    )
    usage = Usage(
        deployment="prod",
        meter=AWB,
        period=PeriodRule.parse("yearly:03-01").at(NOW.date()),
        limit=Limit(1000),
        counted=912,
        provisional=912,
        as_of=NOW,
        by_user=[("dana", 311), ("ci-bot", 268), ("amir", 97)],
        by_template=[("claude-code", 702), ("aider-ci", 210)],
    )
    decision = evaluate(AlertState("75%", usage.period.start, NOW, NOW), usage, [Threshold.parse("90%")], NOW)
    context = Context(
        coder_url="https://coder.example.com",
        forecast="limit reached on 8 December 2026 (between 4 and 13 December) at 5.5 a day",
        breach=date(2026, 12, 8),
        burn_up=burn_up,
    )
    return Notification("awb-prod-90", "email:ops@example.com", NOW, describe(decision, usage, context))


def html_of(message: EmailMessage) -> str:
    """Return the HTML as a reader shows it, with the picture in it."""
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
