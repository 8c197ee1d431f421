"""Who is told what, and in which shape."""

import json
from typing import Any

import pytest

from app.core.count.delivery import read_delivery
from app.simulator.model import Role, User
from app.simulator.notifications import Message, Outbox
from app.simulator.traffic import Traffic
from app.simulator.world import World


@pytest.fixture
def world() -> World:
    return World(1)


@pytest.fixture
def outbox(world: World) -> Outbox:
    return Outbox(world)


def follower(world: World) -> User:
    return next(user for user in world.developers if "Task Idle" in user.opted_in)


def payload(message: Message) -> dict[str, Any]:
    return json.loads(message.body)["payload"]


def test_a_new_workspace_is_reported_to_each_admin_but_the_initiator(world: World, outbox: Outbox) -> None:
    world.create_task(world.developers[0])
    messages = outbox.collect()
    assert {message.recipient.username for message in messages} == {user.username for user in world.admins}
    assert len({message.id for message in messages}) == len(messages) == len(world.admins)
    world.create_task(world.admins[0])
    assert world.admins[0] not in [message.recipient for message in outbox.collect()]


def test_workspace_created_has_envelope_and_payload_as_coder_sends_them(world: World, outbox: Outbox) -> None:
    workspace = world.create_task(world.developers[0])
    message = outbox.collect()[0]
    envelope = json.loads(message.body)
    assert set(envelope) == {"_version", "msg_id", "payload", "title", "title_markdown", "body", "body_markdown"}
    assert (envelope["_version"], envelope["msg_id"]) == ("1.1", message.id)
    sent = envelope["payload"]
    assert sent["_version"] == "1.2"
    assert sent["notification_template_id"] == "281fdf73-c6d6-4cbb-8ff5-888baf8a2fff"
    assert sent["user_username"] == message.recipient.username
    assert set(sent["labels"]) == {"workspace", "template", "version", "workspace_owner_username"}
    assert set(sent["data"]) == {"workspace", "template", "template_version", "owner", "parameters"}
    assert sent["targets"] == [workspace.id, workspace.owner.id, workspace.template.id, world.organization_id]
    assert "task" not in json.dumps(sent["labels"]).replace(workspace.template.name, "")
    assert f"**{workspace.name}**" in envelope["body_markdown"]


def test_pauses_and_resumes_are_reported_to_the_owner_alone(world: World, outbox: Outbox) -> None:
    workspace = world.create_task(world.developers[0])
    outbox.collect()
    world.pause(workspace, by_timeout=True)
    world.resume(workspace)
    paused, resumed = outbox.collect()
    assert paused.recipient is resumed.recipient is workspace.owner
    assert payload(paused)["notification_template_id"] == "2a74f3d3-ab09-4123-a4a5-ca238f4f65a1"
    assert payload(paused)["labels"]["pause_reason"] == "idle timeout"
    assert payload(resumed)["notification_template_id"] == "843ee9c3-a8fb-4846-afa9-977bec578649"
    for message in (paused, resumed):
        assert payload(message)["data"] is None
        assert payload(message)["targets"] == [workspace.id, workspace.owner.id, world.organization_id]


def test_a_second_resume_on_the_same_day_is_silent_and_one_on_the_next_day_is_not(world: World, outbox: Outbox) -> None:
    workspace = world.create_task(world.developers[0])
    told = []
    for minutes in (10, 10, 24 * 60):
        world.pause(workspace)
        world.pass_time(minutes)
        world.resume(workspace)
        told.append(sum(message.name == "Task Resumed" for message in outbox.collect()))
    assert told == [1, 0, 1]
    assert [happening.build.number for happening in outbox.silent if happening.build.counts] == [5]


def test_status_changes_reach_only_who_asked_and_never_the_first_working(world: World, outbox: Outbox) -> None:
    workspace = world.create_task(follower(world))
    outbox.collect()
    world.report_status(workspace, "working")
    world.report_status(workspace, "idle")
    world.report_status(workspace, "idle")
    (message,) = outbox.collect()
    assert (message.name, message.recipient) == ("Task Idle", workspace.owner)
    assert payload(message)["data"]["dedupe_bypass_ts"].endswith(":00Z")
    assert payload(message)["targets"] == [
        workspace.id,
        workspace.owner.id,
        world.organization_id,
        workspace.task.app_id,
    ]
    quiet = world.create_task(next(user for user in world.developers if not user.opted_in))
    outbox.collect()
    world.report_status(quiet, "idle")
    assert outbox.collect() == []


def test_a_failed_manual_build_is_reported_to_template_admins_with_its_number(world: World, outbox: Outbox) -> None:
    workspace = world.create_task(world.developers[0], fails=True)
    failed = [message for message in outbox.collect() if message.name == "Workspace Manual Build Failed"]
    admins = [user for user in world.users if Role.TEMPLATE_ADMIN in user.roles]
    assert [message.recipient for message in failed] == admins
    labels = payload(failed[0])["labels"]
    assert labels["workspace_build_number"] == "1"
    assert labels["workspace_owner_username"] == workspace.owner.username
    assert labels["name"] == workspace.name


def test_a_failed_autostart_is_reported_to_the_owner_without_a_number(world: World, outbox: Outbox) -> None:
    workspace = world.create_workspace(world.developers[0], world.template("go-backend"), why="work")
    world.stop(workspace)
    outbox.collect()
    world.start(workspace, reason="autostart", fails=True)
    (message,) = outbox.collect()
    assert (message.name, message.recipient) == ("Workspace Autobuild Failed", workspace.owner)
    assert payload(message)["labels"] == {"name": workspace.name, "reason": "autostart"}


@pytest.mark.parametrize("reason", ["initiator", "cli", "ssh_connection", "autostart"])
def test_a_successful_start_is_reported_to_nobody(world: World, outbox: Outbox, reason: str) -> None:
    workspace = world.create_workspace(world.developers[0], world.template("go-backend"), why="work")
    world.stop(workspace)
    outbox.collect()
    world.start(workspace, reason=reason)
    assert outbox.collect() == []


def test_a_deletion_is_reported_to_the_owner_unless_it_was_their_own(world: World, outbox: Outbox) -> None:
    own, taken = (world.create_task(world.developers[0]) for _ in range(2))
    outbox.collect()
    world.delete(own)
    assert outbox.collect() == []
    world.delete(taken, world.admins[0])
    (message,) = outbox.collect()
    assert payload(message)["labels"] == {
        "name": taken.name,
        "reason": "initiated by user",
        "initiator": world.admins[0].username,
    }


@pytest.mark.parametrize("seed", range(5))
def test_the_meter_can_read_every_message(seed: int) -> None:
    world = World(seed, display_names=True)
    outbox, traffic = Outbox(world), Traffic(world, failing_resumes=True)
    for _ in range(200):
        traffic.step()
    messages = outbox.collect()
    assert len({message.id for message in messages}) == len(messages) > 100
    for message in messages:
        assert read_delivery(message.body).message_id == message.id
        assert "{" not in json.dumps([json.loads(message.body)[key] for key in ("title", "body")])


def sent(outbox: Outbox) -> list[str]:
    return [message.name for message in outbox.collect()]


MANUAL, AUTO = "Workspace Manual Build Failed", "Workspace Autobuild Failed"


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("stop", [MANUAL, MANUAL]),
        ("delete", [MANUAL, MANUAL]),
        ("initiator", [MANUAL, MANUAL]),
        ("cli", [AUTO]),
        ("ssh_connection", [AUTO]),
        ("dashboard", [AUTO]),
        ("autostart", [AUTO]),
        ("resume", ["Task Resumed", AUTO]),
        ("pause", ["Task Paused", AUTO]),
    ],
)
def test_a_build_that_fails_is_reported_by_its_reason_whatever_it_was_to_do(
    world: World, outbox: Outbox, how: str, told: list[str]
) -> None:
    workspace = world.create_task(world.developers[0])
    if how == "resume":
        world.stop(workspace)
    outbox.collect()
    if how in {"stop", "delete", "resume", "pause"}:
        getattr(world, how)(workspace, fails=True)
    else:
        world.start(workspace, reason=how, fails=True)
    assert sent(outbox) == told


def test_a_build_cancelled_while_queued_is_reported_to_nobody_and_one_that_ran_as_failed(
    world: World, outbox: Outbox
) -> None:
    queued, running = (world.create_task(world.developers[0], unfinished=True) for _ in range(2))
    outbox.collect()
    world.cancel(queued.latest)
    assert sent(outbox) == []
    world.run(running.latest)
    world.cancel(running.latest)
    assert sent(outbox) == [MANUAL, MANUAL]


def test_an_owner_of_the_site_who_is_no_template_admin_is_not_notified_of_failed_builds(
    world: World, outbox: Outbox
) -> None:
    world.create_task(world.developers[0], fails=True)
    owners = {user for user in world.users if user.roles == {Role.OWNER}}
    assert owners
    assert not owners & {message.recipient for message in outbox.collect() if message.name == MANUAL}


def test_a_task_that_never_started_can_be_paused_and_that_is_reported(world: World, outbox: Outbox) -> None:
    workspace = world.create_task(world.developers[0], fails=True)
    outbox.collect()
    world.pause(workspace)
    assert sent(outbox) == ["Task Paused"]
    assert world.awbs == []


def test_a_schedule_that_updates_is_reported_before_anybody_knows_whether_the_build_succeeds(
    world: World, outbox: Outbox
) -> None:
    workspace = world.create_task(world.developers[0])
    world.stop(workspace)
    outbox.collect()
    world.start(workspace, reason="autostart", updates=True, fails=True)
    updated, failed = outbox.collect()
    assert (updated.name, failed.name) == ("Workspace Updated Automatically", AUTO)
    assert updated.recipient is workspace.owner
    assert payload(updated)["labels"]["reason"] == payload(failed)["labels"]["reason"] == "autostart"


def test_a_task_for_another_user_is_reported_to_every_admin_but_the_one_who_made_it(
    world: World, outbox: Outbox
) -> None:
    admin = world.admins[0]
    workspace = world.create_task(world.developers[0], initiator=admin)
    messages = outbox.collect()
    assert {message.recipient.username for message in messages} == {user.username for user in world.admins[1:]}
    assert {payload(message)["labels"]["workspace_owner_username"] for message in messages} == {
        workspace.owner.username
    }


@pytest.mark.parametrize("name", ["Task Resumed", "Task Paused"])
def test_versions_before_2_31_1_pause_and_resume_in_silence(world: World, outbox: Outbox, name: str) -> None:
    for version, reasons in (((2, 31, 0), {"initiator"}), ((2, 31, 1), {"task_manual_pause", "task_resume"})):
        world.version = version
        workspace = world.create_task(world.developers[0])
        world.pause(workspace)
        world.resume(workspace)
        assert {build.reason for build in workspace.builds[1:]} == reasons
        assert sent(outbox).count(name) == (version == (2, 31, 1))


def test_what_goes_by_mail_is_not_posted_and_another_method_makes_another_message(world: World, outbox: Outbox) -> None:
    workspace = world.create_task(world.developers[0])
    outbox.collect()
    resumed = next(one for one in world.known_templates if one.name == "Task Resumed")
    told = []
    for method in ("smtp", "webhook", "webhook"):
        world.methods[resumed.id] = method
        world.stop(workspace)
        world.resume(workspace)
        told.append(sent(outbox))
    assert told == [[], ["Task Resumed"], []]
