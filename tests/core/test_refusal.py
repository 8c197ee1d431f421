"""When refused posts are worth an alert, and that nobody can make noise with them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.core.alert.notice import Notice
from app.core.alert.refusal import Refusal, Run, unauthorized, wrong_secret_notice

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def run(*, count: int = 5, since: timedelta = 20 * MINUTE, last: timedelta = MINUTE) -> Run:
    """Return a run that began and had its newest refusal so long before noon."""
    return Run(count, count, NOON - since, NOON - last)


def notice(runs: dict[Refusal, Run], **more: Any) -> Notice | None:
    usual = {"deployment": "prod", "last_delivery": None, "firing": False, "announced_at": None}
    return wrong_secret_notice(runs, NOON, **{**usual, **more})


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (run(count=1, since=MINUTE), False),
        (run(count=1, since=10 * HOUR, last=10 * HOUR), False),
        # A scanner's burst.
        (run(count=500, since=3 * MINUTE), False),
        # Two tries of Coder's.
        (run(count=2, since=6 * MINUTE), True),
        (run(count=5, since=21 * MINUTE), True),
        (run(count=5, since=30 * HOUR, last=25 * HOUR), False),
    ],
)
@pytest.mark.parametrize("reason", [Refusal.WRONG_SECRET, Refusal.NO_SECRET])
def test_one_slip_or_a_scanner_is_no_alert_and_coders_tries_are(reason: Refusal, found: Run, expected: bool) -> None:
    assert (notice({reason: found}) is not None) is expected


@pytest.mark.parametrize("reason", [r for r in Refusal if r not in (Refusal.WRONG_SECRET, Refusal.NO_SECRET)])
def test_other_refusals_are_no_alert(reason: Refusal) -> None:
    assert notice({reason: run()}) is None


def test_it_says_since_when_and_whether_anything_arrives() -> None:
    said = notice({Refusal.WRONG_SECRET: run()})
    assert said is not None
    assert said.summary == (
        "Since 2026-03-02 11:40 UTC the meter of Coder deployment “prod” has refused 5 posts with a wrong secret. "
        "It is probably your Coder. No delivery has been accepted since."
    )
    beside = notice({Refusal.NO_SECRET: run()}, last_delivery=NOON - 10 * MINUTE)
    assert beside is not None
    assert "posts without a secret. It may be a second Coder or a stranger." in beside.summary
    assert "awb webhook-url" in beside.meaning


def test_while_it_is_announced_it_holds_until_a_day_without_such_posts() -> None:
    for last, holds in ((2 * HOUR, True), (23 * HOUR, True), (24 * HOUR, False)):
        assert (notice({Refusal.WRONG_SECRET: run(since=30 * HOUR, last=last)}, firing=True) is not None) is holds


def test_it_ends_an_hour_after_the_last_one_once_deliveries_arrive_again() -> None:
    late = {Refusal.WRONG_SECRET: run(since=5 * HOUR, last=61 * MINUTE)}
    assert notice(late, firing=True, last_delivery=NOON - 2 * HOUR) is not None
    assert notice(late, firing=True, last_delivery=NOON - MINUTE) is None
    early = {Refusal.WRONG_SECRET: run(since=5 * HOUR, last=59 * MINUTE)}
    assert notice(early, firing=True, last_delivery=NOON - MINUTE) is not None


def test_who_posts_now_and_then_gets_one_alert_a_day() -> None:
    runs = {Refusal.WRONG_SECRET: run(since=5 * HOUR)}
    assert notice(runs, announced_at=NOON - 23 * HOUR) is None
    assert notice(runs, announced_at=NOON - 24 * HOUR) is not None


def test_both_reasons_together_are_one_run() -> None:
    both = {
        Refusal.WRONG_SECRET: run(count=2, since=HOUR, last=30 * MINUTE),
        Refusal.NO_SECRET: run(count=3, since=40 * MINUTE, last=MINUTE),
        Refusal.TOO_LARGE: run(count=9),
    }
    assert unauthorized(both, NOON) == Run(5, 5, NOON - HOUR, NOON - MINUTE)
    assert unauthorized({Refusal.TOO_LARGE: run()}, NOON) is None


def test_it_names_the_moment_in_the_configured_time_zone() -> None:
    found = notice({Refusal.WRONG_SECRET: run()}, zone=ZoneInfo("Asia/Kolkata"))
    assert found is not None
    assert found.summary.startswith("Since 2026-03-02 17:10 IST the meter")
