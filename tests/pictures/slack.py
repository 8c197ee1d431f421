"""Draw docs/slack.png: the real Slack message of a real alert, as Slack shows it. Needs Debian's chromium.

Run it again after a change of app/core/wording or app/notifiers/slack/blocks.py: `python -m tests.pictures.slack`.
"""

import html
from typing import Any

from app.notifiers.slack.blocks import render
from tests.pictures.alert import alert
from tests.pictures.screenshot import take

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
    message = render(alert(), buttons=True)
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
