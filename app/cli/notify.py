"""`awb notify`: test receivers, and preview messages."""

import base64
import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import redis
from rich.markup import escape

from app import clock
from app.cli.base import AS_JSON, DEPLOYMENT, EXIT_FAILED, actor, fail, load_config, main, open_redis, out, print_json
from app.cli.samples import sample
from app.cli.show import facts_table, print_wide, styled
from app.config.load import Config
from app.core.alert.alert import Alert, AlertKind, Notification
from app.core.text.mailbox import Mailbox, receiver_key
from app.core.text.spelling import did_you_mean
from app.core.wording.test import trial_alert
from app.notifiers.base import NotifyError
from app.notifiers.directory import notifier
from app.notifiers.email.message import render as render_mail
from app.notifiers.receivers import receiver_slug, receivers
from app.notifiers.slack.blocks import render as render_slack
from app.pipeline.notify.texts import own_words, variables
from app.pipeline.outlook import bare_context
from app.store.audit import Audit

_LONGEST_VALUE: Final = 60
_NOBODY: Final = (
    "no receiver is configured: set AWB_SLACK_WEBHOOK_URL, or AWB_SMTP_URL with AWB_EMAIL_FROM and AWB_EMAIL_TO"
)


@main.group()
def notify() -> None:
    """Test the receivers, and preview messages."""


@notify.command("test")
@click.argument("chosen", nargs=-1, metavar="[RECEIVER]...")
@DEPLOYMENT
@AS_JSON
@click.pass_context
def test(context: click.Context, chosen: tuple[str, ...], deployment: str | None, as_json: bool) -> None:
    """Send a test message to every RECEIVER, or to all of them, now. Exit code 1 if one did not accept it.

    It needs neither Redis nor a running service, and ignores quiet hours.
    """
    loaded = load_config(context)
    name = deployment or loaded.settings.deployment
    config = loaded.of(name)
    outcomes = []
    for outcome in _tried(config, name, _receivers(config, chosen)):
        outcomes.append(outcome)
        if not as_json:
            error = f": {escape(outcome['error'])}" if outcome["error"] else ""
            out.print(f"{styled(outcome['state'])}  {escape(outcome['receiver'])}{error}")
    # The test also works if Redis is unavailable.
    with contextlib.suppress(redis.exceptions.RedisError, OSError):
        listed = ", ".join(outcome["receiver"] for outcome in outcomes)
        Audit(open_redis(config), name).write(actor(), "send test message", listed)
    if as_json:
        print_json({"receivers": outcomes})
    sys.exit(EXIT_FAILED if any(outcome["state"] == "failed" for outcome in outcomes) else 0)


def _receivers(config: Config, chosen: tuple[str, ...]) -> list[str]:
    known = receivers(config.settings)
    if not known:
        fail(_NOBODY)
    wanted = [receiver_key(one) for one in chosen]
    for one in wanted:
        if one not in known:
            hint = did_you_mean(one, known)
            fail(f"there is no receiver “{one}”{hint}; configured are {', '.join(known)}")
    return list(dict.fromkeys(wanted)) or known


def _tried(config: Config, deployment: str, chosen: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the result of a test message to each receiver."""
    for receiver in chosen:
        now = clock.now()
        alert = own_words(config.settings.texts, trial_alert(deployment, receiver, bare_context(config), now))
        identity = f"test-{int(now.timestamp())}-{receiver_slug(receiver)}"
        error = None
        try:
            notifier(config.settings, receiver).send(Notification(identity, receiver, now, alert))
        except NotifyError as failure:
            error = str(failure)
        yield {"receiver": receiver, "state": "failed" if error else "sent", "error": error}


@notify.command()
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in AlertKind]),
    default=AlertKind.THRESHOLD.value,
    show_default=True,
    help="Kind of message.",
)
@click.option("--level", default="90%", show_default=True, help="The threshold reached.")
@click.option("--html", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="Write the e-mail here.")
@click.option("--slack", is_flag=True, help="Print the Slack message, for Block Kit Builder.")
@AS_JSON
@click.pass_context
def preview(context: click.Context, kind: str, level: str, html: Path | None, slack: bool, as_json: bool) -> None:
    """Show a message in the built-in texts or your own [texts], with made-up numbers.

    The variables for your own texts are listed below it.
    """
    config = load_config(context)
    try:
        built_in = sample(config, AlertKind(kind), level)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--level") from error
    alert = own_words(config.settings.texts, built_in)
    if as_json:
        print_json({"message": _plain(variables(alert)), "variables": _plain(variables(built_in))})
    elif slack:
        click.echo(json.dumps(render_slack(alert), indent=2, ensure_ascii=False))
    elif html:
        _write(html, _mail(config, alert, "html"))
    else:
        click.echo(_mail(config, alert, "plain"))
        out.print("[bold]Variables for your \\[texts]:[/bold]")
        shown = ((f"{{{{ {name} }}}}", escape(_short(value))) for name, value in variables(built_in).items())
        print_wide(facts_table(shown))


def _mail(config: Config, alert: Alert, part: str) -> str:
    """Return one part of the e-mail, with images embedded in the HTML, where a browser finds them."""
    sender, recipient = config.settings.email_from or Mailbox("awb", "example.com"), Mailbox("you", "example.com")
    now = clock.now()
    notification = Notification("preview", f"email:{recipient}", now, alert)
    message = render_mail(notification, sender=sender, recipient=recipient, host="", sent_at=now)
    found = message.get_body((part,))
    text = "" if found is None else str(found.get_content())
    for picture in message.walk():
        if picture["Content-ID"]:
            data = base64.b64encode(picture.get_content()).decode()
            text = text.replace(
                f"cid:{picture['Content-ID'].strip('<>')}", f"data:{picture.get_content_type()};base64,{data}"
            )
    return text


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror}")
    out.print(escape(f"{file}: written"))


def _plain(values: dict[str, Any]) -> Any:
    return json.loads(json.dumps(values, default=str))


def _short(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
