"""`coder check` says what tells of deleted workspaces, as a pass would find it."""

import pytest

from app.core.coder.history import HistorySource
from app.core.finding import Result
from app.pipeline.operate.codercheck import check
from app.simulator.licence import Licence
from tests.exact.stage import Stage

JOBS, AUDIT, AGPL = "/provisionerjobs", "/audit", "/entitlements"


@pytest.mark.parametrize(
    ("denied", "source"),
    [
        ((), HistorySource.PROVISIONER_JOBS),
        ((JOBS,), HistorySource.AUDIT),
        (("/organizations",), HistorySource.AUDIT),
        ((JOBS, AUDIT), HistorySource.NONE),
        ((JOBS, AGPL), HistorySource.NONE),
        ((AGPL,), HistorySource.PROVISIONER_JOBS),
    ],
)
def test_check_and_pass_agree_on_what_tells_of_deleted_workspaces(
    stage: Stage, denied: tuple[str, ...], source: HistorySource
) -> None:
    stage.world.licence = Licence()
    stage.world.create_task(stage.world.user("ada"))
    stage.server.denied = denied
    stage.look()
    assert stage.state.history_source() is source
    with stage.now():
        [found] = [one for one in check(stage.connection, stage.config, stage.api) if one.check == "coder.deleted"]
    assert (found.outcome is Result.OK) is (source is not HistorySource.NONE)
    assert {"provisionerjobs": "provisioner jobs", "audit": "audit log", "none": "is missed"}[source] in found.message
