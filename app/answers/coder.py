"""Answers about Coder's API: its latest reports, and the last pass over it."""

from typing import Any, Final, Self

from pydantic import Field

from app import clock
from app.answers.shape import Answer, Moment, Period, one_of
from app.config.load import Config
from app.core.coder.history import SOURCE_WORDS, HistorySource
from app.core.coder.passes import PassState, Phase, describe
from app.core.count.meter import AWB, METERS
from app.core.limit.drift import known_causes
from app.core.limit.entitlement import LicenceStatus
from app.pipeline.usage import active_meters, current_allowance, current_usage
from app.store.coder.state import CoderState
from app.store.store import Store

#: Features of the AI Governance Add-On (codersdk/deployment.go).
_ADD_ON: Final = {"ai_bridge": "aibridge", "agent_boundaries": "boundary", "add_on": "ai_governance_user_limit"}
_DRIFT_SHOWN: Final = 200


class Feature(Answer):
    entitlement: str
    enabled: bool


class MeterUsage(Answer):
    meter: str
    name: str
    used: int
    limit: int | None
    percent: float | None
    period: Period

    @classmethod
    def of(cls, store: Store, config: Config, meter: str) -> Self:
        usage = current_usage(store, config, meter, top=False)
        return cls(
            meter=meter,
            name=METERS[meter].name,
            used=usage.used,
            limit=usage.limit.count,
            percent=usage.percent,
            period=Period.of(usage.period),
        )


class DriftPoint(Answer):
    at: Moment
    counted: int
    actual: int
    drift: int


class PassProgress(Answer):
    phase: str = one_of(Phase, "listing, tasks, gone and history, in this order.")
    words: str
    begun_at: Moment
    listed: int = Field(description="Workspaces that Coder listed so far.")
    asked: int = Field(description="Workspaces found so far that must be verified.")
    read_back_to: Moment | None = Field(description="How far back the history has been read, in the phase history.")

    @classmethod
    def of(cls, now: PassState) -> Self:
        return cls(
            phase=now.phase,
            words=describe(now),
            begun_at=clock.at(now.begun),
            listed=now.listed,
            asked=now.asked,
            read_back_to=None if now.back_to is None else clock.at(now.back_to),
        )


class PassAnswer(Answer):
    """The fields about passes over Coder's API that both answers share."""

    deployment: str
    configured: bool = Field(description="Whether Coder's API is configured for this deployment.")
    reconciled_at: Moment | None = Field(description="End of the last complete pass.")
    failing_since: Moment | None
    failure: str | None
    pass_progress: PassProgress | None = Field(description="The pass in progress; null if there is none.")
    failing_workspaces: int = Field(description="Workspaces for which Coder fails while it answers for others.")
    deleted_source: HistorySource | None = Field(
        description="What shows workspaces created and deleted between two passes; null before the first pass."
    )
    deleted_words: str = Field(description="The same in words, with what may be missed.")
    drift_causes: list[str]


class Coder(PassAnswer):
    """The latest reports of Coder's API: version, licence, add-on, other meters and drift, and since when it fails."""

    version: str | None
    licence: LicenceStatus
    features: dict[str, Feature | None]
    meters: list[MeterUsage]
    warnings: list[str]
    errors: list[str]
    refreshed_at: Moment | None
    drift: list[DriftPoint]

    @classmethod
    def of(cls, store: Store, config: Config) -> Self:
        state = store.coder
        entitlements, info, history = state.entitlements(), state.build_info(), state.drift()
        features = entitlements.features if entitlements else {}
        others = [meter for meter in active_meters(store, config) if meter != AWB]
        return cls(
            **_passes(store, config),
            version=info.version if info else None,
            licence=current_allowance(config, entitlements, AWB).licence,
            features={
                name: Feature(entitlement=feature.entitlement, enabled=feature.enabled) if feature else None
                for name, feature in ((name, features.get(key)) for name, key in _ADD_ON.items())
            },
            meters=[MeterUsage.of(store, config, meter) for meter in others],
            warnings=entitlements.warnings if entitlements else [],
            errors=entitlements.errors if entitlements else [],
            refreshed_at=entitlements.refreshed_at if entitlements else None,
            drift=[DriftPoint.pick(point) for point in history[-_DRIFT_SHOWN:]],
            drift_causes=_causes(state, history[-1].drift) if history else [],
        )


class Reconcile(PassAnswer):
    """The last pass over Coder's API, the workspaces waiting to be verified, and the latest drift."""

    pass_begun_at: Moment | None = Field(description="Start of a pass that is listed but not yet fully verified.")
    due: int = Field(description="Workspaces that wait to be verified.")
    drift: DriftPoint | None = Field(description="The latest comparison with Coder's own number.")

    @classmethod
    def of(cls, store: Store, config: Config) -> Self:
        state = store.coder
        newest = next(reversed(state.drift()), None)
        return cls(
            **_passes(store, config),
            pass_begun_at=state.moment("pass_begun_at"),
            due=state.due_count(clock.now().timestamp()),
            drift=DriftPoint.pick(newest) if newest else None,
            drift_causes=_causes(state, newest.drift if newest else 0),
        )


def _passes(store: Store, config: Config) -> dict[str, Any]:
    """Return the fields that both answers share, except for the causes of the drift."""
    state = store.coder
    _version, now = store.passes.load()
    source = state.history_source()
    return {
        "deployment": store.deployment,
        "configured": config.verifying(store.deployment),
        "reconciled_at": state.moment("reconciled_at"),
        "failing_since": state.moment("failing_since"),
        "failure": state.mark("failure"),
        "pass_progress": None if now is None or now.phase is Phase.DONE else PassProgress.of(now),
        "failing_workspaces": state.failing_count(),
        "deleted_source": source,
        "deleted_words": "" if source is None else SOURCE_WORDS[source],
    }


def _causes(state: CoderState, drifted: int) -> list[str]:
    info = state.build_info()
    return known_causes(drifted, info.number if info else None, sees_deleted=state.sees_deleted)
