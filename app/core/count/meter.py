"""Meters, usage records, and the usage of a period."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from app.core.limit.limits import Limit
from app.core.limit.period import Period

#: Agent Workspace Builds.
AWB: Final = "awb"
#: The usage key of a proved build is this and its id.
BUILD: Final = "build:"


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter.

    Attributes:
        feature: the feature of Coder's entitlements that has its limit, its period and Coder's own number.
        name: its name in full; `short` is used where there is little room.
        counted_here: whether this program counts it from notifications; otherwise only Coder's number is known.
        proved: whether Coder's API proves its units (app/core/count/proof.py); otherwise its count is an estimate.
    """

    id: str
    feature: str
    name: str
    short: str
    counted_here: bool = False
    proved: bool = False


#: Every meter. Those that only Coder counts are active if the deployment reports them (codersdk/deployment.go).
METERS: Final = {
    meter.id: meter
    for meter in (
        Meter(AWB, "managed_agent_limit", "Agent Workspace Builds", "AWB", counted_here=True, proved=True),
        Meter("agent_runtime_hours", "agent_runtime_hours", "Coder Agent runtime hours", "Agent hours"),
        Meter("ai_governance_seats", "ai_governance_user_limit", "AI Governance seats", "AI seats"),
    )
}


def meter_of(meter_id: str) -> Meter:
    """Return a meter by its id; one that is defined only by an admin's rules is counted here."""
    return METERS.get(meter_id) or Meter(meter_id, meter_id, meter_id, meter_id, counted_here=True)


class Mode(StrEnum):
    """How reliable a number is."""

    WEBHOOK_ONLY = "webhook-only"
    VERIFIED = "verified"


class RecordState(StrEnum):
    """Whether a record comes from notifications alone (provisional) or is proved by Coder's API."""

    PROVISIONAL = "provisional"
    PROVED = "proved"


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """One counted unit, with the reason for counting it.

    Attributes:
        key: what was consumed: `build:<id>` if proved, otherwise `hint:<workspace>:<n>`.
        at: in seconds since the epoch: the end of the build if proved, otherwise the arrival of the notification.
        deliveries: ids of the messages that are evidence for it; only the first ones if there are very many.
    """

    key: str
    meter: str
    state: RecordState
    at: float
    workspace_id: str
    workspace: str
    owner: str
    template: str
    organization: str
    rule: str
    reason: str
    deliveries: tuple[str, ...]
    build_id: str | None = None
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Usage:
    """The usage of a meter in one usage period, as of one moment.

    Attributes:
        counted: units recorded in the period.
        provisional: how many of them are not proved by the API.
        coder_actual: Coder's own number as of its last refresh; None if unknown.
        since_refresh: units recorded after that refresh.
        drift: our count minus Coder's number for the same builds; None if either is unknown.
        gone: whether this version of Coder no longer has the meter (app/core/count/era.py). `counted` is then history,
            and there is no limit.
    """

    deployment: str
    meter: str
    period: Period
    limit: Limit
    counted: int
    provisional: int
    as_of: datetime
    coder_actual: int | None = None
    since_refresh: int = 0
    drift: int | None = None
    mode: Mode = Mode.WEBHOOK_ONLY
    gone: bool = False
    by_user: Sequence[tuple[str, int]] = field(default=())
    by_template: Sequence[tuple[str, int]] = field(default=())

    @property
    def used(self) -> int:
        """The number for alerts and display: Coder's own plus later records if it is known, otherwise our count."""
        return self.counted if self.coder_actual is None else self.coder_actual + self.since_refresh

    @property
    def percent(self) -> float | None:
        """Share of the limit in per cent, rounded down to one decimal; None without a positive limit."""
        return self.limit.percent(self.used)
