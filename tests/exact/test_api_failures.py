"""What the meter makes of an API that fails: for one workspace, for some calls, or as a whole."""

import pytest

from app.core.count.meter import RecordState
from app.simulator.api import ApiFaults
from tests.exact.stage import BUILDS, Stage, again, tasks
from tests.exact.test_verify import due


def test_an_api_that_answers_with_a_login_page_fails_all_the_time(stage: Stage) -> None:
    stage.look()
    tasks(stage.world, 1)
    stage.tell()
    stage.server.faults = ApiFaults(broken_json=1.0)
    begun = stage.world.now
    for _ in range(33):
        stage.listings()
        stage.verify()
        assert stage.state.moment("failing_since") == begun
        stage.world.pass_time(60)
    assert stage.notices() == [f"api-away-{begun.isoformat()}"]
    stage.server.faults = ApiFaults()
    stage.look()
    assert stage.state.mark("failing_since") is None
    stage.assert_exact()


def test_a_failing_workspace_is_no_success_of_the_api(stage: Stage) -> None:
    """Deliveries go on while the API answers for nobody; none of what fails may count as an answer."""
    stage.look()
    for number in range(3):
        tasks(stage.world, 1)
        stage.tell()
        stage.server.faults = ApiFaults(broken_json=1.0)
        failure = stage.verify().failure
        assert failure is not None, number
        assert stage.state.mark("failing_since") is not None
        stage.world.pass_time(5)


def test_a_workspace_of_others_that_is_not_shown_does_not_end_an_outage(stage: Stage) -> None:
    stage.look()
    with stage.now():
        stage.state.failed("away", stage.world.now)
    stage.see_as(stage.world.user("hugo"))
    tasks(stage.world, 1)
    stage.tell()
    stage.verify()
    assert stage.state.mark("failing_since") is not None


def test_one_workspace_that_keeps_failing_holds_up_nobody_and_is_not_forgotten(stage: Stage) -> None:
    workspaces = tasks(stage.world, 30)
    broken = workspaces[11]
    stage.forget()
    stage.server.broken = (broken.id,)
    listed = stage.listings()
    verified = stage.verify()
    assert (listed.failure, verified.failure) == (None, None)
    assert (verified.workspaces, verified.left) == (29, 1)
    assert stage.state.mark("reconciled_at") is not None
    assert stage.state.failing_count() == 1
    # It is asked for again, later and later, and no pass has to list it for that.
    waits = []
    for _ in range(7):
        wait = due(stage)[broken.id] - stage.world.now.timestamp()
        waits.append(round(wait))
        stage.world.pass_time(wait / 60 + 0.001)
        assert stage.verify().left == 1
        assert stage.state.mark("failing_since") is None
    assert waits == [60, 120, 240, 480, 960, 1800, 1800]
    stage.server.broken = ()
    stage.world.pass_time(31)
    stage.verify()
    assert stage.state.failing_count() == 0
    stage.assert_exact()


def test_a_run_of_failures_stops_the_asking(stage: Stage) -> None:
    tasks(stage.world, 60)
    stage.forget()
    stage.attempts(2)
    stage.listings()
    stage.server.count_from_here()
    stage.server.broken = ("/builds",)
    verified = stage.verify()
    assert verified.failure is not None
    # Eight in a row, and up to three more that were under way; each was tried twice.
    assert 16 <= stage.server.requests[BUILDS] <= 22
    assert stage.state.mark("failing_since") is not None
    assert stage.state.mark("reconciled_at") is None
    assert stage.state.failing_count() == 0
    stage.server.broken = ()
    stage.world.pass_time(2)
    stage.verify()
    assert stage.state.mark("reconciled_at") is not None
    stage.assert_exact()


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_a_share_of_errors_and_rate_limits_changes_nothing(stage: Stage, share: float) -> None:
    tasks(stage.world, 150)
    stage.forget()
    stage.attempts(4)
    stage.server.faults = ApiFaults(server_error=share / 2, rate_limited=share / 2)
    verified = stage.look()
    assert (verified.workspaces, verified.left) == (150, 0)
    stage.assert_exact()


def test_an_old_payload_whose_workspace_coder_does_not_show_keeps_its_estimate(stage: Stage) -> None:
    [workspace] = tasks(stage.world, 1)
    [first, *_] = stage.outbox.collect()
    data = {"owner": {"name": workspace.owner.username}, "template": {"name": "claude-code-tasks"}}
    stage.see_as(stage.world.user("hugo"))
    stage.tell(again(first, "old", targets=None, data=data))
    stage.verify()
    assert (stage.usage().used, stage.hints()) == (1, 1)
    # Gone before anybody could look: its builds are found by the history, the hint stays what it is.
    assert [record.state for record in stage.records()] == [RecordState.PROVISIONAL]


def test_a_name_whose_workspace_fails_keeps_its_estimate_until_that_is_verified(stage: Stage) -> None:
    [workspace] = tasks(stage.world, 1)
    [first, *_] = stage.outbox.collect()
    data = {"owner": {"name": workspace.owner.username}, "template": {"name": "claude-code-tasks"}}
    stage.tell(again(first, "old", targets=None, data=data))
    stage.server.broken = ("/builds",)
    stage.verify()
    assert (stage.usage().used, stage.hints()) == (1, 1)
    stage.server.broken = ()
    stage.world.pass_time(2)
    stage.verify()
    stage.assert_exact()
