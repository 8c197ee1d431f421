"""Checks of relaying: whether users still get the notifications that Coder sends here."""

from collections.abc import Iterator
from itertools import islice
from typing import Final

import redis

from app import clock
from app.config.load import Config
from app.core.coder.subscription import NEEDED
from app.core.finding import Finding, Result
from app.notifiers.base import NotifyError
from app.notifiers.directory import smtp_server
from app.notifiers.email.smtp import Mailer
from app.store.receive.inbox import deployments
from app.store.store import Store

_LATELY: Final = 30 * 86_400
_MOST_CHECKED: Final = 1000
_SWITCH_ON: Final = "set AWB_RELAY=email with AWB_SMTP_URL and AWB_EMAIL_FROM (docs/relay.md)"


def examine_relaying(config: Config, connection: "redis.Redis") -> Iterator[Finding]:
    """Yield findings; none if Redis is unavailable, which other checks report."""
    try:
        known = dict.fromkeys([config.settings.deployment, *deployments(connection)])
        for deployment in known if config.settings.relay == "off" else ():
            yield from _users(Store(connection, deployment))
    except (redis.exceptions.RedisError, OSError):
        return
    if config.settings.relay != "off" and not config.settings.email_to:
        yield from _mail_server(config)


def _users(store: Store) -> Iterator[Finding]:
    """Look for notifications that are for users only: without a relay, nobody gets them by e-mail."""
    names: set[str] = set()
    pages = store.kept.newest(clock.now().timestamp() - _LATELY, _MOST_CHECKED)
    for kept in islice((one for page in pages for one in page), _MOST_CHECKED):
        template = str(kept.record.get("template") or "")
        if template and template not in NEEDED.values() and not template.startswith(("Task ", "Test ", "Trouble")):
            names.add(template)
    if names:
        shown = ", ".join(sorted(names)[:3])
        yield Finding(
            "relay.users", Result.WARNING,
            f"{store.deployment}: Coder sends notifications for users here ({shown}), so they get no e-mail",
            _SWITCH_ON,
        )  # fmt: skip


def _mail_server(config: Config) -> Iterator[Finding]:
    """Probe the mail server, unless it is already probed for receivers of warnings."""
    try:
        server, sender = smtp_server(config.settings)
        Mailer(server, sender, trusted=config.settings.ca_file).probe()
    except (NotifyError, ValueError) as error:
        yield Finding(
            "relay.mail", Result.ERROR, f"the mail server does not accept mail: {error}", "check AWB_SMTP_URL"
        )
    else:
        yield Finding("relay.mail", Result.OK, "the mail server accepts the login")
