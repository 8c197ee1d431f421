"""The simulated API answers as Coder's does: who may read, which pages, which flags."""

from collections.abc import Iterator

import pytest
import requests

from app.core.coder import shapes as coder
from app.simulator.licence import Licence
from app.simulator.model import Role, Workspace
from app.simulator.world import World
from tests.conftest import PATIENCE
from tests.simulator.client import Client, serving


@pytest.fixture
def world() -> World:
    return World(1)


@pytest.fixture
def client(world: World) -> Iterator[Client]:
    with serving(world) as serving_client:
        yield serving_client


def builds(client: Client, workspace: Workspace, **parameters: object) -> list[int]:
    return [build["build_number"] for build in client.get(f"/workspaces/{workspace.id}/builds", **parameters)]


def many_builds(world: World, starts: int = 4) -> Workspace:
    workspace = world.create_task(world.developers[0])
    for _ in range(starts - 1):
        world.pause(workspace)
        world.resume(workspace)
    return workspace


def test_only_the_build_info_needs_no_token(client: Client) -> None:
    client.token = "wrong"
    answer = client.call("/buildinfo")
    assert coder.BuildInfo.model_validate(answer.json()).number == (2, 31, 9)
    for path in ("/users/me", "/entitlements", "/workspaces", "/nowhere"):
        answer = client.call(path)
        assert answer.status_code == 401
        assert set(answer.json()) == {"message", "detail"}


def test_a_revoked_token_is_refused(client: Client) -> None:
    assert client.get("/users/me")["username"] == "olivia"
    client.server.revoke(client.token)
    assert client.call("/users/me").status_code == 401


def test_what_the_service_reads_can_be_read(world: World, client: Client) -> None:
    world.licence = Licence()
    workspace = many_builds(world)
    task = coder.Task.model_validate(client.get("/tasks")["tasks"][0])
    assert (task.workspace_id, task.workspace_build_number) == (workspace.id, 7)
    read = coder.Workspace.model_validate(client.get("/workspaces")["workspaces"][0])
    assert (read.id, read.task_id) == (workspace.id, workspace.task.id)
    found = [coder.Build.model_validate(build) for build in client.get(f"/workspaces/{workspace.id}/builds")]
    awbs = [build for build in found if build.is_awb]
    assert [build.id for build in awbs[::-1]] == [build.id for build in world.awbs]
    assert [build.counted_at for build in awbs[::-1]] == [build.completed_at for build in world.awbs]
    entitlements = coder.Entitlements.model_validate(client.get("/entitlements"))
    assert entitlements.awb
    assert entitlements.awb.limit == 1000


@pytest.mark.parametrize(
    ("version", "stable", "experimental"),
    [((2, 27, 4), 404, 200), ((2, 28, 11), 404, 200), ((2, 29, 0), 200, 404), ((2, 37, 0), 404, 404)],
)
def test_tasks_are_where_each_version_has_them(
    world: World, client: Client, version: tuple[int, int, int], stable: int, experimental: int
) -> None:
    world.upgrade(version)
    assert client.call("/tasks").status_code == stable
    assert client.call("/api/experimental/tasks").status_code == experimental


def test_tasks_are_not_paged_and_can_be_searched(world: World, client: Client) -> None:
    first, second = (world.create_task(owner) for owner in world.developers[:2])
    world.pause(second)
    assert client.get("/tasks", limit=1)["count"] == 2
    names = [task["name"] for task in client.get("/tasks", q=f"owner:{first.owner.username}")["tasks"]]
    assert names == [first.name]
    assert [task["name"] for task in client.get("/tasks", q="status:paused")["tasks"]] == [second.name]
    answer = client.call("/tasks", q="colour:red")
    assert answer.status_code == 400
    assert answer.json()["validations"][0]["field"] == "colour"


def test_pages_of_workspaces_cover_all_and_tell_how_many_there_are(world: World, client: Client) -> None:
    for number in range(7):
        world.create_task(world.developers[number])
    pages = [client.get("/workspaces", limit=3, offset=offset) for offset in (0, 3, 6, 9)]
    assert [len(page["workspaces"]) for page in pages] == [3, 3, 1, 0]
    assert {page["count"] for page in pages} == {7}
    listed = [workspace["name"] for page in pages for workspace in page["workspaces"]]
    assert listed == client.names() == client.names(limit=0)
    assert client.call("/workspaces", limit="-1").status_code == 400


def test_what_runs_is_listed_first_so_that_a_pause_shifts_the_pages(world: World, client: Client) -> None:
    first, second = (world.create_task(owner) for owner in world.developers[1:3])
    assert client.names() == [first.name, second.name]
    world.pause(first)
    assert client.names() == [second.name, first.name]


def test_pages_of_builds_are_the_newest_first(world: World, client: Client) -> None:
    workspace = many_builds(world)
    assert builds(client, workspace) == [7, 6, 5, 4, 3, 2, 1]
    assert builds(client, workspace, limit=3) == [7, 6, 5]
    assert builds(client, workspace, limit=3, offset=6) == [1]
    fifth = workspace.builds[4]
    assert builds(client, workspace, after_id=fifth.id) == [7, 6]
    assert builds(client, workspace, since=fifth.created_at.isoformat()) == [7, 6]
    assert client.call(f"/workspaces/{workspace.id}/builds", since="yesterday").status_code == 400
    assert client.call(f"/workspaces/{workspace.id}/builds", after_id=world.new_id()).status_code == 400
    assert client.get(f"/workspacebuilds/{fifth.id}")["build_number"] == 5


def test_a_search_for_last_use_needs_quotes(world: World, client: Client) -> None:
    world.create_task(world.developers[0])
    world.pass_time(600)
    noon = world.now.isoformat().replace("+00:00", "Z")
    world.pass_time(600)
    young = world.create_task(world.developers[1])
    assert client.names(f'last_used_after:"{noon}"') == [young.name]
    assert client.call("/workspaces", q=f"last_used_after:{noon}").status_code == 400
    world.delete(young)
    assert client.names(f'last_used_after:"{noon}"') == []


def test_a_member_sees_only_what_is_their_own_and_exists(world: World, client: Client) -> None:
    own, gone, other = (world.create_task(world.developers[number]) for number in (0, 0, 1))
    world.delete(gone)
    assert len(client.names()) == 2
    client.token = client.server.token_of(world.developers[0])
    assert client.get("/users/me")["roles"] == []
    assert client.names() == [own.name]
    assert [task["name"] for task in client.get("/tasks")["tasks"]] == [own.name]
    for hidden in (gone, other):
        assert client.call(f"/workspaces/{hidden.id}", include_deleted="true").status_code == 404
        assert client.call(f"/workspaces/{hidden.id}/builds").status_code == 404
        assert client.call(f"/workspacebuilds/{hidden.builds[0].id}").status_code == 404
    world.licence = Licence()
    assert client.call("/entitlements").status_code == 200
    assert client.call("/audit").status_code == 403


def test_notifications_are_switched_on_for_a_user_and_then_sent(world: World, client: Client) -> None:
    quiet = next(user for user in world.developers if not user.opted_in)
    templates = {row["name"]: row for row in client.get("/notifications/templates/system")}
    assert templates["Task Idle"]["enabled_by_default"] is False
    assert templates["Task Resumed"]["enabled_by_default"] is True
    idle = templates["Task Idle"]["id"]
    path = f"/users/{quiet.username}/notifications/preferences"
    assert client.get(path) == []
    answer = client.call(path, "PUT", {"template_disabled_map": {idle: False}})
    assert [(row["id"], row["disabled"]) for row in answer.json()] == [(idle, False)]
    assert world.notifies(quiet, next(t for t in world.known_templates if t.name == "Task Idle"))
    client.token = client.server.token_of(world.developers[1])
    assert client.call(path).status_code == (200 if quiet == world.developers[1] else 404)


def test_dispatch_methods_and_a_paused_notifier_are_reported(world: World, client: Client) -> None:
    world.default_method, world.notifier_paused = "smtp", True
    assert client.get("/notifications/dispatch-methods")["default"] == "smtp"
    assert client.get("/notifications/settings") == {"notifier_paused": True}


def test_requests_are_counted_by_their_pattern(world: World, client: Client) -> None:
    for _ in range(2):
        client.get(f"/workspaces/{world.create_task(world.developers[0]).id}/builds", limit=5)
    requests.get(client.server.url + "/elsewhere", timeout=PATIENCE)
    assert client.server.requests == {"GET /api/v2/workspaces/{id}/builds": 2, "GET /elsewhere": 1}
    assert client.server.calls[0].endswith("/builds?limit=5")


ENDINGS = ["pending", "running", "failed", "cancelled while queued", "cancelled while running"]


def end(world: World, workspace: Workspace, ending: str) -> None:
    """Resume a paused task in a way that does not succeed."""
    build = world.resume(workspace, unfinished=True)
    if ending in {"running", "cancelled while running"}:
        world.run(build)
    if ending == "failed":
        world.finish(build, succeeded=False)
    if ending.startswith("cancelled"):
        world.cancel(build)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(("version", "listed"), [((2, 28, 11), False), ((2, 29, 6), True), ((2, 31, 9), True)])
def test_a_build_that_did_not_succeed_has_no_flag_and_hides_its_task_in_the_oldest_version_alone(
    world: World, client: Client, ending: str, version: tuple[int, int, int], listed: bool
) -> None:
    world.version = version
    workspace = world.create_task(world.developers[0])
    world.pause(workspace)
    assert client.names("has-ai-task:true") == [workspace.name]
    end(world, workspace, ending)
    assert client.names("has-ai-task:true") == [workspace.name] * listed
    assert client.names("has-ai-task:false") == [workspace.name] * (not listed)
    newest, *older = client.get(f"/workspaces/{workspace.id}/builds")
    assert "has_ai_task" not in newest
    assert "has_external_agent" not in newest
    assert [build["has_ai_task"] for build in older] == [True, True]
    assert client.get("/api/experimental/tasks" if version < (2, 29, 0) else "/tasks")["count"] == 1


@pytest.mark.parametrize(
    ("ending", "job", "error", "moments"),
    [
        ("pending", "pending", None, set()),
        ("running", "running", None, {"started_at"}),
        ("failed", "failed", "terraform apply: exit status 1", {"started_at", "completed_at"}),
        ("cancelled while queued", "canceled", None, {"canceled_at", "completed_at"}),
        ("cancelled while running", "failed", "canceled", {"started_at", "canceled_at", "completed_at"}),
    ],
)
def test_a_cancelled_build_ends_as_cancelled_only_if_nothing_had_begun(
    world: World, client: Client, ending: str, job: str, error: str | None, moments: set[str]
) -> None:
    workspace = world.create_task(world.developers[0])
    world.pause(workspace)
    end(world, workspace, ending)
    shown = client.get(f"/workspaces/{workspace.id}/builds")[0]["job"]
    assert (shown["status"], shown.get("error")) == (job, error)
    assert shown.keys() & {"started_at", "canceled_at", "completed_at"} == moments


def test_the_job_of_a_build_names_its_organization_and_nothing_else(world: World, client: Client) -> None:
    workspace = world.create_task(world.developers[0])
    (build,) = client.get(f"/workspaces/{workspace.id}/builds")
    assert build["job"]["organization_id"] == world.organization_id
    assert set(build["job"]["metadata"].values()) == {"", "00000000-0000-0000-0000-000000000000"}
    assert build["workspace_owner_id"] == workspace.owner.id


def test_a_deleted_task_leaves_its_id_its_names_and_the_flags_of_its_builds(world: World, client: Client) -> None:
    workspace = world.create_task(world.developers[0])
    task_id = client.get(f"/workspaces/{workspace.id}")["task_id"]
    assert task_id == workspace.task.id
    world.delete(workspace)
    assert client.names() == client.names("has-ai-task:true") == []
    assert client.get("/tasks")["count"] == 0
    assert client.call(f"/workspaces/{workspace.id}").status_code == 410
    gone = client.get(f"/workspaces/{workspace.id}", include_deleted="true")
    assert (gone["task_id"], gone["template_name"], gone["organization_name"]) == (
        task_id,
        workspace.template.name,
        "coder",
    )
    assert gone["latest_build"]["status"] == "deleted"
    listed = client.get(f"/workspaces/{workspace.id}/builds")
    assert [(build["transition"], build["has_ai_task"]) for build in listed] == [("delete", False), ("start", True)]


@pytest.mark.parametrize("version", [(2, 28, 11), (2, 29, 6), (2, 31, 9)])
def test_no_version_lists_deleted_workspaces(world: World, client: Client, version: tuple[int, int, int]) -> None:
    world.version = version
    answer = client.call("/workspaces", q="deleted:true")
    assert answer.status_code == 400
    assert answer.json()["validations"] == [{"field": "deleted", "detail": '"deleted" is not a valid query param'}]


def test_what_is_left_of_a_deleted_task_is_still_listed_by_its_flag_from_2_29_on(world: World, client: Client) -> None:
    workspace = world.create_task(world.developers[0])
    world.delete(workspace, fails=True)
    assert client.names("has-ai-task:true") == [workspace.name]
    assert world.start(workspace).counts is False
    assert client.names("has-ai-task:true") == [workspace.name]
    world.version = (2, 28, 11)
    assert client.names("has-ai-task:true") == []


def test_an_ordinary_workspace_of_an_ai_template_is_flagged_by_the_oldest_version_alone(
    world: World, client: Client
) -> None:
    for version, flag in (((2, 28, 11), True), ((2, 29, 6), False), ((2, 31, 9), False)):
        world.version = version
        workspace = world.create_workspace(world.developers[0], world.template("codex-tasks"), why="work")
        assert client.get(f"/workspaces/{workspace.id}")["task_id"] is None
        assert [one["has_ai_task"] for one in client.get(f"/workspaces/{workspace.id}/builds")] == [flag]
    assert len(world.usage) == 0


def test_the_audit_log_needs_no_licence_and_tells_of_what_is_gone(world: World, client: Client) -> None:
    workspace = world.create_task(world.developers[0])
    world.delete(workspace)
    found = client.get("/audit", q="resource_type:workspace_build action:start date_from:2026-03-02")
    (entry,) = found["audit_logs"]
    assert entry["additional_fields"] == {
        "build_number": "1",
        "build_reason": "initiator",
        "workspace_id": workspace.id,
        "workspace_name": workspace.name,
        "workspace_owner": "",
    }
    assert (entry["resource_id"], entry["time"][:10]) == (workspace.builds[0].id, "2026-03-02")
    assert client.get("/audit", q="resource_type:workspace_build action:start date_to:2026-03-01")["count"] == 0
    everything = client.get("/audit", limit=2)
    assert (len(everything["audit_logs"]), everything["count"]) == (2, 5)


def test_the_jobs_of_provisioners_name_deleted_workspaces_the_newest_first(world: World, client: Client) -> None:
    workspace = world.create_task(world.developers[0])
    world.update(workspace)
    world.delete(workspace)
    world.create_task(world.developers[1], fails=True)
    path = f"/organizations/{world.organization_id}/provisionerjobs"
    jobs = client.get(path, status="succeeded")
    assert [job["created_at"] for job in jobs] == sorted((job["created_at"] for job in jobs), reverse=True)
    assert sorted(job["type"] for job in jobs) == ["template_version_import", *["workspace_build"] * 4]
    builds_of = [job for job in jobs if job["type"] == "workspace_build"]
    assert [job["input"]["workspace_build_id"] for job in builds_of] == [one.id for one in workspace.builds[::-1]]
    assert {job["metadata"]["workspace_id"] for job in builds_of} == {workspace.id}
    assert [job["metadata"].get("workspace_id") for job in jobs if job not in builds_of] == [None]
    assert client.get(path, status="succeeded", limit=2) == jobs[:2]
    assert [job["status"] for job in client.get(path, status="failed,canceled")] == ["failed"]
    assert client.call(path, status="green").status_code == 400


def test_an_agpl_server_has_no_enterprise_routes_and_records_no_audit_entries(world: World, client: Client) -> None:
    world.agpl = True
    workspace = world.create_task(world.developers[0])
    world.delete(workspace)
    method = f"/notifications/templates/{client.get('/notifications/templates/system')[0]['id']}/method"
    for path, how in (("/entitlements", "GET"), ("/groups", "GET"), (method, "PUT")):
        answer = client.call(path, how, {"method": "webhook"} if how == "PUT" else None)
        assert (answer.status_code, answer.json()["message"]) == (404, "Route not found.")
    assert client.get("/audit")["audit_logs"] == []
    assert len(client.get(f"/organizations/{world.organization_id}/provisionerjobs")) == 2
    assert world.usage == []


ROLES = {
    "owner": {Role.OWNER},
    "template-admin": {Role.TEMPLATE_ADMIN},
    "auditor": {Role.AUDITOR},
    "template-admin and auditor": {Role.TEMPLATE_ADMIN, Role.AUDITOR},
    "organization-template-admin": {Role.ORGANIZATION_TEMPLATE_ADMIN},
    "member": set(),
}


@pytest.mark.parametrize(
    ("roles", "workspaces", "tasks", "audit", "config", "jobs", "method"),
    [
        ("owner", 1, 1, 200, 200, 200, 304),
        ("template-admin", 1, 0, 403, 403, 404, 403),
        ("auditor", 0, 0, 200, 200, 404, 403),
        ("template-admin and auditor", 1, 0, 200, 200, 404, 403),
        ("organization-template-admin", 1, 0, 403, 403, 200, 403),
        ("member", 0, 0, 403, 403, 404, 403),
    ],
)
def test_each_role_sees_what_it_sees_of_a_real_coder(
    world: World,
    client: Client,
    roles: str,
    workspaces: int,
    tasks: int,
    audit: int,
    config: int,
    jobs: int,
    method: int,
) -> None:
    kept, gone = (world.create_task(world.developers[number]) for number in (0, 1))
    world.delete(gone)
    world.methods["843ee9c3-a8fb-4846-afa9-977bec578649"] = "webhook"
    client.token = client.server.token_of(world.add_user("meter", *ROLES[roles]))
    shown = [row["name"] for row in client.get("/users/me")["roles"]]
    assert shown == sorted(role.value for role in ROLES[roles] - {Role.ORGANIZATION_TEMPLATE_ADMIN})
    assert client.names() == [kept.name] * workspaces
    assert client.get("/tasks")["count"] == tasks
    assert client.call(f"/workspaces/{gone.id}/builds").status_code == (200 if workspaces else 404)
    assert client.call("/audit").status_code == audit
    assert client.call("/deployment/config").status_code == config
    assert client.call(f"/organizations/{world.organization_id}/provisionerjobs").status_code == jobs
    path = "/notifications/templates/843ee9c3-a8fb-4846-afa9-977bec578649/method"
    assert client.call(path, "PUT", {"method": "webhook"}).status_code == method
    assert client.call("/entitlements").status_code == 200


def test_the_method_of_a_template_needs_no_licence(world: World, client: Client) -> None:
    template = client.get("/notifications/templates/system")[0]
    path = f"/notifications/templates/{template['id']}/method"
    assert client.call(path, "PUT", {"method": "webhook"}).status_code == 200
    assert client.call(path, "PUT", {"method": "webhook"}).status_code == 304
    assert client.call(path, "PUT", {"method": "pigeon"}).status_code == 400
    assert client.get("/notifications/templates/system")[0]["method"] == "webhook"


def test_groups_need_a_licence(world: World, client: Client) -> None:
    assert client.call("/groups").status_code == 403
    world.licence = Licence()
    assert [group["name"] for group in client.get("/groups")] == ["Everyone"]


def test_an_owners_token_lives_for_a_week_at_most_and_its_end_slides(world: World, client: Client) -> None:
    owner = client.get("/users/me")["username"]
    year, hour = 8760 * 3600 * 10**9, 3600 * 10**9
    assert client.get(f"/users/{owner}/keys/tokens/tokenconfig") == {"max_token_lifetime": 168 * hour}
    refused = client.call(f"/users/{owner}/keys/tokens", "POST", {"token_name": "x", "lifetime": year})
    assert (refused.status_code, refused.json()["detail"]) == (400, "lifetime must be less than 168h0m0s")
    made = client.call("/users/me/keys/tokens", "POST", {"token_name": "x", "lifetime": 6 * hour})
    assert made.status_code == 201
    client.token = made.json()["key"]
    path = f"/users/me/keys/{client.token.partition('-')[0]}"
    first = client.get(path)
    assert first["lifetime_seconds"] == 6 * 3600
    world.pass_time(5 * 60)
    assert client.get(path)["expires_at"] > first["expires_at"]
    world.pass_time(6 * 60 + 1)
    assert client.call(path).status_code == 401


def test_anybody_elses_token_may_live_for_a_year(world: World, client: Client) -> None:
    client.token = client.server.token_of(world.add_user("meter", Role.TEMPLATE_ADMIN, Role.AUDITOR))
    year = 8760 * 3600 * 10**9
    assert client.call("/users/me/keys/tokens", "POST", {"token_name": "x", "lifetime": year}).status_code == 201
    assert client.call("/users/me/keys/unknown").status_code == 404


def test_every_template_that_the_rules_know_by_its_id_is_listed_and_most_are_on(world: World, client: Client) -> None:
    listed = client.get("/notifications/templates/system")
    assert len(listed) == len({row["id"] for row in listed}) == 29
    assert sorted(row["name"] for row in listed if not row["enabled_by_default"]) == [
        "Task Completed",
        "Task Failed",
        "Task Idle",
        "Task Working",
        "Workspace Created",
        "Workspace Manually Updated",
    ]
    world.version = (2, 29, 6)
    names = {row["name"] for row in listed} - {row["name"] for row in client.get("/notifications/templates/system")}
    assert names == {"Task Paused", "Task Resumed"}


def test_everything_of_a_template_belongs_to_its_organization(world: World, client: Client) -> None:
    data = world.add_organization("data", "codex-tasks", "go-backend")
    first = world.create_task(world.developers[0], world.template("claude-code-tasks"))
    second = world.create_task(world.developers[0], world.template("codex-tasks"))
    assert [one["name"] for one in client.get("/organizations")] == ["coder", "data"]
    shown = {one["name"]: one["organization_name"] for one in client.get("/workspaces")["workspaces"]}
    assert shown == {first.name: "coder", second.name: "data"}
    for name, workspace in (("default", first), ("data", second), (data.id, second)):
        jobs = client.get(f"/organizations/{name}/provisionerjobs")
        assert [job["metadata"]["workspace_id"] for job in jobs] == [workspace.id]
        assert {job["organization_id"] for job in jobs} == {workspace.template.organization.id}
    entries = client.get("/audit?q=organization:data")["audit_logs"]
    assert {entry["organization_id"] for entry in entries} == {data.id}
    assert {entry["resource_id"] for entry in entries if entry["resource_type"] == "workspace"} == {second.id}
