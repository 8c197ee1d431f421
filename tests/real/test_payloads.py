"""Every webhook body of a real Coder is classified as what it was."""

from pathlib import Path
from typing import Any

import pytest

from app.core.count.delivery import Event, read_delivery, to_event
from app.core.count.rules import EvidenceKind, Outcome, classify
from tests.core.make import FACTS, default_rules
from tests.real.sources import MISSING, ORIGINALS, SAMPLES, SOURCES, name_of, names_in, read, shape

RULES = default_rules()
CREATED, RESUMED, PAUSED, SEEN, FAILED = (
    EvidenceKind.CREATED,
    EvidenceKind.RESUMED,
    EvidenceKind.PAUSED,
    EvidenceKind.TASK_SEEN,
    EvidenceKind.FAILED,
)

#: Body, the rule that speaks of it, and what it shows; None is nothing.
BODIES: dict[str, tuple[str, EvidenceKind | None]] = {
    "TroubleshootingNotification": ("test-notification", None),
    "CustomNotification": ("custom-notification", None),
    "OneTimePasscode": ("one-time-passcode", None),
    "WorkspaceCreated.task.to-template-admin": ("workspace-created", CREATED),
    "WorkspaceCreated.task.to-owner": ("workspace-created", CREATED),
    "WorkspaceCreated.task-for-another-user": ("workspace-created", CREATED),
    "WorkspaceCreated.ordinary-from-ai-template": ("workspace-created", CREATED),
    "WorkspaceCreated.plain-with-parameters": ("workspace-created", CREATED),
    "WorkspaceCreated.terraform-task": ("workspace-created", CREATED),
    "TaskPaused.manual": ("task-paused", PAUSED),
    "TaskPaused.idle-timeout": ("task-paused", PAUSED),
    "TaskResumed": ("task-resumed", RESUMED),
    "TaskIdle": ("task-status", SEEN),
    "TaskWorking": ("task-status", SEEN),
    "TaskCompleted": ("task-status", SEEN),
    "TaskFailed": ("task-status", SEEN),
    "WorkspaceManuallyUpdated.task": ("workspace-updated", None),
    "WorkspaceManualBuildFailed.first-build-of-task": ("workspace-first-build-failed", FAILED),
    "WorkspaceManualBuildFailed.cancelled-while-running": ("workspace-first-build-failed", FAILED),
    "WorkspaceManualBuildFailed.delete-build": ("workspace-manual-build-failed", None),
    "WorkspaceAutobuildFailed.task_resume": ("task-resume-failed", FAILED),
    "WorkspaceAutobuildFailed.cli": ("workspace-autobuild-failed", None),
    "WorkspaceAutobuildFailed.ssh_connection": ("workspace-autobuild-failed", None),
    "WorkspaceAutobuildFailed.autostart": ("workspace-autobuild-failed", None),
    "WorkspaceUpdatedAutomatically.task": ("workspace-updated", None),
    "WorkspaceDeleted.task-by-admin": ("workspace-deleted", None),
    "WorkspaceMarkedAsDormant": ("workspace-unused", None),
    "UserAccountCreated": ("user-account-changed", None),
    "UserAccountSuspended": ("user-account-changed", None),
    "UserAccountActivated": ("user-account-changed", None),
    "UserAccountDeleted": ("user-account-changed", None),
    "YourAccountHasBeenSuspended": ("user-account-changed", None),
    "YourAccountHasBeenActivated": ("user-account-changed", None),
    "TemplateDeleted": ("template-changed", None),
    "v2.29.6.WorkspaceCreated": ("workspace-created", CREATED),
    "v2.29.6.WorkspaceManualBuildFailed": ("workspace-first-build-failed", FAILED),
}
each_body = pytest.mark.parametrize("name", [*BODIES])
each_source = pytest.mark.parametrize("source", SOURCES, ids=name_of)


def body_of(source: Path, name: str) -> bytes:
    return (source / "payloads" / f"{name}.json").read_bytes()


def event_of(source: Path, name: str) -> Event:
    delivery = read_delivery(body_of(source, name))
    return to_event("default", delivery.message_id, 1000.0, delivery.payload)


def test_the_originals_are_replayed_as_well_and_the_samples_are_like_them() -> None:
    if not ORIGINALS.is_dir():
        pytest.skip(MISSING)
    index = (ORIGINALS / "INDEX.md").read_text(encoding="utf-8")
    for kind in ("payloads", "api"):
        assert {name for name in names_in(ORIGINALS, kind) if f"{kind}/{name}.json`" not in index} == set()
        assert names_in(ORIGINALS, kind) == names_in(SAMPLES, kind)
    for name in [*BODIES, "HEADERS"]:
        sample, original = (read(source, "payloads", name) for source in (SAMPLES, ORIGINALS))
        assert shape(sample) == shape(original), name
        for words in ("title", "title_markdown", "body", "body_markdown"):
            assert words not in original or sample[words] != original[words], name


@each_source
def test_the_table_speaks_of_every_body(source: Path) -> None:
    assert names_in(source, "payloads") == {*BODIES, "HEADERS"}


@each_source
@each_body
def test_each_body_gets_the_verdict_of_the_table(source: Path, name: str) -> None:
    verdict = classify(event_of(source, name), RULES, FACTS)
    rule, kind = BODIES[name]
    assert (verdict.rule, verdict.evidence) == (rule, kind)
    assert verdict.outcome is (Outcome.EVIDENCE if kind else Outcome.IGNORED)


@each_source
@pytest.mark.parametrize("name", [name for name in BODIES if name.startswith(("Workspace", "Task", "v2"))])
def test_each_body_about_a_workspace_names_it_and_its_owner(source: Path, name: str) -> None:
    event, raw = event_of(source, name), read(source, "payloads", name)["payload"]
    labels = raw["labels"]
    assert event.workspace_id == raw["targets"][0]
    assert event.workspace == labels.get("workspace", labels.get("name"))
    link = next((action["url"] for action in raw["actions"] if "/@" in action["url"]), "")
    owner = labels.get("workspace_owner_username") or link.partition("/@")[2].partition("/")[0]
    # Of a deleted workspace there is no link; nothing is counted by that.
    assert event.owner == owner
    assert bool(owner) is (name != "WorkspaceDeleted.task-by-admin")


@each_source
def test_a_tasks_creation_and_an_ordinary_workspaces_cannot_be_distinguished(source: Path) -> None:
    task, ordinary = (
        read(source, "payloads", f"WorkspaceCreated.{name}")["payload"]
        for name in ("task.to-owner", "ordinary-from-ai-template")
    )
    assert shape(task) == shape(ordinary)
    assert task["labels"]["template"] == ordinary["labels"]["template"]
    assert event_of(source, "WorkspaceCreated.task.to-owner").build_number is None


@each_source
def test_nothing_of_the_passcode_is_kept(source: Path) -> None:
    raw = read(source, "payloads", "OneTimePasscode")["payload"]
    code = raw["labels"]["one_time_passcode"]
    assert code in raw["actions"][0]["url"]
    kept = read_delivery(body_of(source, "OneTimePasscode")).payload
    assert code not in str(kept)
    assert kept.keys() == {"_version", "notification_name", "notification_template_id", "user_id"}


@each_source
@each_body
def test_no_address_of_a_person_is_kept(source: Path, name: str) -> None:
    raw = read(source, "payloads", name)["payload"]
    assert raw["user_email"] not in str(read_delivery(body_of(source, name)).payload)


@each_source
def test_a_message_is_known_by_its_header_as_well_and_nothing_is_signed(source: Path) -> None:
    headers = {key.lower(): value for key, value in read(source, "payloads", "HEADERS")["headers"]}
    unnamed: dict[str, Any] = {"payload": read(source, "payloads", "TaskResumed")["payload"]}
    body = str(unnamed).replace("'", '"').replace("None", "null").encode()
    assert read_delivery(body, headers["x-message-id"]).message_id == headers["x-message-id"]
    assert headers["authorization"].startswith("Basic ")
    assert headers.keys() == {
        "host", "user-agent", "content-length", "authorization", "content-type", "x-message-id", "accept-encoding",
    }  # fmt: skip
