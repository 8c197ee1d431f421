"""Checks of counting: templates, the verdict on the installation's health, and Coder's webhook endpoint."""

from collections.abc import Iterator
from typing import Final

import redis

from app import clock
from app.answers.health import verdict
from app.config.load import Config
from app.core.count.meter import AWB
from app.core.finding import Finding, Result
from app.pipeline.operate.codercheck import endpoint
from app.pipeline.passes import client
from app.store.receive.inbox import deployments
from app.store.store import Store

#: Checks of a single deployment; the others concern all deployments.
_OF_DEPLOYMENTS: Final = ("sweep.", "input.deliveries", "input.quarantine", "notifications.")
_REDIS: Final = "redis.reachable"
#: How far clocks may differ without harm.
_TOLERATED_SECONDS: Final = 300


def examine_counting(config: Config, connection: "redis.Redis") -> Iterator[Finding]:
    own = config.settings.deployment
    verifying = config.verifying(own)
    if not config.settings.ai_templates and not verifying:
        yield Finding(
            "count.templates", Result.WARNING, "no AI templates are listed",
            "list the templates of Coder Tasks in AWB_AI_TEMPLATES, or new tasks count late or not at all",
        )  # fmt: skip
    store = Store(connection, own)
    found = verdict(store, config)
    # Redis itself has been reported already.
    yield from (finding for finding in found.findings if finding.check != _REDIS)
    if found.of(_REDIS) is Result.ERROR:
        return
    yield from _ahead(store)
    for deployment in deployments(connection):
        if deployment != own:
            yield from _ahead(Store(connection, deployment))
            others = verdict(Store(connection, deployment), config.of(deployment)).findings
            yield from (finding for finding in others if finding.check.startswith(_OF_DEPLOYMENTS))
    for deployment in config.settings.configured_deployments:
        own_config = config.of(deployment)
        if not own_config.verifying(deployment):
            continue
        # One attempt only: if Coder is unavailable, that has been reported above.
        with client(own_config, attempts=1) as api:
            yield from endpoint(own_config, api)


def _ahead(store: Store) -> Iterator[Finding]:
    """Find builds in the future, which were counted while a clock was ahead, and are in no total until then."""
    count = store.ledger(AWB).count_since(clock.now().timestamp() + _TOLERATED_SECONDS)
    if count:
        builds = "1 build is" if count == 1 else f"{count:,} builds are"
        yield Finding(
            "clock.records", Result.WARNING, f"{builds} in the future: a clock was ahead at their arrival",
            "synchronize the clocks (NTP); they count from that day on; a pass over Coder's API moves proved builds "
            "to the time that Coder reports",
            store.deployment,
        )  # fmt: skip
