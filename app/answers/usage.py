"""Answers about usage: of one period, of all periods, and the forecast."""

from collections.abc import Sequence
from datetime import date
from typing import Final, Self

from pydantic import Field

from app.answers.past import past_usages, usage_of
from app.answers.shape import Answer, Blank, Moment, Period, Units
from app.config.load import Config
from app.core.alert.decision import AlertStatus
from app.core.count import meter
from app.core.count.era import NO_LONGER_COUNTED
from app.core.count.meter import AWB, Mode
from app.core.limit.forecast import forecast
from app.pipeline.outlook import outlook
from app.pipeline.usage import current_usage
from app.store.store import Store

_ESTIMATE: Final = "An estimate from notifications alone: usually too low, in some cases too high."
_LIMIT_OF_TODAY: Final = "The limit is today's; earlier limits are not stored."


class DayUnits(Answer):
    day: date
    used: int


class AlertState(Answer):
    state: AlertStatus
    level: Blank
    since: Moment | None

    @classmethod
    def of(cls, store: Store) -> Self:
        _version, state = store.alerts.state(AWB)
        return cls(state=state.status, level=state.level, since=state.since)


class Usage(Answer):
    """The usage of one period."""

    deployment: str
    meter: str
    used: int = Field(description="The number used for alerts: Coder's own plus later records, or else our count.")
    limit: int | None = Field(description="Null is unlimited.")
    soft_limit: int | None
    percent: float | None = Field(description="Rounded down to one decimal; null without a limit above zero.")
    counted: int
    provisional: int = Field(description="How many of the counted units are not proved by Coder's API.")
    coder_actual: int | None = Field(description="Coder's own number as of its last refresh.")
    drift: int | None = Field(description="Our count minus Coder's number for the same builds.")
    mode: Mode
    gone: bool = Field(
        description="Whether Coder no longer has the meter (v2.37 and later); its number is history, without a limit."
    )
    period: Period
    alert: AlertState | None = Field(description="Null for a past period, and for a meter that Coder no longer has.")
    by_user: list[Units]
    by_template: list[Units]
    by_organization: list[Units]
    by_day: list[DayUnits]
    notes: list[str] = Field(description="What to know when reading the numbers.")
    as_of: Moment

    @classmethod
    def of(cls, store: Store, config: Config, day: date | None = None) -> Self:
        """Return the usage of a period.

        Args:
            store: the deployment's data.
            config: the limit and the period, if no licence sets them.
            day: any day of the period; None for the current one.

        Raises:
            UnknownPeriodError: there is no period with records for the day.
        """
        present = current_usage(store, config, AWB, top=False)
        usage = present if day is None else usage_of(store, config, present, day)
        snapshot = store.snapshot(AWB)
        found = snapshot.breakdown(usage.period, usage.as_of)
        return cls(
            deployment=store.deployment,
            meter=AWB,
            used=usage.used,
            limit=usage.limit.count,
            soft_limit=usage.limit.soft,
            percent=usage.percent,
            counted=usage.counted,
            provisional=usage.provisional,
            coder_actual=usage.coder_actual,
            drift=usage.drift,
            mode=usage.mode,
            gone=usage.gone,
            period=Period.of(usage.period),
            alert=AlertState.of(store) if usage.period == present.period and not usage.gone else None,
            by_user=_units(found.by_user),
            by_template=_units(found.by_template),
            by_organization=_units(snapshot.names("organization", usage.period, usage.as_of.date())),
            by_day=[DayUnits(day=day, used=used) for day, used in found.by_day],
            notes=_notes(usage, present),
            as_of=usage.as_of,
        )


class PastPeriod(Period):
    present: bool
    used: int
    provisional: int
    limit: int | None
    percent: float | None


class Periods(Answer):
    """The current usage period and those before it, as far back as there are records, newest first."""

    deployment: str
    meter: str
    periods: list[PastPeriod]
    notes: list[str]

    @classmethod
    def of(cls, store: Store, config: Config) -> Self:
        present = current_usage(store, config, AWB, top=False)
        listed = [present, *past_usages(store, config, present)]
        periods = [
            PastPeriod(
                start=usage.period.starts_at,
                end=usage.period.ends_at,
                present=usage.period == present.period,
                used=usage.used,
                provisional=usage.provisional,
                limit=usage.limit.count,
                percent=usage.percent,
            )
            for usage in listed
        ]
        notes = [NO_LONGER_COUNTED] if present.gone else [_LIMIT_OF_TODAY] if len(listed) > 1 else []
        return cls(deployment=store.deployment, meter=AWB, periods=periods, notes=notes)


class Forecast(Answer):
    """Pace, projection and the expected day of the breach; app/core/limit/forecast.py defines each field."""

    deployment: str
    meter: str
    used: int
    limit: int | None
    period: Period
    words: str
    confident: bool = Field(description="Whether the forecast is reliable enough for a warning.")
    enough: bool = Field(description="Whether there is enough data for any forecast.")
    why: str
    reached: bool
    pace: float = Field(description="Builds a day used for the projection, averaged over a week.")
    pace_period: float
    pace_28: float | None
    pace_7: float | None
    projected: int | None = Field(description="Usage at the end of the period; null if it is endless.")
    low: int | None
    high: int | None
    breach: date | None = Field(description="Day on which the limit is reached; null if that is not in sight.")
    breach_earliest: date | None
    breach_latest: date | None
    breach_in_period: bool
    until: date
    elapsed_percent: float | None
    used_percent: float | None
    as_of: Moment

    @classmethod
    def of(cls, store: Store, config: Config) -> Self:
        usage = current_usage(store, config, AWB, top=False)
        # There is no forecast for a meter that Coder no longer has; an empty one has the same shape.
        found = outlook(store, usage).forecast or forecast((), 0, usage.limit, usage.period, usage.as_of)
        elapsed = found.elapsed_percent
        return cls(
            deployment=store.deployment,
            meter=AWB,
            used=usage.used,
            limit=usage.limit.count,
            period=Period.of(usage.period),
            words=NO_LONGER_COUNTED if usage.gone else found.words(),
            confident=found.confident,
            enough=found.enough,
            why=found.why,
            reached=found.reached,
            pace=found.pace,
            pace_period=found.pace_period,
            pace_28=found.pace_28,
            pace_7=found.pace_7,
            projected=found.projected,
            low=found.low,
            high=found.high,
            breach=found.breach,
            breach_earliest=found.breach_earliest,
            breach_latest=found.breach_latest,
            breach_in_period=found.in_period(),
            until=found.until,
            elapsed_percent=None if elapsed is None else round(elapsed, 1),
            used_percent=found.used_percent,
            as_of=usage.as_of,
        )


def _notes(usage: meter.Usage, present: meter.Usage) -> list[str]:
    """Return what to know when reading the numbers."""
    if usage.gone:
        return [NO_LONGER_COUNTED]
    notes = [_ESTIMATE] if usage.mode is Mode.WEBHOOK_ONLY else []
    return notes if usage.period == present.period else [*notes, _LIMIT_OF_TODAY]


def _units(rows: Sequence[tuple[str, int]]) -> list[Units]:
    return [Units(name=name, used=used) for name, used in rows]
