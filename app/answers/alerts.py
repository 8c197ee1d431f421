"""Answers about alerts: how they stand, what happened to them, and the silences."""

from datetime import date
from typing import Final, Self

from pydantic import Field

from app import clock
from app.answers.shape import Answer, Blank, Moment, one_of
from app.config.load import Config
from app.core.alert.alert import Alert as Announced
from app.core.alert.alert import AlertKind
from app.core.alert.decision import AlertStatus, Reason
from app.core.alert.severity import Severity
from app.core.alert.silence import Silence as Kept
from app.core.alert.silence import silencing
from app.pipeline.usage import active_meters
from app.store import history
from app.store.alertviews import AlertView, alert_views
from app.store.store import Store

LIMIT: Final = 50


class Fact(Answer):
    label: str
    text: str


class Link(Answer):
    label: str
    url: str


class Said(Answer):
    kind: AlertKind
    meter: str
    scope: Blank
    reason: Reason
    severity: Severity
    level: Blank
    headline: str
    summary: str
    facts: list[Fact]
    meaning: str
    links: list[Link]
    used: int | None
    limit: int | None
    breach: date | None

    @classmethod
    def of(cls, said: Announced) -> Self:
        return cls(
            kind=said.kind,
            meter=said.meter,
            scope=said.scope,
            reason=said.reason,
            severity=said.severity,
            level=said.level,
            headline=said.headline,
            summary=said.summary,
            facts=[Fact(label=label, text=text) for label, text in said.facts],
            meaning=said.meaning,
            links=[Link(label=label, url=url) for label, url in said.links],
            used=said.used,
            limit=said.limit,
            breach=said.breach,
        )


class Alert(Answer):
    name: str
    state: AlertStatus
    level: Blank
    since: Moment | None = Field(description="When that level was reached.")
    announced_at: Moment | None
    period_start: date | None
    limit: int | None
    acknowledged_by: Blank = Field(description="Who knows of what fires now.")
    acknowledged_at: Moment | None
    silence: str | None = Field(description="Id of the silence that holds its messages now.")
    said: Said | None = Field(description="What was said last of it.")

    @classmethod
    def of(cls, view: AlertView, silences: list[Kept]) -> Self:
        state, said = view.state, view.said
        holding = silencing(silences, said.labels(), clock.now()) if said else None
        return cls(
            name=view.name,
            state=state.status,
            level=state.level,
            since=state.since,
            announced_at=state.announced_at,
            period_start=state.period_start,
            limit=state.limit,
            acknowledged_by=view.acknowledged_by,
            acknowledged_at=view.acknowledged_at,
            silence=holding.id if holding else None,
            said=Said.of(said) if said else None,
        )


class Alerts(Answer):
    """The alerts of every meter and all others that fire, with what was said last; those that fire first."""

    alerts: list[Alert]

    @classmethod
    def of(cls, store: Store, config: Config) -> Self:
        meters = active_meters(store, config)
        names = [*meters, *(f"forecast-{meter}" for meter in meters)]
        silences = store.silences.active(clock.now())
        return cls(alerts=[Alert.of(view, silences) for view in alert_views(store, names)])


class Acknowledged(Answer):
    alert: str
    level: str
    new: bool = Field(description="False when somebody was known to know of it already.")


class Event(Answer):
    at: Moment
    alert: str
    change: int = Field(description="Number of the change of this alert; `alert` and `change` identify an event.")
    kind: str = one_of(AlertKind)
    meter: str
    scope: Blank
    reason: str = one_of(Reason)
    level: Blank
    previous: Blank
    because: str
    headline: str
    used: int | None
    limit: int | None
    actor: Blank
    notifications: list[str] = Field(description="Ids of the messages that carried it.")


class Events(Answer):
    """What happened to alerts, newest first."""

    events: list[Event]
    next: str | None

    @classmethod
    def of(cls, store: Store, limit: int = LIMIT, before: str | None = None) -> Self:
        """Return a page.

        Args:
            store: the deployment's data.
            limit: how many at most.
            before: `next` of the page before.

        Raises:
            ValueError: `before` is no such thing.
        """
        rows, following = history.events(store, before, limit)
        return cls(events=[Event.pick({"notifications": [], **row}) for row in rows], next=following)


class Silence(Answer):
    id: str
    matchers: dict[str, str]
    author: str
    comment: str
    starts_at: Moment
    ends_at: Moment
    ended_by: Blank
    active: bool

    @classmethod
    def of(cls, kept: Kept) -> Self:
        return cls(
            id=kept.id,
            matchers=dict(kept.matchers),
            author=kept.author,
            comment=kept.comment,
            starts_at=kept.starts_at,
            ends_at=kept.ends_at,
            ended_by=kept.ended_by,
            active=kept.active(clock.now()),
        )


class Silences(Answer):
    """Every silence that is kept, those that end last first."""

    silences: list[Silence]

    @classmethod
    def of(cls, store: Store) -> Self:
        return cls(silences=[Silence.of(kept) for kept in store.silences.all()])
