"""The simulated API answers as Coder's does: who may read, which pages, which flags."""

from collections.abc import Iterator

import pytest
import requests

from app.core import coder
from app.simulator.api import Quirks
from app.simulator.licence import Licence
from app.simulator.model import Workspace
from app.simulator.world import World
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
    assert coder.BuildInfo.model_validate(answer.json()).number == (2, 31, 2)
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


def test_ids_that_may_be_missing_can_be_wrapped_as_the_documentation_shows_them(world: World) -> None:
    workspace = world.create_task(world.developers[0])
    with serving(world, Quirks(wrapped_ids=True)) as client:
        (task,) = client.get("/tasks")["tasks"]
    assert task["workspace_id"] == {"uuid": workspace.id, "valid": True}
    assert coder.Task.model_validate(task).workspace_id == workspace.id


@pytest.mark.parametrize(
    ("version", "stable", "experimental"),
    [((2, 27, 4), 404, 200), ((2, 28, 9), 200, 200), ((2, 29, 0), 200, 404), ((2, 37, 0), 404, 404)],
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


@pytest.mark.parametrize("state", ["pending", "running", "failed", "canceled"])
def test_a_task_hides_from_its_flag_while_the_latest_build_has_not_succeeded(
    world: World, client: Client, state: str
) -> None:
    workspace = world.create_task(world.developers[0])
    world.pause(workspace)
    assert client.names("has-ai-task:true") == [workspace.name]
    build = world.resume(workspace, unfinished=True)
    if state == "running":
        world.run(build)
    elif state == "failed":
        world.finish(build, succeeded=False)
    elif state == "canceled":
        world.cancel(build)
    assert client.names("has-ai-task:true") == []
    assert client.names("has-ai-task:false") == client.names() == [workspace.name]
    listed = client.get(f"/workspaces/{workspace.id}/builds")
    assert [build["has_ai_task"] for build in listed] == [None, True, True]
    assert listed[0]["job"]["status"] == state
    assert ("completed_at" in listed[0]["job"]) == (state in {"failed", "canceled"})
    assert client.get("/tasks")["count"] == 1


def test_a_deleted_task_hides_from_its_flag_but_its_builds_keep_theirs(world: World, client: Client) -> None:
    workspace = world.create_task(world.developers[0])
    world.delete(workspace)
    assert client.names() == client.names("has-ai-task:true") == client.names("has-ai-task:true deleted:true") == []
    assert client.names("deleted:true") == [workspace.name]
    assert client.get("/tasks")["count"] == 0
    assert client.call(f"/workspaces/{workspace.id}").status_code == 410
    assert client.get(f"/workspaces/{workspace.id}", include_deleted="true")["latest_build"]["status"] == "deleted"
    listed = client.get(f"/workspaces/{workspace.id}/builds")
    assert [(build["transition"], build["has_ai_task"]) for build in listed] == [("delete", False), ("start", True)]


def test_a_search_for_last_use_needs_quotes(world: World, client: Client) -> None:
    old = world.create_task(world.developers[0])
    world.pass_time(600)
    noon = world.now.isoformat().replace("+00:00", "Z")
    world.pass_time(600)
    young = world.create_task(world.developers[1])
    assert client.names(f'last_used_after:"{noon}"') == [young.name]
    assert client.call("/workspaces", q=f"last_used_after:{noon}").status_code == 400
    world.delete(old)
    assert client.names(f'deleted:true last_used_after:"{noon}"') == []


def test_without_its_quirks_the_list_knows_no_deleted_workspaces_and_flags_whatever_had_a_task(world: World) -> None:
    workspace = world.create_task(world.developers[0], fails=True)
    with serving(world, Quirks(deleted_key=False, ai_task_by_task=True)) as client:
        assert client.names("has-ai-task:true") == [workspace.name]
        answer = client.call("/workspaces", q="deleted:true")
    assert answer.status_code == 400
    assert answer.json()["validations"][0]["field"] == "deleted"


def test_a_member_sees_only_what_is_their_own_and_exists(world: World, client: Client) -> None:
    own, gone, other = (world.create_task(world.developers[number]) for number in (0, 0, 1))
    world.delete(gone)
    assert len(client.names()) == 2
    client.token = client.server.token_of(world.developers[0])
    assert client.get("/users/me")["roles"] == []
    assert client.names() == [own.name]
    assert client.names("deleted:true") == []
    assert [task["name"] for task in client.get("/tasks")["tasks"]] == [own.name]
    for hidden in (gone, other):
        assert client.call(f"/workspaces/{hidden.id}", include_deleted="true").status_code == 404
        assert client.call(f"/workspaces/{hidden.id}/builds").status_code == 404
        assert client.call(f"/workspacebuilds/{hidden.builds[0].id}").status_code == 404
    world.licence = Licence()
    assert client.call("/entitlements").status_code == 200
    assert client.call("/audit").status_code == 403


def test_the_audit_log_is_premium_and_tells_of_what_is_gone(world: World, client: Client) -> None:
    workspace = world.create_task(world.developers[0])
    world.delete(workspace)
    assert client.call("/audit").status_code == 403
    world.licence = Licence()
    found = client.get("/audit", q="resource_type:workspace_build action:start date_from:2026-03-02")
    (entry,) = found["audit_logs"]
    assert entry["additional_fields"]["workspace_id"] == workspace.id
    assert (entry["resource_id"], entry["time"][:10]) == (workspace.builds[0].id, "2026-03-02")
    assert client.get("/audit", q="resource_type:workspace_build action:start date_to:2026-03-01")["count"] == 0
    everything = client.get("/audit", limit=2)
    assert (len(everything["audit_logs"]), everything["count"]) == (2, 5)


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
    assert world.tells(quiet, next(t for t in world.known_templates if t.name == "Task Idle"))
    client.token = client.server.token_of(world.developers[1])
    assert client.call(path).status_code == (200 if quiet == world.developers[1] else 404)


def test_the_method_of_a_template_is_for_owners_with_a_licence(world: World, client: Client) -> None:
    template = client.get("/notifications/templates/system")[0]
    path = f"/notifications/templates/{template['id']}/method"
    assert client.call(path, "PUT", {"method": "webhook"}).status_code == 403
    world.licence = Licence()
    assert client.call(path, "PUT", {"method": "webhook"}).status_code == 200
    assert client.call(path, "PUT", {"method": "webhook"}).status_code == 304
    assert client.call(path, "PUT", {"method": "pigeon"}).status_code == 400
    assert client.get("/notifications/templates/system")[0]["method"] == "webhook"
    client.token = client.server.token_of(world.developers[0])
    assert client.call(path, "PUT", {"method": "smtp"}).status_code == 403


def test_dispatch_methods_and_a_paused_notifier_are_told(world: World, client: Client) -> None:
    world.default_method, world.notifier_paused = "smtp", True
    assert client.get("/notifications/dispatch-methods")[0]["default"] == "smtp"
    assert client.get("/notifications/settings") == {"notifier_paused": True}


def test_requests_are_counted_by_their_pattern(world: World, client: Client) -> None:
    for _ in range(2):
        client.get(f"/workspaces/{world.create_task(world.developers[0]).id}/builds", limit=5)
    requests.get(client.server.url + "/elsewhere", timeout=5)
    assert client.server.requests == {"GET /api/v2/workspaces/{id}/builds": 2, "GET /elsewhere": 1}
    assert client.server.calls[0].endswith("/builds?limit=5")
