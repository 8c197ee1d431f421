"""Draw docs/slack.png: the real Slack message of a real alert, as Slack shows it. Needs Debian's chromium.

Run it again after a change of app/core/wording or app/notifiers/slack/blocks.py: `python -m tests.pictures.slack`.
"""

import html
from datetime import UTC, datetime, timedelta
from typing import Any

from app.core.alert.decision import AlertState, evaluate
from app.core.count.meter import AWB, Usage
from app.core.limit.forecast import forecast
from app.core.limit.limits import Limit
from app.core.limit.period import PeriodRule
from app.core.limit.threshold import Threshold
from app.core.wording.context import Context
from app.core.wording.threshold import describe
from app.notifiers.slack.blocks import render
from tests.pictures.screenshot import take

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
STYLE = """
body{margin:0;background:#fff;font:15px/1.46 Lato,"Noto Sans","DejaVu Sans",sans-serif;color:#1d1c1d}
.m{display:flex;gap:10px;padding:16px 20px}.a{width:36px;height:36px;border-radius:6px;background:#7c3085;color:#fff;
display:grid;place-items:center;font-weight:700;font-size:13px}.n{font-weight:900}.t{color:#616061;font-size:12px}
h3{font-size:18px;margin:6px 0 8px}
.f{display:grid;grid-template-columns:1fr 1fr;gap:6px 24px;margin:8px 0;max-width:680px}
.b{display:inline-block;border:1px solid #bbb;border-radius:4px;padding:5px 12px;font-weight:700;margin:4px 8px 8px 0}
.c{color:#616061;font-size:12px}p{margin:6px 0;max-width:680px}
"""


def main() -> None:
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
    days = [(NOW.date() - timedelta(days=back), 3 + back % 3) for back in range(228, 0, -1)]
    expected = forecast(days, usage.used, usage.limit, usage.period, NOW)
    context = Context("https://coder.example.com", "https://awb.example.com", forecast=expected.words())
    message = render(describe(decision, usage, context), buttons=True)
    body = "".join(block(item) for item in message["blocks"])
    page = f"""<!doctype html><meta charset="utf-8"><style>{STYLE}</style>
    <div class="m"><div class="a">AWB</div><div><span class="n">Coder AWB meter</span> <span class="t">9:30</span>
    {body}</div></div>"""
    take(page, "slack.png", 780, 590, scale=1.5)


def block(item: dict[str, Any]) -> str:
    """Write one Block Kit block as HTML."""
    match item["type"]:
        case "header":
            return f"<h3>{text(item['text'])}</h3>"
        case "section" if "fields" in item:
            return f"<div class=f>{''.join(f'<div>{text(field)}</div>' for field in item['fields'])}</div>"
        case "section":
            return f"<p>{text(item['text'])}</p>"
        case "actions":
            return "".join(f"<span class=b>{text(button['text'])}</span>" for button in item["elements"])
        case _:
            return f"<div class=c>{''.join(text(element) for element in item['elements'])}</div>"


def text(item: dict[str, Any]) -> str:
    shown = html.escape(html.unescape(item["text"]))
    if item["type"] == "mrkdwn":
        label, _, rest = shown.partition("\n")
        return f"<b>{label.strip('*')}</b><br>{rest}"
    return shown


if __name__ == "__main__":
    main()
