"""The shapes of answers about alerts, messages, queues and people; app/web/api/shapes.py has the others."""

from pydantic import AwareDatetime, Field, JsonValue

from app.core.alert.alert import AlertKind
from app.core.alert.decision import AlertStatus, Reason
from app.core.alert.severity import Severity
from app.web.api.shapes import Day, Shape


class Fact(Shape):
    label: str
    text: str


class Link(Shape):
    label: str
    url: str


class Said(Shape):
    kind: AlertKind
    meter: str
    scope: str | None
    reason: Reason
    severity: Severity
    level: str | None
    headline: str
    summary: str
    facts: list[Fact]
    meaning: str
    links: list[Link]
    used: int | None
    limit: int | None
    breach: Day | None


class Alert(Shape):
    name: str
    state: AlertStatus
    level: str | None
    since: AwareDatetime | None = Field(description="When that level was reached.")
    announced_at: AwareDatetime | None
    period_start: Day | None
    limit: int | None
    acknowledged_by: str | None = Field(description="Who knows of what fires now.")
    acknowledged_at: AwareDatetime | None
    silence: str | None = Field(description="Id of the silence that holds its messages now.")
    said: Said | None = Field(description="What was said last of it.")


class Alerts(Shape):
    alerts: list[Alert]


class Acknowledged(Shape):
    alert: str
    level: str
    new: bool = Field(description="False when somebody was known to know of it already.")


class Event(Shape):
    at: AwareDatetime
    alert: str
    change: int = Field(description="Number of the change of this alert; `alert` and `change` identify an event.")
    kind: AlertKind
    meter: str
    scope: str | None
    reason: Reason
    level: str | None
    previous: str | None
    because: str
    headline: str
    used: int | None
    limit: int | None
    actor: str | None
    notifications: list[str] = Field(description="Ids of the messages that carried it.")


class Events(Shape):
    events: list[Event]
    next: str | None


class Silence(Shape):
    id: str
    matchers: dict[str, str]
    author: str
    comment: str
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    ended_by: str | None
    active: bool


class Silences(Shape):
    silences: list[Silence]


class Notification(Shape):
    id: str
    alert: str
    reason: Reason
    level: str | None
    headline: str
    receiver: str
    stands_in_for: str | None
    state: str = Field(description="pending, sent, failed, silenced, superseded or dry-run.")
    attempts: int
    error: str | None
    held: str | None = Field(description="Why it waits, where it does.")
    held_until: AwareDatetime | None
    decided_at: AwareDatetime
    sent_at: AwareDatetime | None


class Notifications(Shape):
    notifications: list[Notification]
    next: str | None


class Receiver(Shape):
    name: str
    kind: str


class Receivers(Shape):
    receivers: list[Receiver]
    problems: list[str]
    dry_run: bool


class Queue(Shape):
    name: str
    length: int
    oldest_age_seconds: float | None
    started: int
    scheduled: int
    deferred: int
    failed: int
    paused: bool
    paused_by: str | None
    paused_at: AwareDatetime | None


class Worker(Shape):
    name: str
    queue: str
    state: str
    last_heartbeat: AwareDatetime | None
    current_job: str | None


class FailedJob(Shape):
    id: str
    queue: str
    status: str
    function: str | None
    description: str
    attempts: int
    reason: str
    failed_at: AwareDatetime | None
    enqueued_at: AwareDatetime | None
    deployment: str | None
    message_id: str | None
    payload: JsonValue


class Queues(Shape):
    suspended: bool = Field(description="`rq suspend` holds all workers.")
    queues: list[Queue]
    workers: list[Worker]
    failed_jobs: list[FailedJob] = Field(description="The latest 20 of each queue.")


class AuditEntry(Shape):
    at: AwareDatetime
    actor: str
    action: str
    detail: str


class Audit(Shape):
    audit: list[AuditEntry]
