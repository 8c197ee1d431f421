"""Checks of the counting: templates, the verdict on the installation's health, and where Coder posts to."""

from collections.abc import Iterator
from typing import Final

import redis

from app.answers.health import verdict
from app.config.load import Config
from app.core.finding import Finding, Result
from app.pipeline.operate.codercheck import endpoint
from app.pipeline.passes import client
from app.store.receive.inbox import deployments
from app.store.store import Store

#: Checks that look at one deployment; the others are about all of them.
_OF_DEPLOYMENTS: Final = ("sweep.", "input.deliveries", "input.quarantine", "notifications.")
_REDIS: Final = "redis.reachable"


def examine_counting(config: Config, connection: "redis.Redis") -> Iterator[Finding]:
    own = config.settings.deployment
    verifying = config.verifying(own)
    if not config.settings.ai_templates and not verifying:
        yield Finding(
            "count.templates", Result.WARNING, "no AI templates are listed",
            "list the templates of Coder Tasks in AWB_AI_TEMPLATES, or new tasks are counted late or not at all",
        )  # fmt: skip
    found = verdict(Store(connection, own), config)
    # Of Redis itself more has been said already.
    yield from (finding for finding in found.findings if finding.check != _REDIS)
    if found.of(_REDIS) is Result.ERROR:
        return
    for deployment in deployments(connection):
        if deployment != own:
            others = verdict(Store(connection, deployment), config).findings
            yield from (finding for finding in others if finding.check.startswith(_OF_DEPLOYMENTS))
    if verifying:
        # Once: a Coder that is away has been reported above, and nobody waits for several attempts.
        with client(config, attempts=1) as api:
            yield from endpoint(config, api)
