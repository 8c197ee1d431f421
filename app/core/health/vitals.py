"""Vitals: the measurements from which an installation's health is judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum

from app.core.alert.loss import Loss
from app.core.alert.refusal import Refusal, Run


class Persistence(StrEnum):
    """Whether Redis writes every change to disk."""

    ON = "on"
    OFF = "off"
    #: The last write failed.
    FAILED = "failed"
    #: The Redis user lacks the permission to check.
    UNSEEN = "unseen"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueVitals:
    """The state of one queue.

    Attributes:
        served: whether a live worker is registered for it.
        waited_for: whether it needs a worker: it always does, or has jobs waiting.
        length: waiting jobs.
        failed: jobs that will not be retried.
        oldest_age: seconds that the oldest job has waited; None if none waits.
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
    """A step of the sweep that is failing, or failed recently."""

    name: str
    since: datetime
    at: datetime
    error: str
    over: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayVitals:
    """The state of one target of relays or forwards.

    Attributes:
        summary: the status in words.
        late: whether messages have waited longer than they should.
        failing: whether messages failed within a day.
    """

    target: str
    summary: str
    late: bool = False
    failing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CoderVitals:
    """The state of Coder's API, if it is configured.

    Attributes:
        reconciled_at: when the last complete pass began; None before the first one.
        every: the interval between passes.
    """

    failing_since: datetime | None
    failure: str
    reconciled_at: datetime | None
    every: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetVitals:
    """The memory budget of Redis.

    Attributes:
        limit: in bytes; `used` is None if the Redis user may not see it.
        kept_since: deliveries before this moment were deleted because of it; None if none were.
        exhausted: nothing is left to delete, and Redis still uses more.
    """

    limit: int
    used: int | None
    kept_since: datetime | None
    exhausted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """The state of one deployment, and of what it shares with others.

    Attributes:
        redis: why Redis cannot be used; empty if it accepts writes. If it is not empty, nothing else is known.
        swept_at: the end of the last sweep; None if there was none.
        receivers: names of the configured receivers.
        failing_receivers: by receiver, the error of its newest message, if that failed.
        overdue: notifications that should have been sent more than a few minutes ago.
        last_delivery: None if there was none; `silence_allowed` is the normal maximum time between deliveries.
        quarantined: bodies in the quarantine.
        relays: targets of relays and forwards.
        zone: the time zone for times in texts.
        reloads: by part, why it still uses the former configuration, and since when.
        loss: records that Redis has lost; None if it has lost none, or they are back.
        budget: the memory budget; None if there is none.
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
    reloads: Mapping[str, tuple[str, datetime]] = field(default_factory=dict)
    loss: Loss | None = None
    budget: BudgetVitals | None = None
