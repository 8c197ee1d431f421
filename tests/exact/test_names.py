"""Names in records: known as soon as Coder tells them, repaired where it did late, and the newest ones everywhere."""

from app.core.count.meter import UsageRecord
from app.simulator.licence import Licence
from app.simulator.model import Workspace
from app.store.count.naming import Naming
from app.store.count.search import find
from app.store.count.snapshot import Snapshot
from tests.exact.play import DEPLOYMENT
from tests.exact.stage import Stage, tasks


def rename(what: object, field: str, name: str) -> None:
    """Rename something of the world, whose users and templates do not change otherwise."""
    object.__setattr__(what, field, name)


def by(stage: Stage, dimension: str) -> dict[str, int]:
    """Return the totals by name of the present period."""
    usage = stage.usage()
    rows = Snapshot(stage.connection, DEPLOYMENT, usage.meter).names(dimension, usage.period, usage.as_of.date(), 100)
    return dict(rows)


def names(records: list[UsageRecord]) -> set[tuple[str, str, str]]:
    return {(record.owner, record.template, record.organization) for record in records}


def prove_by_delivery(stage: Stage) -> Workspace:
    workspace = stage.world.create_task(stage.world.user("ada"), stage.world.templates[0])
    stage.tell()
    stage.verify()
    return workspace


def test_a_record_proved_before_any_listing_has_all_names(stage: Stage) -> None:
    prove_by_delivery(stage)
    assert names(stage.records()) == {("ada", "claude-code-tasks", "coder")}
    assert by(stage, "organization") == {"coder": 1}


def test_a_record_of_a_workspace_that_was_deleted_before_any_listing_has_all_names(stage: Stage) -> None:
    workspace = stage.world.create_task(stage.world.user("ada"), stage.world.templates[0])
    stage.world.delete(workspace)
    stage.forget()
    stage.look()
    assert names(stage.records()) == {("ada", "claude-code-tasks", "coder")}


def test_names_that_coder_did_not_tell_are_repaired_with_the_totals(stage: Stage) -> None:
    workspace = stage.world.create_task(stage.world.user("ada"), stage.world.templates[0])
    stage.world.delete(workspace)
    stage.forget()
    stage.server.denied = ("include_deleted",)
    stage.look()
    # The organization is known by the id in the build's job.
    assert [record.organization for record in stage.records()] == ["coder"]
    stage.connection.flushall()
    stage.server.denied = ("include_deleted", "/organizations")
    stage.world.licence = Licence()
    stage.look()
    assert by(stage, "organization") == {"": 1}
    stage.server.denied = ()
    stage.look()
    assert names(stage.records()) == {("ada", "claude-code-tasks", "coder")}
    assert by(stage, "organization") == {"coder": 1}
    assert by(stage, "template") == {"claude-code-tasks": 1}
    stage.assert_exact()


def test_records_of_a_version_that_noted_no_names_are_repaired_by_the_next_pass(stage: Stage) -> None:
    workspace = prove_by_delivery(stage)
    stage.world.delete(workspace)
    # What such a version left: records without organization, and nothing known of the workspace but its builds.
    stage.ledger.name({workspace.id: {}})
    before = stage.records()[0]
    Naming(stage.connection, DEPLOYMENT, "awb").rename(workspace.id, {"organization": "wrong"})
    assert by(stage, "organization") == {"wrong": 1}
    stage.look()
    assert stage.records() == [before]
    assert by(stage, "organization") == {"coder": 1}


def test_a_renamed_user_keeps_one_line_under_the_newest_name_and_is_found_by_the_former(stage: Stage) -> None:
    ada, template = stage.world.user("ada"), stage.world.templates[0]
    gone, stays = stage.world.create_task(ada, template), stage.world.create_task(ada, template)
    stage.look()
    stage.world.delete(gone)
    stage.look()
    rename(ada, "username", "ada-lovelace")
    stage.world.pass_time(10)
    stage.look()
    assert by(stage, "user") == {"ada-lovelace": 2}
    assert {record.workspace_id for record in stage.book.page(None, 9, user="ada")[0]} == {gone.id, stays.id}
    assert [record.workspace_id for record in find(stage.book, f"ada/{stays.name}")] == [stays.id]
    assert [record.workspace_id for record in find(stage.book, f"ada-lovelace/{gone.name}")] == [gone.id]
    stage.assert_exact()


def test_a_former_name_that_somebody_else_takes_is_theirs(stage: Stage) -> None:
    ada, chen, template = stage.world.user("ada"), stage.world.user("chen"), stage.world.templates[0]
    stage.world.create_task(ada, template)
    theirs = stage.world.create_task(chen, template)
    stage.look()
    rename(ada, "username", "ada-lovelace")
    stage.look()
    rename(chen, "username", "ada")
    stage.look()
    assert by(stage, "user") == {"ada-lovelace": 1, "ada": 1}
    assert {record.workspace_id for record in stage.book.page(None, 9, user="ada")[0]} == {theirs.id}


def test_a_renamed_template_keeps_one_line(stage: Stage) -> None:
    workspaces = tasks(stage.world, 4)
    stage.look()
    template = workspaces[0].template
    several = sum(workspace.template is template for workspace in workspaces)
    former = template.name
    rename(template, "name", "renamed")
    stage.look()
    assert by(stage, "template")["renamed"] == several
    assert former not in by(stage, "template")
    assert len(stage.book.page(None, 9, template=former)[0]) == several
