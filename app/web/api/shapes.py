"""The shapes of the API's answers. Moments are ISO 8601 in UTC, days are UTC days. Fields are added, never taken away.

The OpenAPI document is made from these, and the tests hold every answer against them.
"""

from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from app.core.alert.decision import AlertStatus
from app.core.coder.history import HistorySource
from app.core.count.meter import Mode, RecordState
from app.core.count.rules import Outcome
from app.core.limit.entitlement import LicenceStatus

Day = Annotated[str, Field(json_schema_extra={"format": "date"})]


def _open(schema: dict[str, Any]) -> None:
    """Let documents promise that fields may be added, while the tests take no other than these."""
    schema.pop("additionalProperties", None)


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra=_open)


class ProblemDetails(Shape):
    """RFC 9457, https://www.rfc-editor.org/rfc/rfc9457."""

    type: str
    title: str = Field("", description="The status in words.")
    status: int
    detail: str
    errors: list[str] = Field([], description="Each single mistake of a request.")


class Period(Shape):
    start: AwareDatetime
    end: AwareDatetime | None = Field(description="The first moment after it; null when it never ends.")


class Units(Shape):
    name: str | None = Field(description="Null where notifications did not tell.")
    used: int


class DayUnits(Shape):
    day: Day
    used: int


class AlertState(Shape):
    state: AlertStatus
    level: str | None
    since: AwareDatetime | None


class Usage(Shape):
    deployment: str
    meter: str
    used: int = Field(description="What alerts go by: Coder's own number brought up to now, or what we counted.")
    limit: int | None = Field(description="Null is unlimited.")
    soft_limit: int | None
    percent: float | None = Field(description="Rounded down to one decimal; null without a limit above zero.")
    counted: int
    provisional: int = Field(description="Those of them that no API has proved.")
    coder_actual: int | None = Field(description="Coder's own number as of its last refresh.")
    drift: int | None = Field(description="What we counted less Coder's number for the same builds.")
    mode: Mode
    gone: bool = Field(
        description="Coder no longer has the meter (v2.37 and later): the number is history, no limit holds."
    )
    period: Period
    alert: AlertState | None = Field(description="Null for a period that is over, and for a meter that is gone.")
    by_user: list[Units]
    by_template: list[Units]
    by_organization: list[Units]
    by_day: list[DayUnits]
    notes: list[str] = Field(description="What has to be known to read the numbers rightly.")
    as_of: AwareDatetime


class Record(Shape):
    key: str = Field(description="What was consumed: `build:<id>` when proved, `hint:<workspace>:<n>` until then.")
    meter: str
    state: RecordState
    at: AwareDatetime = Field(description="When the build completed; until proved, when the notification arrived.")
    workspace_id: str
    workspace: str
    owner: str
    template: str
    organization: str
    build_id: str | None
    rule: str
    reason: str
    deliveries: list[str] = Field(description="Message ids that are evidence for it.")
    weight: int


class Records(Shape):
    records: list[Record]
    next: str | None = Field(
        description="Cursor of the next page; null after the last. A page may be short, even empty."
    )


class PastPeriod(Period):
    present: bool
    used: int
    provisional: int
    limit: int | None
    percent: float | None


class Periods(Shape):
    deployment: str
    meter: str
    periods: list[PastPeriod]
    notes: list[str]


class Forecast(Shape):
    deployment: str
    meter: str
    used: int
    limit: int | None
    period: Period
    words: str
    confident: bool = Field(description="Enough is known to warn by it.")
    enough: bool = Field(description="Enough was seen to say anything.")
    why: str
    reached: bool
    pace: float = Field(description="Builds a day that the projection goes by, as an average over a week.")
    pace_period: float
    pace_28: float | None
    pace_7: float | None
    projected: int | None = Field(description="Usage at the end of the period; null where it has none.")
    low: int | None
    high: int | None
    breach: Day | None = Field(description="Day on which the limit is reached; null when that is out of sight.")
    breach_earliest: Day | None
    breach_latest: Day | None
    breach_in_period: bool
    until: Day
    elapsed_percent: float | None
    used_percent: float | None
    as_of: AwareDatetime


class Feature(Shape):
    entitlement: str
    enabled: bool


class MeterUsage(Shape):
    meter: str
    name: str
    used: int
    limit: int | None
    percent: float | None
    period: Period


class DriftPoint(Shape):
    at: AwareDatetime
    counted: int
    actual: int
    drift: int


class PassProgress(Shape):
    phase: str = Field(description="listing, tasks, gone or history, in this order.")
    words: str
    begun_at: AwareDatetime
    listed: int = Field(description="Workspaces that Coder listed so far.")
    asked: int = Field(description="Workspaces found so far that are to be verified.")
    read_back_to: AwareDatetime | None = Field(description="How far back the past is read, in the phase history.")


class PassShape(Shape):
    """What is the same wherever the pass is shown."""

    pass_progress: PassProgress | None = Field(description="The pass whose listings are under way; null for none.")
    failing_workspaces: int = Field(description="Workspaces that Coder fails for, while it answers for others.")
    deleted_source: HistorySource | None = Field(
        description="What tells of workspaces that were made and deleted between two passes; null before any pass."
    )
    deleted_words: str = Field(description="The same for people, with what stays unseen.")


class Coder(PassShape):
    deployment: str
    configured: bool
    version: str | None
    licence: LicenceStatus
    features: dict[str, Feature | None]
    meters: list[MeterUsage]
    warnings: list[str]
    errors: list[str]
    refreshed_at: AwareDatetime | None
    reconciled_at: AwareDatetime | None
    failing_since: AwareDatetime | None
    failure: str | None
    drift: list[DriftPoint]
    drift_causes: list[str]


class Reconcile(PassShape):
    deployment: str
    configured: bool = Field(description="Coder's API is configured for this deployment.")
    reconciled_at: AwareDatetime | None = Field(description="End of the last whole pass.")
    pass_begun_at: AwareDatetime | None = Field(description="Its listings are done, its workspaces not yet verified.")
    due: int = Field(description="Workspaces that wait to be verified.")
    failing_since: AwareDatetime | None
    failure: str | None
    drift: DriftPoint | None = Field(description="The newest comparison with Coder's own number.")
    drift_causes: list[str]


class Queued(Shape):
    queued: str = Field(description="Id of the job or the notification that was queued.")


class Verdict(Shape):
    outcome: Outcome
    evidence: str | None
    rule: str
    reason: str
    hint: str | None


class Deletion(Shape):
    by: str
    at: AwareDatetime


class Delivery(Shape):
    message_id: str
    received_at: AwareDatetime
    template: str
    verdict: Verdict
    workspace_id: str | None
    workspace: str | None
    owner: str | None
    deleted: Deletion | None = Field(description="Who deleted its job, where somebody did.")
    payload: JsonValue = Field(description="What was kept of it, without secrets and prompts; null in lists.")


class Deliveries(Shape):
    deliveries: list[Delivery]
    next: str | None
