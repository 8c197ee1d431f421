"""Answers about alerts: their states and events, and the silences."""

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


class Announcement(Answer):
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
    def of(cls, alert: Announced) -> Self:
        return cls(
            kind=alert.kind,
            meter=alert.meter,
            scope=alert.scope,
            reason=alert.reason,
            severity=alert.severity,
            level=alert.level,
            headline=alert.headline,
            summary=alert.summary,
            facts=[Fact(label=label, text=text) for label, text in alert.facts],
            meaning=alert.meaning,
            links=[Link(label=label, url=url) for label, url in alert.links],
            used=alert.used,
            limit=alert.limit,
            breach=alert.breach,
        )


class Alert(Answer):
    name: str
    state: AlertStatus
    level: Blank
    since: Moment | None = Field(description="When the level was reached.")
    announced_at: Moment | None
    period_start: date | None
    limit: int | None
    acknowledged_by: Blank = Field(description="Who acknowledged the level that is firing.")
    acknowledged_at: Moment | None
    silence: str | None = Field(description="Id of the silence that currently holds its messages.")
    announcement: Announcement | None = Field(description="Its latest announcement.")

    @classmethod
    def of(cls, view: AlertView, silences: list[Kept]) -> Self:
        state, last = view.state, view.announcement
        holding = silencing(silences, last.labels(), clock.now()) if last else None
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
            announcement=Announcement.of(last) if last else None,
        )


class Alerts(Answer):
    """The alerts of every meter and all other firing alerts, with their latest announcements; firing ones first."""

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
    new: bool = Field(description="False if it was already acknowledged.")


class Event(Answer):
    at: Moment
    alert: str
    change: int = Field(description="Number of the alert's change; `alert` and `change` together identify an event.")
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
    notifications: list[str] = Field(description="Ids of the messages that announced it.")


class Events(Answer):
    """Events of alerts, newest first."""

    events: list[Event]
    next: str | None

    @classmethod
    def of(cls, store: Store, limit: int = LIMIT, before: str | None = None) -> Self:
        """Return a page.

        Args:
            store: the deployment's data.
            limit: the maximum number of events.
            before: the `next` value of the previous page.

        Raises:
            ValueError: `before` is invalid.
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
    """All stored silences, the one that ends last first."""

    silences: list[Silence]

    @classmethod
    def of(cls, store: Store) -> Self:
        return cls(silences=[Silence.of(kept) for kept in store.silences.all()])
