"""Checks of what is passed on: whether users get what Coder sends here, and how each target fares."""

from collections.abc import Iterator
from itertools import islice
from typing import Final

import redis

from app import clock
from app.config.load import Config
from app.core.coder.subscription import NEEDED
from app.core.finding import Finding, Result
from app.core.relay.target import PERSON
from app.notifiers.base import NotifyError
from app.notifiers.directory import smtp_server
from app.notifiers.email.smtp import Mailer
from app.pipeline.relay.fares import Condition, fares
from app.store.receive.inbox import deployments
from app.store.store import Store

_LATELY: Final = 30 * 86_400
_LOOKED_AT: Final = 1000
_SWITCH_ON: Final = "set AWB_RELAY=email with AWB_SMTP_URL and AWB_EMAIL_FROM (docs/relay.md)"
_RESULTS: Final = {Condition.OK: Result.OK, Condition.LATE: Result.WARNING, Condition.FAILING: Result.ERROR}


def examine_relaying(config: Config, connection: "redis.Redis") -> Iterator[Finding]:
    """Yield findings; none where Redis is away, which is said by others."""
    try:
        for deployment in dict.fromkeys([config.settings.deployment, *deployments(connection)]):
            store = Store(connection, deployment)
            if config.settings.relay == "off":
                yield from _users(store)
            yield from _targets(store, config)
    except (redis.exceptions.RedisError, OSError):
        return
    if config.settings.relay != "off" and not config.settings.email_to:
        yield from _mail_server(config)


def _users(store: Store) -> Iterator[Finding]:
    """Look for notifications that are for users and of no use to the count: by mail, nobody gets those."""
    names: set[str] = set()
    pages = store.kept.newest(clock.now().timestamp() - _LATELY, _LOOKED_AT)
    for kept in islice((one for page in pages for one in page), _LOOKED_AT):
        template = str(kept.record.get("template") or "")
        if template and template not in NEEDED.values() and not template.startswith(("Task ", "Test ", "Trouble")):
            names.add(template)
    if names:
        shown = ", ".join(sorted(names)[:3])
        yield Finding(
            "relay.users", Result.WARNING,
            f"{store.deployment}: Coder sends here what is for users ({shown}), who get no e-mail of it",
            _SWITCH_ON,
        )  # fmt: skip


def _targets(store: Store, config: Config) -> Iterator[Finding]:
    for fare in fares(store, config):
        who = "people" if fare.target == PERSON else fare.target
        hint = "" if fare.condition is Condition.OK else "run: awb deliveries"
        yield Finding("relay.targets", _RESULTS[fare.condition], f"{store.deployment}: {who}: {fare.says}", hint)


def _mail_server(config: Config) -> Iterator[Finding]:
    """Ask the mail server; where it has receivers of warnings as well, those ask it."""
    try:
        server, sender = smtp_server(config.settings)
        Mailer(server, sender, trusted=config.settings.ca_file).probe()
    except (NotifyError, ValueError) as error:
        yield Finding("relay.mail", Result.ERROR, f"the mail server does not take mail: {error}", "check AWB_SMTP_URL")
    else:
        yield Finding("relay.mail", Result.OK, "the mail server lets us in")
