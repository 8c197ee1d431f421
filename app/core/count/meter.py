"""Meters: the usage key, the usage record and the usage of a period."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from app.core.limit.limits import Limit
from app.core.limit.period import Period

#: Agent Workspace Builds, the first meter.
AWB: Final = "awb"


@dataclass(frozen=True, slots=True)
class Meter:
    """What is metered.

    Attributes:
        feature: the feature of Coder's entitlements with limit, period and Coder's own number.
        name: as people say it; `short` where there is little room.
        counted_here: we count it from notifications; else Coder's own number is all there is.
        proved: Coder's API proves its units (app/core/count/proof.py); else what is counted stays an estimate.
    """

    id: str
    feature: str
    name: str
    short: str
    counted_here: bool = False
    proved: bool = False


#: Every meter. Those that Coder only reports are active where the deployment reports them (codersdk/deployment.go).
METERS: Final = {
    meter.id: meter
    for meter in (
        Meter(AWB, "managed_agent_limit", "Agent Workspace Builds", "AWB", counted_here=True, proved=True),
        Meter("agent_runtime_hours", "agent_runtime_hours", "Coder Agent runtime hours", "Agent hours"),
        Meter("ai_governance_seats", "ai_governance_user_limit", "AI Governance seats", "AI seats"),
    )
}


def meter_of(meter_id: str) -> Meter:
    """Return a meter by id; one that only an admin's rules name is counted, too."""
    return METERS.get(meter_id) or Meter(meter_id, meter_id, meter_id, meter_id, counted_here=True)


class Mode(StrEnum):
    """How far a number can be trusted."""

    WEBHOOK_ONLY = "webhook-only"
    VERIFIED = "verified"


class RecordState(StrEnum):
    """Provisional records come from notifications alone; proved ones from Coder's API."""

    PROVISIONAL = "provisional"
    PROVED = "proved"


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """One counted unit, with the reason for counting it.

    Attributes:
        key: identity of what was consumed: `build:<id>` when proved, `hint:<workspace>:<n>` until then.
        at: seconds since the epoch: completion of the build, or arrival of the hint until proved.
        deliveries: message ids that are evidence for it; the first ones, where there are very many.
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
    """What was used of a meter in one usage period, as of one moment.

    Attributes:
        counted: units recorded in the period.
        provisional: those of them that no API has proved.
        coder_actual: Coder's own number as of its last refresh, None where it is not known.
        since_refresh: records later than that refresh.
        drift: counted less Coder's number for the same builds; None where one of them is not known.
        gone: this version of Coder no longer has the meter (app/core/count/era.py): `counted` is history without limit.
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
        """The number that alerts and people go by: Coder's own, brought up to now, where Coder counts."""
        return self.counted if self.coder_actual is None else self.coder_actual + self.since_refresh

    @property
    def percent(self) -> float | None:
        """Share of the limit in per cent, rounded down to one decimal; None without a positive limit."""
        return self.limit.percent(self.used)
