"""Coder's answers: what is missing, null or unknown has an answer, and what counts is one predicate."""

import itertools
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from app.core.coder.history import AuditBuild, AuditList
from app.core.coder.settings import DispatchMethods
from app.core.coder.shapes import Build, BuildInfo, Entitlements, Task, TaskList, Workspace, WorkspaceList

ZERO = "00000000-0000-0000-0000-000000000000"
SOME = "9d2f1c1e-51c1-4a44-9a4e-0b1f7c6a2f10"


def build(transition: str = "start", status: str = "succeeded", **more: Any) -> Build:
    job = {"status": status, "completed_at": "2026-03-02T12:00:00.5Z"}
    given = {"id": SOME, "build_number": 1, "transition": transition, "has_ai_task": True, "job": job, **more}
    return Build.model_validate(given)


@pytest.mark.parametrize(
    ("transition", "status", "flag"),
    list(
        itertools.product(
            ["start", "stop", "delete"],
            ["pending", "running", "succeeded", "canceling", "canceled", "failed", "unknown"],
            [True, False, None],
        )
    ),
)
def test_only_a_start_that_succeeded_with_a_task_counts(transition: str, status: str, flag: bool | None) -> None:
    counts = (transition, status, flag) == ("start", "succeeded", True)
    assert build(transition, status, has_ai_task=flag).is_awb is counts


@pytest.mark.parametrize("reason", ["initiator", "autostart", "ssh_connection", "task_resume", "of the future", ""])
def test_the_reason_of_a_build_does_not_matter(reason: str) -> None:
    assert build(reason=reason).is_awb


@pytest.mark.parametrize("status", ["pending", "running", "canceling", "unknown", "of the future", ""])
def test_a_build_whose_job_goes_on_has_not_ended(status: str) -> None:
    assert not build(status=status).ended


@pytest.mark.parametrize("status", ["succeeded", "failed", "canceled"])
def test_a_build_whose_job_is_over_has_ended(status: str) -> None:
    assert build(status=status).ended


def test_a_build_counts_when_its_job_ended_not_when_it_was_made() -> None:
    assert build(created_at="2026-03-01T23:59:59Z").counted_at == datetime(2026, 3, 2, 12, 0, 0, 500_000, UTC)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (SOME, SOME),
        ({"uuid": SOME, "valid": True}, SOME),
        ({"uuid": ZERO, "valid": False}, ""),
        ({"uuid": SOME, "valid": False}, ""),
        ({"uuid": ZERO, "valid": True}, ""),
        (ZERO, ""),
        (None, ""),
        ({}, ""),
    ],
)
def test_an_optional_id_is_read_in_either_form(written: Any, read: str) -> None:
    answer = {"id": SOME, "task_id": written}
    assert Workspace.model_validate(answer).task_id == read
    assert Workspace.model_validate_json(json.dumps(answer)).task_id == read
    assert Task.model_validate({"id": "t", "workspace_id": written}).workspace_id == read


@pytest.mark.parametrize(
    ("transition", "status", "deleted"),
    [
        ("delete", "succeeded", True),
        ("delete", "failed", False),
        ("delete", "running", False),
        ("stop", "succeeded", False),
    ],
)
def test_a_workspace_is_deleted_once_its_delete_build_succeeded(transition: str, status: str, deleted: bool) -> None:
    latest = build(transition, status).model_dump(mode="json")
    assert Workspace.model_validate({"id": SOME, "latest_build": latest}).deleted is deleted


def test_a_workspace_without_a_build_is_not_deleted() -> None:
    assert not Workspace.model_validate({"id": SOME, "latest_build": None}).deleted


def test_unknown_fields_are_ignored_and_null_is_missing() -> None:
    nulls = dict.fromkeys(("transition", "reason", "workspace_id", "has_ai_task", "created_at", "job"))
    answer = {"id": SOME, "build_number": 3, "of_the_future": {"a": [1]}, **nulls}
    assert Build.model_validate(answer) == Build(id=SOME, build_number=3)
    assert Build.model_validate_json(json.dumps(answer)) == Build(id=SOME, build_number=3)


@pytest.mark.parametrize("value", [3, [], True])
@pytest.mark.parametrize("field", ["transition", "workspace_name", "job"])
def test_a_field_of_another_kind_is_an_error(field: str, value: object) -> None:
    answer = {"id": SOME, "build_number": 3, field: value}
    with pytest.raises(ValidationError):
        Build.model_validate(answer)
    with pytest.raises(ValidationError):
        Build.model_validate_json(json.dumps(answer))


@pytest.mark.parametrize("value", [3, [], True, {"uuid": 3, "valid": True}])
def test_an_id_of_another_kind_is_an_error(value: object) -> None:
    with pytest.raises(ValidationError):
        Workspace.model_validate_json(json.dumps({"id": SOME, "task_id": value}))


@pytest.mark.parametrize(("answer", "reports"), [({}, False), ({"task_id": None}, True), ({"task_id": ZERO}, True)])
def test_whether_coder_reports_tasks_does_not_depend_on_their_value(answer: dict[str, Any], reports: bool) -> None:
    assert Workspace.model_validate_json(json.dumps({"id": SOME, **answer})).has_task_field is reports


@pytest.mark.parametrize("field", ["id", "build_number"])
def test_a_build_without_identity_is_an_error(field: str) -> None:
    with pytest.raises(ValidationError):
        build(**{field: None})


@pytest.mark.parametrize(
    ("shape", "name"), [(WorkspaceList, "workspaces"), (TaskList, "tasks"), (AuditList, "audit_logs")]
)
def test_an_empty_list_may_be_null_but_must_be_there(shape: Any, name: str) -> None:
    assert getattr(shape.model_validate({name: None}), name) == []
    with pytest.raises(ValidationError):
        shape.model_validate({})


@pytest.mark.parametrize(
    ("written", "number"),
    [("3", 3), (3, 3), ("unknown", None), ("", None), (None, None), ("-1", None), ("1" * 12, None)],
)
def test_an_audit_entry_tells_its_build_as_far_as_coder_knows_it(written: Any, number: int | None) -> None:
    more = {"build_number": written, "workspace_id": SOME, "workspace_name": "w", "workspace_owner": 7}
    read = AuditBuild.model_validate({"id": "a", "time": "2026-03-02T00:00:00Z", "additional_fields": more})
    assert (read.build_number, read.workspace_id, read.workspace_name, read.workspace_owner) == (number, SOME, "w", "")


@pytest.mark.parametrize("more", [None, "", [], "{}"])
def test_an_audit_entry_without_more_is_read(more: Any) -> None:
    read = AuditBuild.model_validate({"id": "a", "time": "2026-03-02T00:00:00Z", "additional_fields": more})
    assert (read.workspace_id, read.build_number) == ("", None)


@pytest.mark.parametrize(
    ("version", "number"),
    [
        ("v2.30.1+abc123", (2, 30, 1)),
        ("2.30.1", (2, 30, 1)),
        ("v2.37.0-rc.1+devel", (2, 37, 0)),
        ("v0.0.0-devel", (0, 0, 0)),
        ("devel", None),
        ("", None),
        ("v2.30", None),
    ],
)
def test_a_version_is_read_as_numbers(version: str, number: tuple[int, int, int] | None) -> None:
    assert BuildInfo(version=version).number == number


def test_entitlements_survive_being_stored() -> None:
    said = Entitlements.model_validate(
        {
            "features": {"managed_agent_limit": {"limit": 5, "usage_period": None}, "gone": None},
            "warnings": None,
            "errors": ["e"],
            "has_license": True,
            "refreshed_at": "2026-03-02T12:00:00.123456Z",
        }
    )
    assert Entitlements.model_validate_json(said.model_dump_json()) == said
    assert said.warnings == []
    assert said.awb is not None
    assert said.awb.limit == 5
    assert list(said.features) == ["managed_agent_limit"]


@pytest.mark.parametrize("wrapped", [True, False])
def test_dispatch_methods_are_read_alone_or_in_a_list(wrapped: bool) -> None:
    said = {"available": ["smtp", "webhook"], "default": "webhook"}
    read = TypeAdapter(DispatchMethods).validate_json(json.dumps([said] if wrapped else said))
    assert (read.available, read.default) == (["smtp", "webhook"], "webhook")
