from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.core.alert.alert import Alert, AlertKind
from app.core.alert.decision import Reason
from app.core.alert.dispatch import Circumstances, Step, dispatch
from app.core.alert.quiet import QuietSpan
from app.core.alert.routing import Route
from app.core.alert.silence import Silence
from tests.core.make import NOON, alert

QUIET = (QuietSpan.parse("11:00-13:00"),)
LATER = NOON + timedelta(hours=1)
SILENCE = Silence("s1", {"level": "90%"}, "ada", "month end", NOON - timedelta(hours=1), NOON + timedelta(days=2))


def step(said: Alert, receiver: str = "slack", **more: Any) -> tuple[Step, Any]:
    about = {"now": NOON, "zone": ZoneInfo("UTC"), "routes": [], "quiet": [], "silences": [], **more}
    found = dispatch(said, receiver, Circumstances(**about))
    return found.step, found.until


FIRST, RESOLVED = alert(), replace(alert(), reason=Reason.RESOLVED, level="", previous="90%")
TEST = replace(alert(), kind=AlertKind.TEST, reason=Reason.TEST)
ACKNOWLEDGED = replace(alert(), reason=Reason.ACKNOWLEDGED)
SENT = (Step.SEND, None)


@pytest.mark.parametrize(
    ("said", "more", "expected"),
    [
        (FIRST, {}, SENT),
        (FIRST, {"quiet": QUIET}, (Step.HOLD, LATER)),
        (RESOLVED, {"quiet": QUIET}, (Step.HOLD, LATER)),
        (TEST, {"quiet": QUIET, "silences": [SILENCE], "dry_run": True}, SENT),
        (ACKNOWLEDGED, {"quiet": QUIET, "silences": [SILENCE]}, SENT),
        (FIRST, {"dry_run": True}, (Step.DRY_RUN, None)),
        (ACKNOWLEDGED, {"dry_run": True}, (Step.DRY_RUN, None)),
        (FIRST, {"silences": [SILENCE]}, (Step.HOLD, SILENCE.ends_at)),
        (FIRST, {"silences": [replace(SILENCE, matchers={"level": "75%"})]}, SENT),
        (FIRST, {"silences": [replace(SILENCE, matchers={"receiver": "email*"})]}, SENT),
        (FIRST, {"silences": [replace(SILENCE, ends_at=NOON)]}, SENT),
        (RESOLVED, {"silences": [SILENCE]}, (Step.SILENCED, None)),
        (replace(FIRST, reason=Reason.REPEAT), {"silences": [SILENCE]}, (Step.SILENCED, None)),
        # A snooze of one level never hides the next.
        (alert(used=1000, level="100%"), {"silences": [SILENCE]}, SENT),
        # Only the newest state is told when the quiet is over.
        (FIRST, {"held": True, "newest": False}, (Step.SUPERSEDED, None)),
        (FIRST, {"held": True, "newest": True}, SENT),
        (FIRST, {"held": False, "newest": False}, SENT),
        (FIRST, {"overtaken": True, "newest": False}, (Step.SUPERSEDED, None)),
        # A route may speak at any hour.
        (FIRST, {"quiet": QUIET, "routes": [Route(quiet_hours=[])]}, SENT),
        (FIRST, {"quiet": QUIET, "routes": [Route(quiet_hours=[], receivers=["email:*"])]}, (Step.HOLD, LATER)),
        (FIRST, {"routes": [Route(quiet_hours=["11:00-13:00"])]}, (Step.HOLD, LATER)),
    ],
)
def test_what_is_done_with_a_notification_now(said: Alert, more: dict[str, Any], expected: tuple[Step, Any]) -> None:
    assert step(said, **more) == expected


def test_the_history_says_who_silenced_it_and_why() -> None:
    about = Circumstances(NOON, ZoneInfo("UTC"), [], [], [SILENCE])
    assert dispatch(FIRST, "slack", about).why == "Silenced by ada: month end"
