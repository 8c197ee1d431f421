import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.alert.decision import HOLD, AlertState, AlertStatus, Decision, Reason, evaluate
from app.core.count.meter import Usage
from app.core.limit.limits import INCLUDED_BUILDS, Limit
from app.core.limit.threshold import Threshold, ThresholdKind, highest_level, next_level
from tests.core.make import NOON, usage

DEFAULT = tuple(Threshold.parse(text) for text in ("75%", "90%", "100%", "+10%"))
EARLIER = NOON - timedelta(days=3)
START = date(2026, 1, 1)


def thresholds(*texts: str) -> tuple[Threshold, ...]:
    return tuple(Threshold.parse(text) for text in texts)


def announced(level: str) -> AlertState:
    return AlertState(level, START, EARLIER, EARLIER) if level else AlertState()


def decide(level: str, now_used: Usage, configured: tuple[Threshold, ...] = DEFAULT, **more: Any) -> Decision:
    return evaluate(announced(level), now_used, configured, NOON, **more)


@pytest.mark.parametrize(
    ("before", "used", "limit", "reason", "level"),
    [
        # Nothing announced yet.
        ("", 0, 1000, Reason.NONE, ""),
        ("", 749, 1000, Reason.NONE, ""),
        ("", 750, 1000, Reason.FIRST, "75%"),
        ("", 751, 1000, Reason.FIRST, "75%"),
        ("", 899, 1000, Reason.FIRST, "75%"),
        ("", 900, 1000, Reason.FIRST, "90%"),
        ("", 999, 1000, Reason.FIRST, "90%"),
        ("", 1000, 1000, Reason.FIRST, "100%"),
        ("", 1099, 1000, Reason.FIRST, "100%"),
        ("", 1100, 1000, Reason.FIRST, "110%"),
        ("", 1200, 1000, Reason.FIRST, "120%"),
        ("", 25_678, 1000, Reason.FIRST, "2560%"),
        # From one level to the next, or over some of them.
        ("75%", 899, 1000, Reason.NONE, "75%"),
        ("75%", 900, 1000, Reason.ESCALATED, "90%"),
        ("75%", 1250, 1000, Reason.ESCALATED, "120%"),
        ("90%", 999, 1000, Reason.NONE, "90%"),
        ("90%", 1000, 1000, Reason.ESCALATED, "100%"),
        ("100%", 1090, 1000, Reason.NONE, "100%"),
        ("100%", 1099, 1000, Reason.NONE, "100%"),
        ("100%", 1100, 1000, Reason.ESCALATED, "110%"),
        ("110%", 1199, 1000, Reason.NONE, "110%"),
        ("110%", 1200, 1000, Reason.ESCALATED, "120%"),
        # Limits that do not divide well: crossed means reached in full.
        ("", 2, 3, Reason.NONE, ""),
        ("", 3, 3, Reason.FIRST, "100%"),
        ("", 1, 1, Reason.FIRST, "100%"),
        ("", 5, 6, Reason.FIRST, "75%"),
        ("", 113, 151, Reason.NONE, ""),
        ("", 114, 151, Reason.FIRST, "75%"),
        # A correction takes some builds back.
        ("75%", 749, 1000, Reason.NONE, "75%"),
        ("75%", 731, 1000, Reason.NONE, "75%"),
        ("75%", 730, 1000, Reason.RESOLVED, ""),
        ("90%", 881, 1000, Reason.NONE, "90%"),
        ("90%", 880, 1000, Reason.RESOLVED, "75%"),
        ("110%", 1081, 1000, Reason.NONE, "110%"),
        ("110%", 1080, 1000, Reason.RESOLVED, "100%"),
        ("75%", 0, 1000, Reason.RESOLVED, ""),
        # The limit was raised, lowered, or taken away.
        ("90%", 950, 2000, Reason.RESOLVED, ""),
        ("90%", 950, 1200, Reason.RESOLVED, "75%"),
        ("90%", 950, 1060, Reason.NONE, "90%"),
        ("75%", 800, 700, Reason.ESCALATED, "110%"),
        ("100%", 1000, None, Reason.RESOLVED, ""),
        ("", 1_000_000, None, Reason.NONE, ""),
        # Nothing is included.
        ("", 0, 0, Reason.NONE, ""),
        ("", 1, 0, Reason.FIRST, "100%"),
        ("100%", 500, 0, Reason.NONE, "100%"),
        ("100%", 0, 0, Reason.RESOLVED, ""),
        ("110%", 1100, 0, Reason.FIRST, "100%"),
        ("100%", 5, 1000, Reason.RESOLVED, ""),
    ],
)
def test_a_level_is_announced_once_and_only_the_highest_speaks(
    before: str, used: int, limit: int | None, reason: Reason, level: str
) -> None:
    decision = decide(before, usage(used, limit))
    assert (decision.reason, decision.level, decision.state.level) == (reason, level, level)
    assert decision.previous == before
    assert decision.because.endswith(".")
    assert decision.state.status is (AlertStatus.FIRING if level else AlertStatus.OK)
    settled = evaluate(decision.state, usage(used, limit), DEFAULT, NOON)
    assert (settled.reason, settled.level) == (Reason.NONE, level)


@pytest.mark.parametrize(
    ("configured", "before", "used", "limit", "soft", "reason", "level"),
    [
        (("900 builds",), "", 899, 1000, None, Reason.NONE, ""),
        (("900 builds",), "", 900, 1000, None, Reason.FIRST, "900 builds"),
        (("900 builds",), "", 900, None, None, Reason.FIRST, "900 builds"),
        (("900 builds",), "", 900, 0, None, Reason.FIRST, "900 builds"),
        (("900 builds", "75%"), "", 900, 0, None, Reason.FIRST, "900 builds"),
        (("900 builds", "75%"), "75%", 900, 1000, None, Reason.ESCALATED, "900 builds"),
        (("900 builds", "75%"), "900 builds", 800, 1000, None, Reason.RESOLVED, "75%"),
        (("900 builds",), "900 builds", 890, 1000, None, Reason.NONE, "900 builds"),
        (("900 builds",), "900 builds", 899, None, None, Reason.NONE, "900 builds"),
        # The licence's own soft limit speaks without being configured; zero means that there is none.
        ((), "", 99, 200, 100, Reason.NONE, ""),
        ((), "", 100, 200, 100, Reason.FIRST, "soft limit"),
        (("75%",), "soft limit", 150, 200, 100, Reason.ESCALATED, "75%"),
        (("75%",), "75%", 120, 200, 100, Reason.RESOLVED, "soft limit"),
        ((), "", 200, 200, 200, Reason.NONE, ""),
        ((), "", 1, 200, 0, Reason.NONE, ""),
        # Without an announced share of 100 %, further steps still begin beyond the limit.
        (("+25%",), "", 124, 100, None, Reason.NONE, ""),
        (("+25%",), "", 125, 100, None, Reason.FIRST, "125%"),
        (("+25%",), "125%", 149, 100, None, Reason.NONE, "125%"),
        (("+25%",), "125%", 150, 100, None, Reason.ESCALATED, "150%"),
        (("+25%",), "", 7, 0, None, Reason.FIRST, "100%"),
        (("120%",), "", 120, 100, None, Reason.FIRST, "120%"),
        # Thresholds were edited after something was announced.
        (("80%",), "75%", 78, 100, None, Reason.RESOLVED, ""),
        (("80%",), "75%", 80, 100, None, Reason.ESCALATED, "80%"),
        (("50%",), "75%", 74, 100, None, Reason.RESOLVED, "50%"),
        (("50%",), "75%", 60, 100, None, Reason.RESOLVED, "50%"),
        (("950 builds",), "900 builds", 960, 1000, None, Reason.FIRST, "950 builds"),
        (("950 builds",), "900 builds", 940, 1000, None, Reason.RESOLVED, ""),
        (("50%",), "soft limit", 600, 1000, None, Reason.FIRST, "50%"),
        (("90%", "900 builds"), "90%", 950, 1000, None, Reason.NONE, "90%"),
        (("90%", "900 builds"), "900 builds", 950, 1000, None, Reason.NONE, "900 builds"),
    ],
)
def test_absolute_soft_further_and_edited_thresholds(
    configured: tuple[str, ...], before: str, used: int, limit: int | None, soft: int | None, reason: Reason, level: str
) -> None:
    decision = decide(before, usage(used, limit, soft), thresholds(*configured))
    assert (decision.reason, decision.level) == (reason, level)
    assert decision.state.level == level


def test_further_steps_name_the_step_that_was_reached() -> None:
    assert [decide("", usage(used, 100), thresholds("+25%")).level for used in (125, 149, 150, 175)] == [
        "125%",
        "125%",
        "150%",
        "175%",
    ]


def test_a_raised_limit_resolves_and_arms_the_levels_again() -> None:
    resolved = decide("90%", usage(950, 2000))
    again = evaluate(resolved.state, usage(1500, 2000), DEFAULT, NOON)
    assert (resolved.reason, again.reason, again.level, again.previous) == (Reason.RESOLVED, Reason.FIRST, "75%", "")


def test_a_level_that_was_stepped_down_from_can_be_reached_again() -> None:
    lower = decide("90%", usage(950, 1200))
    again = evaluate(lower.state, usage(1080, 1200), DEFAULT, NOON)
    assert (lower.level, again.reason, again.level) == ("75%", Reason.ESCALATED, "90%")


def test_a_limit_that_is_unlimited_now_is_reported_as_the_cause() -> None:
    assert decide("90%", usage(950, None)).because == "The limit is unlimited now."
    assert decide("90%", usage(5, 1000)).because == "No threshold is reached any more."


def test_wobbling_around_a_level_announces_it_once() -> None:
    state, reasons = AlertState(), []
    for used in (899, 900, 899, 901, 890, 900, 885, 900):
        decision = evaluate(state, usage(used), DEFAULT, NOON)
        state = decision.state
        reasons.append(decision.reason)
    assert reasons == [Reason.FIRST, Reason.ESCALATED, *[Reason.NONE] * 6]


LATER: dict[str, Any] = {"start": date(2027, 1, 1), "end": date(2028, 1, 1)}
NEW_YEAR = NOON.replace(year=2027, month=1, day=1)


def test_a_new_period_sums_the_old_one_up_and_then_starts_from_nothing() -> None:
    over = replace(announced("110%"), period_end=date(2027, 1, 1))
    summary = evaluate(over, usage(900, **LATER), DEFAULT, NEW_YEAR)
    assert (summary.reason, summary.level, summary.previous) == (Reason.SUMMARY, "", "110%")
    assert summary.because == "A new usage period began on 2027-01-01."
    assert summary.state == AlertState(period_start=date(2027, 1, 1), period_end=date(2028, 1, 1), limit=1000)
    first = evaluate(summary.state, usage(900, **LATER), DEFAULT, NEW_YEAR)
    assert (first.reason, first.level) == (Reason.FIRST, "90%")


def test_a_period_is_summed_up_also_when_nothing_was_announced_in_it() -> None:
    quiet = AlertState(period_start=START, period_end=date(2027, 1, 1))
    assert evaluate(quiet, usage(5, **LATER), DEFAULT, NEW_YEAR).reason is Reason.SUMMARY


@pytest.mark.parametrize("old_end", [date(2027, 1, 1), None, date(2026, 2, 1)])
def test_a_period_that_a_new_licence_cuts_short_is_summed_up_too(old_end: date | None) -> None:
    cut = evaluate(replace(announced("90%"), period_end=old_end), usage(950, start=date(2026, 3, 1)), DEFAULT, NOON)
    assert (cut.reason, cut.state.level, cut.state.period_start) == (Reason.SUMMARY, "", date(2026, 3, 1))


@pytest.mark.parametrize(
    ("used", "limit", "reason", "level"),
    [
        (950, 1000, Reason.NONE, "90%"),
        (1000, 1000, Reason.ESCALATED, "100%"),
        (950, 10_000, Reason.RESOLVED, ""),
        (100, 1000, Reason.NONE, "90%"),  # a fall has to last
    ],
)
def test_a_period_that_is_moved_back_goes_on_with_its_level(used: int, limit: int, reason: Reason, level: str) -> None:
    state = replace(announced("90%"), limit=1000)
    moved = evaluate(state, usage(used, limit, start=date(2025, 7, 1), end=None), DEFAULT, NOON)
    assert (moved.reason, moved.state.level, moved.state.period_start) == (reason, level, date(2025, 7, 1))


def held(level: str = "90%", limit: int | None = 1000, below: timedelta | None = None) -> AlertState:
    return replace(announced(level), limit=limit, below_since=NOON - below if below is not None else None)


@pytest.mark.parametrize(
    ("state", "used", "reason", "level", "below"),
    [
        (held(), 700, Reason.NONE, "90%", True),
        (held(below=timedelta(hours=23)), 700, Reason.NONE, "90%", True),
        (held(below=HOLD), 700, Reason.RESOLVED, "", False),
        (held(below=HOLD), 760, Reason.RESOLVED, "75%", False),
        (held(below=timedelta(hours=23)), 895, Reason.NONE, "90%", False),  # back within the hysteresis
        (held(below=timedelta(hours=23)), 920, Reason.NONE, "90%", False),  # back at the level
        (held(below=timedelta(hours=23)), 1000, Reason.ESCALATED, "100%", False),
        (held(limit=900), 700, Reason.RESOLVED, "", False),  # the limit was edited: nobody's jitter
    ],
)
def test_a_fall_counts_only_when_it_lasts_or_somebody_edited_the_limit(
    state: AlertState, used: int, reason: Reason, level: str, *, below: bool
) -> None:
    decision = evaluate(state, usage(used), DEFAULT, NOON)
    assert (decision.reason, decision.state.level) == (reason, level)
    assert (decision.state.below_since is not None) is below


def test_usage_is_said_again_also_just_below_the_level() -> None:
    assert decide("90%", usage(890), repeat_every=timedelta(days=1)).reason is Reason.REPEAT


def test_a_new_level_is_not_escalated_yet() -> None:
    state = replace(announced("90%"), escalated=("route-1",))
    assert evaluate(state, usage(920), DEFAULT, NOON).state.escalated == ("route-1",)
    assert evaluate(state, usage(1000), DEFAULT, NOON).state.escalated == ()


@pytest.mark.parametrize(
    ("every", "reason"),
    [
        (None, Reason.NONE),
        (timedelta(days=3), Reason.REPEAT),
        (timedelta(days=3, microseconds=1), Reason.NONE),
        (timedelta(days=1), Reason.REPEAT),
    ],
)
def test_an_unresolved_level_is_said_again_after_the_repeat_interval(every: timedelta | None, reason: Reason) -> None:
    decision = decide("90%", usage(950), repeat_every=every)
    assert (decision.reason, decision.level) == (reason, "90%")
    assert decision.state.since == EARLIER
    assert decision.state.announced_at == (NOON if reason is Reason.REPEAT else EARLIER)


def test_a_reached_level_remembers_when() -> None:
    rest = {"period_end": date(2027, 1, 1), "limit": 1000}
    assert decide("", usage(750)).state == AlertState("75%", START, NOON, NOON, **rest)
    assert decide("75%", usage(900)).state == AlertState("90%", START, NOON, NOON, **rest)


def test_a_state_that_was_never_announced_is_not_repeated() -> None:
    state = AlertState("90%", START)
    assert evaluate(state, usage(950), DEFAULT, NOON, timedelta(days=1)).reason is Reason.NONE


LEVELS = st.one_of(
    st.builds(Threshold, st.just(ThresholdKind.PERCENT), st.integers(1, 300)),
    st.builds(Threshold, st.just(ThresholdKind.FURTHER), st.integers(1, 100)),
    st.builds(Threshold, st.just(ThresholdKind.ABSOLUTE), st.integers(1, 500)),
)


@given(
    st.lists(LEVELS, max_size=6).map(tuple),
    st.none() | st.integers(0, 250),
    st.none() | st.integers(0, 250),
    st.lists(st.integers(0, 600), min_size=1, max_size=30).map(sorted),
)
def test_rising_usage_announces_each_level_at_most_once_and_ends_at_the_highest(
    configured: tuple[Threshold, ...], limit: int | None, soft: int | None, rising: list[int]
) -> None:
    state, spoken = AlertState(), []
    for used in rising:
        decision = evaluate(state, usage(used, limit, soft), configured, NOON)
        state = decision.state
        if decision.reason is not Reason.NONE:
            spoken.append((decision.reason, decision.level))
    highest = highest_level(rising[-1], Limit(limit, soft), configured)
    assert state.level == (highest.name if highest else "")
    assert len({level for _, level in spoken}) == len(spoken)
    assert [reason for reason, _ in spoken] == [Reason.FIRST, *[Reason.ESCALATED] * 99][: len(spoken)]


@given(st.lists(LEVELS, max_size=6), st.integers(0, 250), st.integers(0, 600), st.randoms())
def test_the_order_of_the_thresholds_does_not_matter_to_where_the_highest_lies(
    configured: list[Threshold], limit: int, used: int, random: Any
) -> None:
    shuffled = random.sample(configured, len(configured))
    one, other = (highest_level(used, Limit(limit), order) for order in (configured, shuffled))
    assert (one and one.at) == (other and other.at)


@pytest.mark.parametrize(
    ("text", "kind", "value", "written"),
    [
        ("75", ThresholdKind.PERCENT, 75, "75%"),
        (75, ThresholdKind.PERCENT, 75, "75%"),
        (" 75 % ", ThresholdKind.PERCENT, 75, "75%"),
        ("150%", ThresholdKind.PERCENT, 150, "150%"),
        ("100000%", ThresholdKind.PERCENT, 100_000, "100000%"),
        ("+10%", ThresholdKind.FURTHER, 10, "+10%"),
        ("+ 10", ThresholdKind.FURTHER, 10, "+10%"),
        ("900 builds", ThresholdKind.ABSOLUTE, 900, "900 builds"),
        ("1 Build", ThresholdKind.ABSOLUTE, 1, "1 builds"),
    ],
)
def test_a_threshold_is_read_from_its_text(text: str | int, kind: ThresholdKind, value: int, written: str) -> None:
    threshold = Threshold.parse(text)
    assert threshold == Threshold(kind, value)
    assert str(threshold) == written
    assert Threshold.parse(str(threshold)) == threshold


@pytest.mark.parametrize(
    "text",
    [
        "",
        "%",
        "0",
        "0%",
        "-5%",
        "75.5%",
        "0 builds",
        "+5 builds",
        "100001%",
        "1234567890",
        "lots",
        "75 %%",
        "75 percent",
        -1,
        7.5,
    ],
)
def test_a_text_that_is_no_threshold_is_refused_with_what_is_allowed(text: Any) -> None:
    with pytest.raises(ValueError, match=r"is no threshold: use 75 or 75%, \+10% .* or 900 builds"):
        Threshold.parse(text)


@pytest.mark.parametrize(
    "state",
    [
        AlertState(),
        AlertState("90%", START, EARLIER, NOON),
        AlertState("90%", START, EARLIER, NOON, date(2027, 1, 1), 1000, NOON, ("route-1", "boss")),
        AlertState("soft limit", START),
    ],
)
def test_an_alert_state_survives_the_store(state: AlertState) -> None:
    assert AlertState.from_json(json.dumps(state.as_json())) == state


def test_nothing_stored_is_the_first_state() -> None:
    assert AlertState.from_json("{}") == AlertState()


@pytest.mark.parametrize(
    ("count", "used", "left", "percent"),
    [
        (1000, 0, 1000, 0.0),
        (1000, 749, 251, 74.9),
        (1000, 1000, 0, 100.0),
        (1000, 1234, 0, 123.4),
        (3, 2, 1, 66.6),
        (100_000, 99_999, 1, 99.9),
        (0, 5, 0, None),
        (None, 5, None, None),
    ],
)
def test_a_share_is_rounded_down_so_that_a_hundred_means_reached(
    count: int | None, used: int, left: int | None, percent: float | None
) -> None:
    limit = Limit(count)
    assert (limit.left(used), limit.percent(used), limit.unlimited) == (left, percent, count is None)
    assert usage(used, count).percent == percent


def test_community_and_premium_include_a_thousand() -> None:
    assert INCLUDED_BUILDS == 1000


WAITING = thresholds("75%", "80% if projected", "100%")


def test_a_level_that_waits_for_the_projection_is_crossed_only_with_it() -> None:
    assert decide("75%", usage(850), WAITING, projected=False).reason is Reason.NONE
    later = decide("75%", usage(850), WAITING, projected=True)
    assert (later.reason, later.level) == (Reason.ESCALATED, "80%")


def test_the_limit_waits_for_no_projection_whatever_is_configured() -> None:
    reached = decide("", usage(1000), thresholds("80% if projected"), projected=False)
    assert (reached.reason, reached.level) == (Reason.FIRST, "80%")


@pytest.mark.parametrize("days", [1, 3, 40])
def test_a_projection_that_falls_takes_no_announced_level_back_and_repeats_it_no_more(days: int) -> None:
    then, repeat = NOON + timedelta(days=days), timedelta(hours=1)
    state = announced("80%")
    for moment in (NOON, then):
        fallen = evaluate(state, usage(850), WAITING, moment, repeat, projected=False)
        assert (fallen.reason, fallen.state.level) == (Reason.NONE, "80%")
        state = fallen.state
    assert evaluate(state, usage(850), WAITING, then, repeat, projected=True).reason is Reason.REPEAT


def test_the_same_threshold_with_and_without_the_condition_does_not_wait() -> None:
    both = thresholds("80%", "80% if projected")
    assert decide("", usage(850), both, projected=False).reason is Reason.FIRST
    repeated = decide("80%", usage(850), both, projected=False, repeat_every=timedelta(hours=1))
    assert repeated.reason is Reason.REPEAT


@pytest.mark.parametrize("text", ["100% if projected", "120% if projected", "+10% if projected"])
def test_the_condition_is_refused_where_there_is_nothing_to_project(text: str) -> None:
    with pytest.raises(ValueError, match="below 100%"):
        Threshold.parse(text)


@pytest.mark.parametrize("text", ["80% if", "80% projected", "80% if projected soon", "if projected"])
def test_a_condition_that_is_none_is_refused_with_the_right_one(text: str) -> None:
    with pytest.raises(ValueError, match="80% if projected"):
        Threshold.parse(text)


@given(
    st.lists(st.tuples(LEVELS, st.booleans()), max_size=6),
    st.none() | st.integers(0, 250),
    st.lists(st.tuples(st.integers(0, 600), st.booleans()), min_size=1, max_size=30),
)
def test_a_projection_that_moves_to_and_fro_announces_no_level_twice_and_takes_none_back(
    configured: list[tuple[Threshold, bool]], limit: int | None, moves: list[tuple[int, bool]]
) -> None:
    levels = [replace(level, if_projected=waits) for level, waits in configured]
    rising, state, spoken = sorted(used for used, _ in moves), AlertState(), []
    for used, (_, projected) in zip(rising, moves, strict=True):
        decision = evaluate(state, usage(used, limit), levels, NOON, projected=projected)
        state = decision.state
        spoken += [decision.level] if decision.reason is not Reason.NONE else []
        assert decision.reason in (Reason.NONE, Reason.FIRST, Reason.ESCALATED)
    assert len(set(spoken)) == len(spoken)
    settled = evaluate(state, usage(rising[-1], limit), levels, NOON).state
    highest = highest_level(rising[-1], Limit(limit), levels)
    assert settled.level == (highest.name if highest else "")


@pytest.mark.parametrize(
    ("name", "used", "following"),
    [("75%", 800, "90%"), ("90%", 950, "100%"), ("100%", 1000, "110%"), ("110%", 1150, "120%"), ("old", 800, None)],
)
def test_the_level_after_an_announced_one_is_the_next_higher(name: str, used: int, following: str | None) -> None:
    found = next_level(name, used, Limit(1000), DEFAULT)
    assert (found and found.name) == following


def test_after_the_last_level_there_is_none() -> None:
    assert next_level("100%", 1000, Limit(1000), thresholds("75%", "100%")) is None
