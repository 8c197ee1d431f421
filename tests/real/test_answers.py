"""Every answer of a real Coder is read into what the meter uses of it."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import responses

from app.coder.api import CoderApi, CoderApiError, Failure
from app.core.coder.shapes import Build
from app.core.count.evidence import Evidence
from app.core.count.proof import ended_prefix, proved_records
from tests.real.sources import SOURCES, Answer, answer, name_of, names_in

URL, WEBHOOK = "https://coder.example.com", "/v1/webhook"
AI = "has-ai-task:true"
ORGANIZATION = "00000000-1111-4000-8000-000000000000"
LONG_AGO, LATER = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
each_source = pytest.mark.parametrize("source", SOURCES, ids=name_of)


@pytest.fixture
def coder() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


def ask(coder: responses.RequestsMock, one: Answer, question: Callable[[CoderApi], Any]) -> Any:
    """Ask a question that is answered as the real server did."""
    path = re.sub(r"(?<=/organizations/)[0-9a-f-]{36}", ORGANIZATION, one.path) if one.status == 404 else one.path
    coder.add(one.method, URL + path, json=one.body, status=one.status)
    return question(CoderApi(URL, "token", sleep=lambda _seconds: None, attempts=1))


def failure(coder: responses.RequestsMock, one: Answer, question: Callable[[CoderApi], Any]) -> Failure:
    with pytest.raises(CoderApiError) as refused:
        ask(coder, one, question)
    return refused.value.kind


#: Builds that a real server listed, the newest first: number, transition, reason, job's status, counted.
BUILDS: dict[str, list[tuple[int, str, str, str, bool]]] = {
    "workspace_builds.task": [
        (9, "start", "dashboard", "succeeded", True),
        (8, "stop", "dashboard", "succeeded", False),
        (7, "start", "cli", "succeeded", True),
        (6, "stop", "initiator", "succeeded", False),
        (5, "start", "task_resume", "succeeded", True),
        (4, "stop", "task_manual_pause", "succeeded", False),
        (3, "start", "task_resume", "succeeded", True),
        (2, "stop", "task_manual_pause", "succeeded", False),
        (1, "start", "initiator", "succeeded", True),
    ],
    "workspace_builds.deleted-task": [
        (2, "delete", "initiator", "succeeded", False),
        (1, "start", "initiator", "succeeded", True),
    ],
    "v2.29.6.workspace_builds": [
        (2, "delete", "initiator", "succeeded", False),
        (1, "start", "initiator", "succeeded", True),
    ],
    "workspace_builds.failed-first": [
        (7, "start", "cli", "succeeded", True),
        (6, "start", "cli", "failed", False),
        (5, "start", "task_resume", "failed", False),
        (4, "start", "initiator", "failed", False),
        (3, "stop", "task_manual_pause", "succeeded", False),
        (2, "start", "initiator", "succeeded", True),
        (1, "start", "initiator", "failed", False),
    ],
    "workspace_builds.cancelled-running": [(1, "start", "initiator", "failed", False)],
    "workspace_builds.cancelled-pending": [(1, "start", "initiator", "canceled", False)],
    "workspace_builds.task-deleted-workspace-left": [
        (4, "start", "initiator", "succeeded", False),
        (3, "stop", "initiator", "succeeded", False),
        (2, "delete", "initiator", "failed", False),
        (1, "start", "initiator", "succeeded", True),
    ],
    "workspace_builds.auto": [
        (9, "start", "autostart", "failed", False),
        (8, "stop", "initiator", "succeeded", False),
        (7, "start", "autostart", "succeeded", True),
        (6, "stop", "initiator", "succeeded", False),
        (5, "start", "autostart", "succeeded", True),
        (4, "stop", "task_auto_pause", "succeeded", False),
        (3, "start", "initiator", "succeeded", True),
        (2, "stop", "initiator", "succeeded", False),
        (1, "start", "initiator", "succeeded", True),
    ],
    "workspace_builds.terraform": [
        (10, "start", "task_resume", "succeeded", True),
        (9, "stop", "task_manual_pause", "succeeded", False),
        (8, "start", "cli", "succeeded", True),
        (7, "stop", "initiator", "succeeded", False),
        (6, "stop", "initiator", "succeeded", False),
        (5, "start", "ssh_connection", "succeeded", True),
        (4, "start", "ssh_connection", "failed", False),
        (3, "start", "initiator", "failed", False),
        (2, "stop", "initiator", "succeeded", False),
        (1, "start", "initiator", "succeeded", True),
    ],
}


@each_source
@pytest.mark.parametrize("name", [*BUILDS])
def test_the_builds_that_count_are_proved_and_no_others(coder: responses.RequestsMock, source: Path, name: str) -> None:
    one = answer(source, name)
    found: list[Build] = ask(coder, one, lambda api: api.builds(one.workspace_id))
    settled = ended_prefix(found)
    counted = {record.build_id for record in proved_records(settled, Evidence(), {})}
    told = [(b.build_number, b.transition, b.reason, b.job.status, b.id in counted) for b in reversed(settled)]
    assert told == BUILDS[name]
    assert {build.workspace_id for build in found} == {one.workspace_id}
    assert all(build.workspace_owner_name and build.workspace_name for build in found)


@each_source
def test_a_build_that_runs_is_waited_for(source: Path) -> None:
    build = Build.model_validate(answer(source, "workspacebuild.running").body)
    assert (build.ended, build.has_ai_task, build.counted_at) == (False, None, None)
    assert ended_prefix([build]) == []


@each_source
@pytest.mark.parametrize(
    ("name", "with_task"),
    [
        ("workspaces.has-ai-task", True),
        ("v2.29.6.workspaces.has-ai-task", True),
        ("v2.28.11.workspaces.has-ai-task", False),
    ],
)
def test_a_listing_names_template_organization_task_and_latest_build(
    coder: responses.RequestsMock, source: Path, name: str, with_task: bool
) -> None:
    one = answer(source, name)
    listed = ask(coder, one, lambda api: list(api.workspaces(AI)))
    assert [workspace.id for workspace in listed] == [row["id"] for row in one.body["workspaces"]]
    for workspace in listed:
        assert workspace.name
        assert workspace.owner_name
        assert workspace.template_name
        assert workspace.organization_name == "coder"
        assert bool(workspace.task_id) is with_task
        assert workspace.latest_build is not None
        assert workspace.latest_build.build_number > 0
        assert workspace.deleted is False


@each_source
@pytest.mark.parametrize(
    ("name", "task", "deleted"),
    [
        ("workspace.task", True, False),
        ("workspace.ordinary", False, False),
        ("workspace.deleted.include_deleted", True, True),
    ],
)
def test_a_workspace_tells_its_names_its_task_and_whether_it_is_deleted(
    coder: responses.RequestsMock, source: Path, name: str, task: bool, deleted: bool
) -> None:
    one = answer(source, name)
    found = ask(coder, one, lambda api: api.workspace(one.workspace_id))
    assert (bool(found.task_id), found.deleted) == (task, deleted)
    assert (found.template_name, found.organization_name) == (one.body["template_name"], "coder")
    assert "include_deleted=true" in str(coder.calls[0].request.url)


@each_source
@pytest.mark.parametrize("name", ["tasks", "v2.29.6.tasks", "tasks.template-admin"])
def test_tasks_lead_to_their_workspaces(coder: responses.RequestsMock, source: Path, name: str) -> None:
    one = answer(source, name)
    found = ask(coder, one, lambda api: api.tasks())
    told = [(task.id, task.workspace_id, task.workspace_build_number) for task in found]
    assert told == [(row["id"], row["workspace_id"], row["workspace_build_number"]) for row in one.body["tasks"]]
    assert bool(told) is (name != "tasks.template-admin")


@each_source
@pytest.mark.parametrize("name", ["audit.workspace_build.start", "v2.29.6.audit"])
def test_the_audit_log_names_workspace_build_and_number_but_no_owner(
    coder: responses.RequestsMock, source: Path, name: str
) -> None:
    one = answer(source, name)
    found = ask(coder, one, lambda api: api.history.audited_builds(LONG_AGO, LATER, 0))
    rows = one.body["audit_logs"]
    assert [(entry.workspace_id, str(entry.build_number), entry.build_id) for entry in found] == [
        (row["additional_fields"]["workspace_id"], row["additional_fields"]["build_number"], row["resource_id"])
        for row in rows
    ]
    assert {entry.workspace_owner for entry in found} == {""}


@each_source
def test_the_jobs_of_provisioners_lead_to_workspaces(coder: responses.RequestsMock, source: Path) -> None:
    one = answer(source, "provisionerjobs")
    found = ask(coder, one, lambda api: api.history.provisioner_jobs(one.path.split("/")[4], 4))
    assert [job.workspace_id for job in found] == [row["metadata"]["workspace_id"] for row in one.body]
    assert [job.created_at for job in found] == sorted((job.created_at for job in found), reverse=True)


REFUSED: list[tuple[str, Callable[[CoderApi], Any], Failure]] = [
    ("agpl.entitlements.404", lambda api: api.entitlements(), Failure.NOT_FOUND),
    ("audit.member.403", lambda api: api.history.audited_builds(LONG_AGO, LATER, 0), Failure.FORBIDDEN),
    ("deployment_config.template-admin.403", lambda api: api.webhook_endpoint(), Failure.FORBIDDEN),
    ("groups.unlicensed.403", lambda api: api.groups(), Failure.FORBIDDEN),
    (
        "provisionerjobs.template-admin.404",
        lambda api: api.history.provisioner_jobs(ORGANIZATION, 1),
        Failure.NOT_FOUND,
    ),
    ("unauthorized.401", lambda api: api.me(), Failure.UNAUTHORIZED),
    ("workspaces.deleted-true.400", lambda api: list(api.workspaces("deleted:true")), Failure.REJECTED),
]


@each_source
@pytest.mark.parametrize(("name", "question", "kind"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_a_real_server_refuses_is_a_failure_of_its_kind(
    coder: responses.RequestsMock, source: Path, name: str, question: Callable[[CoderApi], Any], kind: Failure
) -> None:
    assert failure(coder, answer(source, name), question) is kind


@each_source
def test_a_deleted_workspace_is_gone_unless_it_is_asked_for(coder: responses.RequestsMock, source: Path) -> None:
    one = answer(source, "workspace.deleted.410")
    assert failure(coder, one, lambda api: api.workspace(one.workspace_id)) is Failure.NOT_FOUND


@each_source
def test_without_a_licence_agent_workspace_builds_have_no_limit(coder: responses.RequestsMock, source: Path) -> None:
    found = ask(coder, answer(source, "entitlements.unlicensed"), lambda api: api.entitlements())
    assert found.awb is not None
    assert (found.awb.entitlement, found.awb.enabled, found.awb.limit, found.awb.actual) == (
        "not_entitled",
        False,
        None,
        None,
    )
    assert (found.has_license, found.warnings, found.errors) == (False, [], [])
    assert found.refreshed_at is not None


@each_source
def test_the_version_is_read(coder: responses.RequestsMock, source: Path) -> None:
    assert ask(coder, answer(source, "buildinfo"), lambda api: api.build_info()).number == (2, 31, 9)


@each_source
@pytest.mark.parametrize(
    ("name", "roles"),
    [("users_me.owner", {"owner"}), ("users_me.template-admin+auditor", {"auditor", "template-admin"})],
)
def test_the_tokens_user_has_its_roles(coder: responses.RequestsMock, source: Path, name: str, roles: set[str]) -> None:
    found = ask(coder, answer(source, name), lambda api: api.me())
    assert {role["name"] for role in found.roles} == roles
    assert found.username


@each_source
@pytest.mark.parametrize(
    ("name", "count", "unknown"),
    [
        ("notification_templates_system", 29, set()),
        ("v2.29.6.notification_templates_system", 27, {"Task Paused", "Task Resumed"}),
    ],
)
def test_templates_tell_whether_they_are_on(
    coder: responses.RequestsMock, source: Path, name: str, count: int, unknown: set[str]
) -> None:
    found = ask(coder, answer(source, name), lambda api: api.notification_templates())
    assert len(found) == count
    assert {one.name for one in found if not one.enabled_by_default} == {
        "Task Completed",
        "Task Failed",
        "Task Idle",
        "Task Working",
        "Workspace Created",
        "Workspace Manually Updated",
    }
    assert {one.name for one in found} & {"Task Paused", "Task Resumed"} == {"Task Paused", "Task Resumed"} - unknown


@each_source
def test_how_notifications_are_sent_is_read(coder: responses.RequestsMock, source: Path) -> None:
    available, default = ask(coder, answer(source, "notification_dispatch_methods"), lambda api: api.dispatch_methods())
    assert ("webhook" in available, default) == (True, "webhook")
    assert ask(coder, answer(source, "notification_settings"), lambda api: api.notifications_paused()) is False
    chosen = ask(coder, answer(source, "user_notification_preferences"), lambda api: api.preferences("me"))
    assert chosen == {"281fdf73-c6d6-4cbb-8ff5-888baf8a2fff": False}


@each_source
def test_of_the_endpoint_the_address_is_read(coder: responses.RequestsMock, source: Path) -> None:
    one = answer(source, "deployment_config")
    endpoint = ask(coder, one, lambda api: api.webhook_endpoint())
    assert (endpoint.scheme, endpoint.path, endpoint.has_user_info) == ("http", WEBHOOK, True)
    secret = one.body["config"]["notifications"]["webhook"]["endpoint"].partition("coder:")[2].partition("@")[0]
    assert secret
    assert secret not in endpoint.shown


@each_source
@pytest.mark.parametrize(
    "name", ["notification_template_method.put.unlicensed", "notification_template_method.put.same.304"]
)
def test_a_method_that_was_set_already_is_no_failure(coder: responses.RequestsMock, source: Path, name: str) -> None:
    one = answer(source, name)
    assert one.status == 304
    ask(coder, one, lambda api: api.set_template_method(one.path.split("/")[5], "webhook"))


#: What the meter does not ask for, and why it was captured.
NOT_ASKED = {
    "apikey": "when a token expires",
    "notification_templates_custom": "custom notifications count nothing",
    "task": "a single task",
    "task.paused": "a single task",
    "task.paused-auto": "a single task",
    "task_pause.202": "people pause tasks, not the meter",
    "task_resume.202": "people resume tasks, not the meter",
    "task_resume.409": "people resume tasks, not the meter",
    "templates.has-ai-task": "which templates are for tasks",
    "token.owner-8760h.400": "owners make their tokens themselves",
    "tokenconfig.member": "how long a token may live",
    "tokenconfig.owner": "how long a token may live",
    "v2.28.11.workspace_builds.ordinary-from-ai-template": "the flag of v2.28 tells of the template",
    "workspace_resolve_autostart": "autostart",
}
ASKED = {
    *BUILDS,
    *(row[0] for row in REFUSED),
    "audit.workspace_build.start",
    "buildinfo",
    "deployment_config",
    "entitlements.unlicensed",
    "notification_dispatch_methods",
    "notification_settings",
    "notification_template_method.put.same.304",
    "notification_template_method.put.unlicensed",
    "notification_templates_system",
    "provisionerjobs",
    "tasks",
    "tasks.template-admin",
    "user_notification_preferences",
    "users_me.owner",
    "users_me.template-admin+auditor",
    "v2.28.11.workspaces.has-ai-task",
    "v2.29.6.audit",
    "v2.29.6.notification_templates_system",
    "v2.29.6.tasks",
    "v2.29.6.workspaces.has-ai-task",
    "workspace.deleted.410",
    "workspace.deleted.include_deleted",
    "workspace.ordinary",
    "workspace.task",
    "workspacebuild.running",
    "workspaces.has-ai-task",
}


@each_source
def test_every_answer_is_read_or_it_is_said_why_not(source: Path) -> None:
    assert not ASKED & NOT_ASKED.keys()
    assert names_in(source, "api") == ASKED | NOT_ASKED.keys()
