"""Vitals: what is seen of an installation, from which the verdict on its health is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum

from app.core.alert.refusal import Refusal, Run


class Persistence(StrEnum):
    """Whether Redis writes every change to disk."""

    ON = "on"
    OFF = "off"
    #: The last write failed.
    FAILED = "failed"
    #: The Redis user may not ask.
    UNSEEN = "unseen"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueVitals:
    """One queue.

    Attributes:
        served: a living worker is registered for it.
        waited_for: it is always served, or jobs wait in it.
        length: jobs that wait.
        failed: jobs that will not be retried.
        oldest_age: seconds that the oldest job waits; None where none does.
    """

    name: str
    served: bool
    waited_for: bool = True
    paused: bool = False
    length: int = 0
    failed: int = 0
    oldest_age: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepVitals:
    """A step of the sweep that fails, or failed lately."""

    name: str
    since: datetime
    at: datetime
    error: str
    over: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayVitals:
    """One target of relays or forwards.

    Attributes:
        says: its status, in one sentence.
        late: messages wait for longer than they should.
        failing: messages failed within a day.
    """

    target: str
    says: str
    late: bool = False
    failing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CoderVitals:
    """Coder's API, where it is configured.

    Attributes:
        reconciled_at: when the last complete pass began; None before the first.
        every: between two passes.
    """

    failing_since: datetime | None
    failure: str
    reconciled_at: datetime | None
    every: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """What is seen of one deployment and of what it shares with the others.

    Attributes:
        redis: why Redis cannot be used; empty while it takes writes. Nothing else is known then.
        swept_at: end of the last sweep; None for never.
        receivers: names of the configured ones.
        failing_receivers: error of the newest message by receiver, where that failed.
        overdue: notifications whose time has passed for more than a few minutes.
        last_delivery: None for never; `silence_allowed` is how long none may come.
        quarantined: bodies that lie in the quarantine now.
        relays: targets of relays and forwards.
        zone: in which moments are written.
    """

    now: datetime
    deployment: str
    redis: str = ""
    persistence: Persistence = Persistence.ON
    queues: Sequence[QueueVitals] = ()
    swept_at: datetime | None = None
    steps: Sequence[StepVitals] = ()
    receivers: Sequence[str] = ()
    failing_receivers: Mapping[str, str] = field(default_factory=dict)
    dry_run: bool = False
    overdue: int = 0
    last_delivery: datetime | None = None
    silence_allowed: timedelta = timedelta(hours=24)
    quarantined: int = 0
    refusals: Mapping[Refusal, Run] = field(default_factory=dict)
    coder: CoderVitals | None = None
    relays: Sequence[RelayVitals] = ()
    zone: tzinfo = UTC
