"""What real servers answered parses into what is used of it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import responses

from app.core.coder.shapes import HAS_TASK, Build, Workspace
from tests.coderapi.server import V2, api

ANSWERS = Path(__file__).resolve().parents[3] / "shared" / "coder" / "real" / "api"
DAY = datetime(2026, 11, 26, tzinfo=UTC)
pytestmark = pytest.mark.skipif(not ANSWERS.is_dir(), reason="answers of real Coder servers are not on this machine")


def answer(name: str) -> Any:
    return json.loads((ANSWERS / f"{name}.json").read_text())["response"]


def test_provisioner_jobs_lead_to_workspaces_newest_first(coder: responses.RequestsMock) -> None:
    coder.get(f"{V2}/organizations/o1/provisionerjobs", json=answer("provisionerjobs"))
    jobs = api().history.provisioner_jobs("o1", 4)
    assert [job.workspace_id[:8] for job in jobs] == ["8ec936ba", "8ec936ba", "8ec936ba", "0add8d6c"]
    assert [job.created_at for job in jobs] == sorted((job.created_at for job in jobs), reverse=True)


@pytest.mark.parametrize("name", ["audit.workspace_build.start", "v2.29.6.audit"])
def test_the_audit_log_leads_to_workspaces(coder: responses.RequestsMock, name: str) -> None:
    coder.get(f"{V2}/audit", json=answer(name))
    entries = api().history.audited_builds(DAY, DAY, 0)
    assert entries
    assert all(entry.workspace_id and entry.build_number for entry in entries if entry.build_id)


def test_a_deleted_workspace_still_names_its_task_and_everything_else() -> None:
    workspace = Workspace.model_validate(answer("workspace.deleted.include_deleted"))
    names = workspace.names
    assert (names["owner"], names["template"], names["organization"]) == ("alice", "claude-code", "coder")
    assert names[HAS_TASK] == "yes"
    assert workspace.deleted


def test_an_ordinary_workspace_says_that_it_has_no_task() -> None:
    workspace = Workspace.model_validate(answer("workspace.ordinary"))
    assert workspace.has_task_field
    assert HAS_TASK not in workspace.names


def test_builds_of_an_ordinary_workspace_are_flagged_by_v2_28() -> None:
    builds = [Build.model_validate(one) for one in answer("v2.28.11.workspace_builds.ordinary-from-ai-template")]
    assert [build.build_number for build in builds if build.is_awb] == [3, 1]
    assert all(build.job.organization_id for build in builds)
