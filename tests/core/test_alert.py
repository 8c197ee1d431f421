import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.core.alert.alert import Alert, group_key
from app.core.alert.decision import AlertState, Decision, Reason
from app.core.alert.severity import Severity
from app.core.count.era import NO_LONGER_COUNTED
from app.core.count.meter import Mode, Usage
from app.core.limit.entitlement import LicenceStatus
from app.core.limit.limits import Limit
from app.core.wording.consequence import consequence
from app.core.wording.context import CONTACT_URL, Context
from app.core.wording.threshold import describe
from tests.core.make import NOON, usage


def decided(reason: Reason, level: str, previous: str = "", because: str = "Because.") -> Decision:
    return Decision(reason, level, previous, because, AlertState(level))


def alert(now_used: Usage, reason: Reason = Reason.FIRST, level: str = "90%", **more: Any) -> Alert:
    return describe(decided(reason, level, **more), now_used, Context("https://coder.example.com/"))


def test_an_alert_says_number_limit_share_left_and_period() -> None:
    said = alert(usage(1912, 2000, provisional=3))
    assert said.headline == "AWB 95.6% – 1,912 of 2,000 used"
    assert said.summary == "Coder deployment “prod” has reached 90% of its limit for Agent Workspace Builds."
    assert said.facts == (
        ("Agent Workspace Builds", "1,912 of 2,000 (95.6%), 88 left"),
        ("Period", "1 January 2026 to 31 December 2026, 305 days left"),
    )
    assert said.footer == "Deployment prod · estimate from notifications · 2026-03-02 12:00 UTC · reason: first"


def test_a_whole_share_has_no_decimals_in_the_headline() -> None:
    assert alert(usage(900)).headline == "AWB 90% – 900 of 1,000 used"


@pytest.mark.parametrize(
    ("reason", "level", "used", "limit", "severity"),
    [
        (Reason.FIRST, "75%", 750, 1000, Severity.WARNING),
        (Reason.ESCALATED, "90%", 999, 1000, Severity.WARNING),
        (Reason.ESCALATED, "100%", 1000, 1000, Severity.CRITICAL),
        (Reason.REPEAT, "110%", 1100, 1000, Severity.CRITICAL),
        (Reason.FIRST, "900 builds", 900, None, Severity.WARNING),
        (Reason.FIRST, "100%", 1, 0, Severity.CRITICAL),
        (Reason.RESOLVED, "", 1, 1000, Severity.OK),
        (Reason.RESOLVED, "75%", 950, 1200, Severity.WARNING),
        (Reason.RESOLVED, "100%", 1070, 1000, Severity.CRITICAL),
    ],
)
def test_severity_follows_from_the_limit(
    reason: Reason, level: str, used: int, limit: int | None, severity: Severity
) -> None:
    assert alert(usage(used, limit), reason, level).severity is severity


def test_below_the_limit_nothing_is_blocked_now_or_later() -> None:
    assert alert(usage(900)).meaning.startswith("On Coder v2.31 and later nothing is blocked")


@pytest.mark.parametrize("used", [1000, 1500])
def test_at_and_over_the_limit_nothing_is_blocked_and_the_account_team_is_named(used: int) -> None:
    meaning = alert(usage(used), level="100%").meaning
    assert meaning.startswith("On Coder v2.31 and later nothing is blocked: ")
    assert "contact your Coder account team" in meaning


def test_a_limit_of_zero_has_no_share_and_no_promise_that_nothing_is_blocked() -> None:
    said = alert(usage(3, 0), level="100%")
    assert said.headline == "AWB 100% – 3 of 0 used"
    assert said.summary == "Coder deployment “prod” has reached 100% of its limit for Agent Workspace Builds."
    assert said.facts[0] == ("Agent Workspace Builds", "3 of 0, 3 over")
    assert [label for label, _ in said.facts[1:]] == ["Period"]
    assert "Nothing is blocked" not in said.meaning
    assert "may refuse" in said.meaning


def test_an_unlimited_deployment_is_measured_in_builds() -> None:
    said = alert(usage(900, None), level="900 builds")
    assert said.headline == "AWB 900 builds – 900 of unlimited used"
    assert said.summary == "Coder deployment “prod” has reached 900 builds."
    assert ("Agent Workspace Builds", "900, unlimited") in said.facts
    assert said.meaning == "There is no limit."
    assert "Contact account team" not in dict(said.links)


def test_a_resolved_alert_says_why_and_that_nothing_needs_to_be_done() -> None:
    said = alert(usage(12), Reason.RESOLVED, "", previous="100%", because="A new usage period began on 2026-01-01.")
    assert said.headline == "AWB resolved – 12 of 1,000 used"
    assert said.summary == "Coder deployment “prod”: A new usage period began on 2026-01-01."
    assert ("Agent Workspace Builds", "12 of 1,000 (1.2%), 988 left") in said.facts
    assert "Contact account team" not in dict(said.links)
    assert said.meaning == "Nothing needs to be done."


def test_a_step_down_to_a_lower_level_is_not_called_resolved() -> None:
    said = alert(usage(1070), Reason.RESOLVED, "100%", previous="110%")
    assert said.headline == "AWB back at 100% – 1,070 of 1,000 used"
    assert "contact your Coder account team" in said.meaning


def test_a_repeat_says_that_it_is_one() -> None:
    assert "is still at 90%" in alert(usage(950), Reason.REPEAT).summary


def test_names_are_given_as_they_are_because_escaping_is_the_notifiers_work() -> None:
    said = alert(
        usage(
            900,
            by_user=[("<!channel>", 500), ("ada & co", 300), ("", 99), ("left out", 1)],
            by_template=[("*bold*", 1900)],
        )
    )
    assert ("Top users", "<!channel> 500, ada & co 300, unknown 99") in said.facts
    assert ("Top templates", "*bold* 1,900") in said.facts


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"end": None}, "1 January 2026 to open"),
        ({"end": NOON.date() + timedelta(days=1)}, "1 January 2026 to 2 March 2026, 1 day left"),
        ({"end": NOON.date()}, "1 January 2026 to 1 March 2026, over"),
    ],
)
def test_the_period_is_reported_with_its_last_day(more: dict[str, Any], text: str) -> None:
    expected = "since 1 January 2026, without end" if more["end"] is None else text
    assert ("Period", expected) in alert(usage(900, **more)).facts


def test_times_are_reported_in_utc_wherever_they_were_read() -> None:
    tokyo = datetime(2026, 3, 2, 1, 30, tzinfo=timezone(timedelta(hours=9)))
    said = alert(usage(900, as_of=tokyo))
    assert "2026-03-01 16:30 UTC" in said.footer
    assert dict(said.facts)["Period"].endswith("306 days left")


def test_only_what_the_api_proved_is_called_verified() -> None:
    assert "· verified with Coder's API ·" in alert(replace(usage(900), mode=Mode.VERIFIED)).footer
    assert "verified" not in alert(usage(900)).footer


@pytest.mark.parametrize(
    ("version", "standing", "used", "text"),
    [
        (None, LicenceStatus.UNKNOWN, 900, "On Coder v2.31 and later nothing is blocked"),
        (None, LicenceStatus.UNLICENSED, 900, "Nothing is blocked, not even at the limit."),
        ((2, 24, 9), LicenceStatus.ENTITLED, 1000, "Nothing is blocked:"),
        ((2, 25, 0), LicenceStatus.ENTITLED, 900, "Nothing is blocked yet. At the hard limit, Coder v2.25.0 refuses"),
        (
            (2, 30, 1),
            LicenceStatus.ENTITLED,
            1000,
            "Coder v2.30.1 refuses to start workspaces for tasks at its hard limit",
        ),
        ((2, 30, 9), LicenceStatus.UNLICENSED, 1000, "Nothing is blocked:"),
        ((2, 31, 0), LicenceStatus.ENTITLED, 1000, "Nothing is blocked:"),
        ((2, 31, 0), LicenceStatus.NOT_ENTITLED, 10, "The licence includes no builds"),
    ],
)
def test_what_is_blocked_depends_on_the_version_and_the_licence(
    version: tuple[int, int, int] | None, standing: LicenceStatus, used: int, text: str
) -> None:
    context = Context(version=version, licence=standing)
    said = describe(decided(Reason.FIRST, "90%"), usage(used), context)
    assert said.meaning.startswith(text)
    assert "account team" in said.meaning


@pytest.mark.parametrize("standing", [LicenceStatus.ENTITLED, LicenceStatus.NOT_ENTITLED, LicenceStatus.UNLICENSED])
@pytest.mark.parametrize("limit", [0, 1000, None])
def test_without_tasks_no_limit_is_spoken_of(standing: LicenceStatus, limit: int | None) -> None:
    used = replace(usage(1000), limit=Limit(limit))
    assert consequence(used, standing, (2, 37, 0)) == NO_LONGER_COUNTED
    assert consequence(used, standing, (2, 36, 9)) != NO_LONGER_COUNTED


def test_a_period_that_ended_is_summed_up() -> None:
    because = "A new usage period began on 2027-01-01."
    said = alert(usage(1250), Reason.SUMMARY, "", previous="120%", because=because)
    assert said.headline == "AWB: the period has ended – 1,250 of 1,000 used"
    assert said.summary == f"Coder deployment “prod”: {because} These are the figures of the one before."
    assert ("Agent Workspace Builds", "1,250 of 1,000 (125%), 250 over") in said.facts
    assert (said.severity, said.meaning) == (
        Severity.OK,
        "Usage starts again from zero. Nothing needs to be done.",
    )


def test_what_nobody_acknowledged_says_so() -> None:
    said = alert(usage(950), Reason.UNACKNOWLEDGED)
    assert said.headline == "AWB not acknowledged, 95% – 950 of 1,000 used"
    assert "is at 90% of its limit for Agent Workspace Builds, and nobody has acknowledged it" in said.summary


def test_the_forecast_is_a_fact_until_it_is_over() -> None:
    context = Context(forecast="at this pace the limit is reached on 14 January", breach=NOON.date())
    said = describe(decided(Reason.FIRST, "90%"), usage(900), context)
    assert ("Forecast", context.forecast) in said.facts
    assert said.breach == NOON.date()
    resolved = describe(decided(Reason.RESOLVED, "", previous="90%"), usage(9), context)
    assert "Forecast" not in dict(resolved.facts)


def test_a_resolved_alert_is_routed_by_the_level_that_it_had() -> None:
    assert alert(usage(9), Reason.RESOLVED, "", previous="100%").labels()["level"] == "100%"


def test_an_alert_survives_the_store_and_reads_what_an_earlier_version_wrote() -> None:
    said = replace(alert(usage(900)), burn_up=((NOON.date(), 5),), breach=NOON.date(), scope="user:ada")
    stored = json.loads(json.dumps(said.as_json()))
    assert Alert.from_json(json.dumps(stored)) == said
    new = ("name", "kind", "previous", "scope", "used", "limit", "burn_up", "breach", "actor")
    old = Alert.from_json(json.dumps({key: value for key, value in stored.items() if key not in new}))
    assert (old.headline, old.burn_up, old.breach) == (said.headline, (), None)


@pytest.mark.parametrize("url", ["https://coder.example.com", "https://coder.example.com/"])
def test_the_links_lead_to_the_licenses_page_and_the_account_team(url: str) -> None:
    said = describe(decided(Reason.FIRST, "90%"), usage(900), Context(url))
    assert said.links == (
        ("Open Licenses page", "https://coder.example.com/deployment/licenses"),
        ("Contact account team", CONTACT_URL),
    )


def test_without_an_access_url_only_the_account_team_is_linked() -> None:
    assert describe(decided(Reason.FIRST, "90%"), usage(900), Context()).links == (
        ("Contact account team", CONTACT_URL),
    )


def test_a_group_is_a_deployment_a_meter_and_a_period() -> None:
    assert alert(usage(900)).group_key == group_key(usage(1)) == "prod:awb:2026-01-01"


def test_another_meter_goes_by_its_own_name() -> None:
    said = alert(usage(900, meter="agent_hours"))
    assert said.headline.startswith("agent_hours 90%")
    assert "90% of its limit for agent_hours" in said.summary


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.NONE])
@pytest.mark.parametrize("limit", [1000, 0, None])
def test_every_alert_is_complete_short_and_survives_the_store(reason: Reason, limit: int | None) -> None:
    said = alert(usage(123_456_789, limit, by_user=[("ada", 1)]), reason, "100000%")
    assert len(said.headline) <= 150
    assert all((said.summary, said.meaning, said.footer, said.facts, said.links))
    assert Alert.from_json(json.dumps(said.as_json())) == said


def test_moments_in_a_footer_are_in_the_configured_time_zone() -> None:
    context = Context(zone=ZoneInfo("Europe/Berlin"))
    said = describe(decided(Reason.FIRST, "90%"), usage(900, as_of=NOON), context)
    assert "2026-03-02 13:00 CET" in said.footer
    # Days stay UTC days, as Coder counts them.
    assert ("Period", "1 January 2026 to 31 December 2026, 305 days left") in said.facts
