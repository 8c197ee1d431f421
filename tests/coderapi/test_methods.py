"""What each method asks, and what it makes of the answer."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import responses
from responses.matchers import json_params_matcher, query_param_matcher

from app.coder.api import CoderApi, Failure
from app.core.coder.shapes import Entitlements
from tests.coderapi.server import URL, V2, api, failure_of
from tests.coderapi.test_outcomes import assert_keeps_the_token

NO_ID = "00000000-0000-0000-0000-000000000000"


def build(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"b{number}", "build_number": number, "transition": "start", "job": {"status": "succeeded"}, **more}


def test_the_version_is_read(coder: responses.RequestsMock) -> None:
    coder.get(f"{V2}/buildinfo", json={"version": "v2.30.1+abc", "dashboard_url": None, "new": {"x": 1}})
    assert api().build_info().number == (2, 30, 1)


def test_entitlements_are_read(coder: responses.RequestsMock) -> None:
    feature = {"entitlement": "entitled", "enabled": True, "actual": 12, "limit": 1000, "soft_limit": None}
    features = {"managed_agent_limit": feature, "odd": None}
    coder.get(f"{V2}/entitlements", json={"features": features, "warnings": None, "has_license": True})
    found = api().entitlements()
    assert found.awb is not None
    assert (found.awb.actual, found.awb.limit, found.awb.soft_limit) == (12, 1000, None)
    assert (found.has_license, found.warnings) == (True, [])


@pytest.mark.parametrize(
    "body",
    [{}, {"features": None, "errors": None, "trial": None, "has_license": None, "refreshed_at": None}],
)
def test_what_is_missing_or_null_has_an_answer(coder: responses.RequestsMock, body: dict[str, Any]) -> None:
    coder.get(f"{V2}/entitlements", json=body)
    assert api().entitlements() == Entitlements()


def test_one_workspace_is_read_even_when_it_is_deleted(coder: responses.RequestsMock) -> None:
    latest = build(3, transition="delete", has_ai_task=None, created_at=None)
    body = {"id": "w1", "name": "x", "task_id": {"uuid": "t1", "valid": True}, "latest_build": latest}
    match = [query_param_matcher({"include_deleted": "true"})]
    coder.get(f"{V2}/workspaces/w1", json=body, match=match)
    found = api().workspace("w1")
    assert (found.id, found.task_id, found.deleted) == ("w1", "t1", True)


def test_a_workspace_whose_latest_build_deletes_nothing_is_there(coder: responses.RequestsMock) -> None:
    coder.get(f"{V2}/workspaces/w1", json={"id": "w1", "latest_build": build(3, job=None), "task_id": None})
    found = api().workspace("w1")
    assert (found.deleted, found.task_id) == (False, "")


@pytest.mark.parametrize("segment", ["", "..", ".", "a/b", "../users/me", "a?b", "a#b", "a%2fb", "ä", "-x", "a" * 200])
@pytest.mark.parametrize(
    "call",
    [
        CoderApi.workspace,
        CoderApi.builds,
        CoderApi.preferences,
        lambda one, name: one.set_preferences(name, {}),
        lambda one, name: one.set_template_method(name, "webhook"),
    ],
)
def test_what_is_no_id_never_becomes_part_of_a_path(
    coder: responses.RequestsMock, call: Callable[[CoderApi, str], Any], segment: str
) -> None:
    assert failure_of(call, api(), segment).kind is Failure.NOT_FOUND
    assert len(coder.calls) == 0


def test_tasks_are_read(coder: responses.RequestsMock) -> None:
    task = {"id": "t1", "workspace_id": {"uuid": "w1", "valid": True}, "workspace_build_number": 2}
    coder.get(f"{V2}/tasks", json={"tasks": [task], "count": 1})
    found = api().tasks()
    assert found is not None
    assert [(one.workspace_id, one.workspace_build_number) for one in found] == [("w1", 2)]


def test_no_tasks_are_a_list_without_any(coder: responses.RequestsMock) -> None:
    coder.get(f"{V2}/tasks", json={"tasks": None, "count": 0})
    assert api().tasks() == []


def test_tasks_are_also_looked_for_where_they_were_before(coder: responses.RequestsMock) -> None:
    coder.get(f"{V2}/tasks", status=404)
    coder.get(f"{URL}/api/experimental/tasks", json={"tasks": [{"id": "t1", "workspace_id": "w1"}]})
    found = api().tasks()
    assert found is not None
    assert found[0].workspace_id == "w1"


def test_a_coder_without_tasks_has_none(coder: responses.RequestsMock) -> None:
    coder.get(f"{V2}/tasks", status=404)
    coder.get(f"{URL}/api/experimental/tasks", status=404)
    assert api().tasks() is None


@pytest.mark.parametrize("statuses", [(403,), (404, 500)])
def test_tasks_that_are_refused_are_not_none(coder: responses.RequestsMock, statuses: tuple[int, ...]) -> None:
    for path, status in zip((f"{V2}/tasks", f"{URL}/api/experimental/tasks"), statuses, strict=False):
        coder.get(path, status=status)
    assert_keeps_the_token(failure_of(api().tasks))


def entry(number: Any, hour: int = 12, **more: Any) -> dict[str, Any]:
    fields = {"workspace_id": "w1", "workspace_name": "x", "workspace_owner": "ann", "build_number": number}
    time = f"2026-03-01T{hour:02}:00:00.123456Z"
    return {"id": f"a{number}-{hour}", "time": time, "resource_id": "b1", "additional_fields": fields, **more}


def audited(coder: responses.RequestsMock, *entries: dict[str, Any]) -> list[Any]:
    coder.get(f"{V2}/audit", json={"audit_logs": list(entries), "count": len(entries)})
    day = datetime(2026, 3, 1, tzinfo=UTC)
    return list(api().history.audited_builds(day, day, 0))


def test_the_audit_log_names_builds(coder: responses.RequestsMock) -> None:
    [found] = audited(coder, entry("7"))
    assert (found.workspace_id, found.workspace_name, found.workspace_owner) == ("w1", "x", "ann")
    assert (found.build_number, found.build_id) == (7, "b1")
    assert found.time == datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize("number", ["unknown", "", None, "-1", [1], "9" * 400])
def test_the_audit_log_may_not_know_the_number(coder: responses.RequestsMock, number: Any) -> None:
    [found] = audited(coder, entry(number))
    assert (found.build_number, found.workspace_id) == (None, "w1")


@pytest.mark.parametrize("fields", [None, {}, "text", [], {"workspace_id": None}, {"workspace_id": NO_ID}])
def test_the_audit_log_may_not_know_the_workspace(coder: responses.RequestsMock, fields: Any) -> None:
    [found] = audited(coder, entry(1, additional_fields=fields))
    assert (found.workspace_id, found.build_number, found.build_id) == ("", None, "b1")


def test_the_audit_log_is_asked_by_days_and_pages(coder: responses.RequestsMock) -> None:
    query = "resource_type:workspace_build action:start date_from:2026-03-01 date_to:2026-03-04"
    match = [query_param_matcher({"q": query, "limit": 100, "offset": 300})]
    coder.get(f"{V2}/audit", json={"audit_logs": [entry(1, 13), entry(1, 12)], "count": 2}, match=match)
    found = api().history.audited_builds(datetime(2026, 3, 1, 9, tzinfo=UTC), datetime(2026, 3, 4, tzinfo=UTC), 300)
    assert [one.time.hour for one in found] == [13, 12]


def test_a_time_without_zone_is_a_bad_answer(coder: responses.RequestsMock) -> None:
    coder.get(f"{V2}/audit", json={"audit_logs": [entry(1, time="2026-03-01T12:00:00")], "count": 1})
    day = datetime(2026, 3, 1, tzinfo=UTC)
    error = failure_of(api().history.audited_builds, day, day, 0)
    assert (error.kind, "“audit_logs.0.time”" in str(error)) == (Failure.BAD_ANSWER, True)


@pytest.mark.parametrize(("entries", "kept"), [([], False), ([entry(1)], True)])
def test_an_audit_log_is_kept_where_there_is_anything_in_it(
    coder: responses.RequestsMock, entries: list[dict[str, Any]], kept: bool
) -> None:
    match = [query_param_matcher({"limit": 1})]
    coder.get(f"{V2}/audit", json={"audit_logs": entries, "count": len(entries)}, match=match)
    assert api().history.keeps_audit_log() is kept


def test_provisioner_jobs_name_the_workspaces_that_they_built(coder: responses.RequestsMock) -> None:
    made = {"created_at": "2026-03-01T12:00:00Z", "metadata": {"workspace_id": "w1", "template_name": "x"}}
    jobs = [
        {"id": "j1", "type": "workspace_build", **made},
        {"id": "j2", "type": "template_version_import", **made, "metadata": {"template_name": "x"}},
        {"id": "j3", "type": "workspace_build", **made, "metadata": {"workspace_id": None}},
    ]
    match = [query_param_matcher({"status": "succeeded", "limit": 3})]
    coder.get(f"{V2}/organizations/o1/provisionerjobs", json=jobs, match=match)
    found = api().history.provisioner_jobs("o1", 3)
    assert [job.workspace_id for job in found] == ["w1", "", ""]
    assert found[0].created_at == datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()


def test_organizations_are_read(coder: responses.RequestsMock) -> None:
    coder.get(f"{V2}/organizations", json=[{"id": "o1", "name": "coder", "icon": ""}])
    assert [(one.id, one.name) for one in api().history.organizations()] == [("o1", "coder")]


def test_templates_are_read(coder: responses.RequestsMock) -> None:
    path = f"{V2}/notifications/templates/system"
    coder.get(path, json=[{"id": "t1", "name": "Task Resumed", "method": None, "enabled_by_default": False}])
    [found] = api().notification_templates()
    assert (found.id, found.method, found.enabled_by_default) == ("t1", "", False)
    coder.replace("GET", path, body="null")
    assert api().notification_templates() == []


@pytest.mark.parametrize("listed", [False, True])
def test_methods_are_read_as_an_object_and_as_a_list_of_one(coder: responses.RequestsMock, listed: bool) -> None:
    methods = {"available": ["smtp", "webhook"], "default": "webhook"}
    coder.get(f"{V2}/notifications/dispatch-methods", json=[methods] if listed else methods)
    assert api().dispatch_methods() == (["smtp", "webhook"], "webhook")


@pytest.mark.parametrize("body", [[], [{}, {}], "webhook"])
def test_methods_in_another_shape_are_a_bad_answer(coder: responses.RequestsMock, body: Any) -> None:
    coder.get(f"{V2}/notifications/dispatch-methods", json=body)
    assert failure_of(api().dispatch_methods).kind is Failure.BAD_ANSWER


@pytest.mark.parametrize(("body", "paused"), [({"notifier_paused": True}, True), ({"notifier_paused": False}, False)])
def test_a_pause_is_seen(coder: responses.RequestsMock, body: Any, paused: bool) -> None:
    coder.get(f"{V2}/notifications/settings", json=body)
    assert api().notifications_paused() is paused


def test_preferences_are_read_by_template(coder: responses.RequestsMock) -> None:
    path = f"{V2}/users/ann/notifications/preferences"
    coder.get(path, json=[{"id": "t1", "disabled": True, "updated_at": None}, {"id": "t2", "disabled": False}])
    assert api().preferences("ann") == {"t1": True, "t2": False}


def test_preferences_are_set(coder: responses.RequestsMock) -> None:
    match = [json_params_matcher({"template_disabled_map": {"t1": False}})]
    coder.put(f"{V2}/users/me/notifications/preferences", json=[], match=match)
    api().set_preferences("me", {"t1": False})


@pytest.mark.parametrize("status", [200, 204, 304])
def test_a_method_is_set_also_where_it_was_set_already(coder: responses.RequestsMock, status: int) -> None:
    match = [json_params_matcher({"method": "webhook"})]
    coder.put(f"{V2}/notifications/templates/t1/method", status=status, match=match)
    api().set_template_method("t1", "webhook")


def test_a_method_that_is_refused_says_why(coder: responses.RequestsMock) -> None:
    body = {"message": "Invalid request.", "validations": [{"field": "method", "detail": "smtp, webhook"}]}
    coder.put(f"{V2}/notifications/templates/t1/method", status=400, json=body)
    error = failure_of(api().set_template_method, "t1", "pigeon")
    assert (error.kind, "method: smtp, webhook" in str(error)) == (Failure.REJECTED, True)


def test_groups_are_user_names_by_group(coder: responses.RequestsMock) -> None:
    people = [{"id": "1", "username": "ada"}, {"id": "2", "username": "bob"}]
    body = [
        {"name": "devs", "organization_name": "a", "members": people},
        {"name": "Everyone", "organization_name": "a", "members": people[:1]},
        {"name": "Everyone", "organization_name": "b", "members": None},
    ]
    coder.get(f"{V2}/groups", json=body)
    assert api().groups() == {"devs": ["ada", "bob"], "a/Everyone": ["ada"], "b/Everyone": []}
