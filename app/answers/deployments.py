"""The overview of all deployments: usage, forecast and health of each, worst first."""

from collections.abc import Sequence
from datetime import date
from typing import Final, Self

import redis
from pydantic import Field

from app import clock
from app.answers.health import verdict
from app.answers.shape import Answer, Moment, one_of
from app.config.load import Config
from app.core.alert.severity import Severity
from app.core.count.meter import AWB, Mode
from app.core.finding import Finding, Result
from app.core.wording.usagestatus import usage_status
from app.pipeline.outlook import is_projected, outlook
from app.pipeline.usage import current_usage
from app.store.receive.inbox import deployments
from app.store.store import Store

#: Checks of a single deployment; the other checks are about the installation and the same for all.
OF_ONE: Final = ("sweep.", "input.deliveries", "input.quarantine", "notifications.", "receivers.", "coder.")
_SEVERITIES: Final = (Severity.CRITICAL, Severity.WARNING, Severity.OK)
_RESULTS: Final = (Result.ERROR, Result.WARNING, Result.OK)


class Deployment(Answer):
    """The present state of a deployment."""

    name: str
    used: int
    limit: int | None = Field(description="Null is unlimited.")
    percent: float | None
    mode: Mode
    severity: str = one_of(Severity, "How serious the usage is.")
    state: str = Field(description="The severity as text.")
    forecast: str = Field(description="The forecast as text.")
    breach: date | None = Field(description="Day on which the limit is reached; null if no such day is expected.")
    firing: int = Field(description="Alerts that are active.")
    health: str = one_of(Result, "The worst result of this deployment's checks.")
    trouble: str = Field(description="What does not work; empty if everything does.")
    last_delivery_at: Moment | None
    as_of: Moment

    @classmethod
    def of(cls, store: Store, config: Config) -> Self:
        usage = current_usage(store, config, AWB, top=False)
        status = usage_status(usage, config.thresholds, projected=is_projected(store, config, usage))
        expected = None if usage.gone else outlook(store, usage).forecast
        trouble = worst(verdict(store, config).findings)
        last = store.inbox.stats().get("last_delivery_at")
        return cls(
            name=store.deployment,
            used=usage.used,
            limit=usage.limit.count,
            percent=usage.percent,
            mode=usage.mode,
            severity=status.severity.value,
            state=status.words,
            forecast=expected.words() if expected else "",
            breach=expected.breach if expected and expected.confident else None,
            firing=len(store.alerts.firing()),
            health=trouble.outcome.value if trouble else Result.OK.value,
            trouble=trouble.message if trouble else "",
            last_delivery_at=clock.at(last) if last else None,
            as_of=usage.as_of,
        )

    @property
    def rank(self) -> tuple[int, int, float, str]:
        """The sort key: severity of the usage first, then health."""
        severity, health = _SEVERITIES.index(Severity(self.severity)), _RESULTS.index(Result(self.health))
        return severity, health, -(self.percent or 0), self.name


class Deployments(Answer):
    """Every deployment, worst first."""

    deployments: list[Deployment]

    @classmethod
    def of(cls, connection: "redis.Redis", config: Config, only: str | None = None) -> Self:
        """Return the deployments that are configured or have posted.

        Args:
            connection: Redis.
            config: the installation's configuration.
            only: the only deployment that the client may see; None for all.
        """
        names = [only] if only else known(connection, config)
        found = [Deployment.of(Store(connection, name).glance(), config.of(name)) for name in names]
        return cls(deployments=sorted(found, key=lambda one: one.rank))


def known(connection: "redis.Redis", config: Config) -> list[str]:
    """Return the names of the deployments that are configured or have posted."""
    return sorted({*config.settings.configured_deployments, *deployments(connection)})


def worst(findings: Sequence[Finding]) -> Finding | None:
    """Return the worst finding about the deployment itself; None if there is nothing to do."""
    bad = [one for one in findings if one.check.startswith(OF_ONE) and one.outcome is not Result.OK]
    return min(bad, key=lambda one: _RESULTS.index(one.outcome), default=None)
