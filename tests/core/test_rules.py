from pathlib import Path
from typing import Any

import pytest

from app.core.count.conditions import Facts
from app.core.count.delivery import Event
from app.core.count.estimate import provisional_records
from app.core.count.evidence import Evidence
from app.core.count.meter import AWB
from app.core.count.rules import UNKNOWN_RULE, EvidenceKind, Outcome, RulesError, classify, load_rules
from tests.core.make import (
    AI_TEMPLATES,
    FACTS,
    PAYLOADS,
    ROOT,
    RULES_FILE,
    SHARED_PAYLOADS,
    default_rules,
    event_in,
    event_of,
)

RULES = default_rules()
REASONS = {rule.name: rule.verdict.reason for rule in RULES}

# The tables of Coder's templates (coderd/notifications/events.go): name, UUID, and the rule that speaks of it.
TEMPLATES = [
    ("Task Working", "bd4b7168-d05e-4e19-ad0f-3593b77aa90f", "task-status"),
    ("Task Idle", "d4a6271c-cced-4ed0-84ad-afd02a9c7799", "task-status"),
    ("Task Completed", "8c5a4d12-9f7e-4b3a-a1c8-6e4f2d9b5a7c", "task-status"),
    ("Task Failed", "3b7e8f1a-4c2d-49a6-b5e9-7f3a1c8d6b4e", "task-status"),
    ("Task Paused", "2a74f3d3-ab09-4123-a4a5-ca238f4f65a1", "task-paused"),
    ("Task Resumed", "843ee9c3-a8fb-4846-afa9-977bec578649", "task-resumed"),
    ("Workspace Created", "281fdf73-c6d6-4cbb-8ff5-888baf8a2fff", "workspace-created"),
    ("Workspace Manually Updated", "d089fe7b-d5c5-4c0c-aaf5-689859f7d392", "workspace-updated"),
    ("Workspace Deleted", "f517da0b-cdc9-410f-ab89-a86107c420ed", "workspace-deleted"),
    ("Workspace Autobuild Failed", "381df2a9-c0c0-4749-420f-80a9280c66f9", "workspace-autobuild-failed"),
    ("Workspace Manual Build Failed", "2faeee0f-26cb-4e96-821c-85ccb9f71513", "workspace-manual-build-failed"),
    ("Workspace Updated Automatically", "c34a0c09-0704-4cac-bd1c-0c0146811c2b", "workspace-updated"),
    ("Workspace Marked as Dormant", "0ea69165-ec14-4314-91f1-69566ac3c5a0", "workspace-unused"),
    ("Workspace Marked for Deletion", "51ce2fdf-c9ca-4be1-8d70-628674f9bc42", "workspace-unused"),
    ("Workspace Autostop Reminder", "6f6cb984-c167-4fa5-bb87-1058dd642779", "workspace-autostop-reminder"),
    ("Workspace Out Of Memory", "a9d027b4-ac49-4fb1-9f6d-45af15f64e7a", "workspace-resources-low"),
    ("Workspace Out Of Disk", "f047f6a3-5713-40f7-85aa-0394cce9fa3a", "workspace-resources-low"),
    ("Prebuilt Workspace Resource Replaced", "89d9745a-816e-4695-a17f-3d0a229e2b8d", "prebuild-claimed"),
    ("Prebuild Failure Limit Reached", "414d9331-c1fc-4761-b40c-d1f4702279eb", "prebuild-failures"),
    ("Report: Workspace Builds Failed", "34a20db2-e9cc-4a93-b0e4-8569699d7a00", "failed-builds-report"),
    ("Template Deleted", "29a09665-2a4c-403f-9648-54301670e7be", "template-changed"),
    ("Template Deprecated", "f40fae84-55a2-42cd-99fa-b41c1ca64894", "template-changed"),
    ("User account created", "4e19c0ac-94e1-4532-9515-d1801aa283b2", "user-account-changed"),
    ("User account deleted", "f44d9314-ad03-4bc8-95d0-5cad491da6b6", "user-account-changed"),
    ("User account suspended", "b02ddd82-4733-4d02-a2d7-c36f3598997d", "user-account-changed"),
    ("User account activated", "9f5af851-8408-4e73-a7a1-c6502ba46689", "user-account-changed"),
    ("Your account has been suspended", "6a2f0609-9b69-4d36-a989-9f5925b6cbff", "user-account-changed"),
    ("Your account has been activated", "1a6a6bea-ee0a-43e2-9e7c-eabdb53730e4", "user-account-changed"),
    ("One-Time Passcode", "62f86a30-2330-4b61-a26d-311ff3b608cf", "one-time-passcode"),
    ("Troubleshooting Notification", "c425f63e-716a-4bf4-ae24-78348f706c3f", "test-notification"),
    ("Custom Notification", "39b1e189-c857-4b0c-877a-511144c18516", "custom-notification"),
    ("AI Budget Warning", "b5db9597-de2a-4dea-87e9-25cee6906b86", "ai-budget"),
    ("AI Budget Limit Reached", "cdcf2ecd-f003-4169-9800-abb2661ea522", "ai-budget"),
    ("User Approaching AI Budget Limit", "2a7b0ac1-00e1-4625-9cd5-1e5933972c77", "ai-budget"),
    ("User Reached AI Budget Limit", "0bafe0ea-a78b-4217-ad05-1ef12e92e025", "ai-budget"),
    ("Missing AI Model Prices", "1b7d9fa7-f5a8-4e46-8078-5cf53abfed94", "ai-prices-missing"),
    ("Chats Auto-Archived", "764031be-4863-4220-867b-6ce1a1b7a5f5", "chat"),
    ("Chat Shared", "b789bd75-d7c6-4cab-9757-1147ab184903", "chat"),
    ("Chat Project Shared", "3f1c6d8a-5b2e-4f7a-9c0d-7e8b2a4c6d1f", "chat"),
    ("Workspace Agent Restarted", "", "workspace-agent-restarted"),
]

KINDS = {
    "task-resumed": EvidenceKind.RESUMED,
    "task-paused": EvidenceKind.PAUSED,
    "task-status": EvidenceKind.TASK_SEEN,
    "workspace-created-from-ai-template": EvidenceKind.CREATED,
    "workspace-created": EvidenceKind.CREATED,
    "workspace-first-build-failed": EvidenceKind.FAILED,
    "task-resume-failed": EvidenceKind.FAILED,
}


def told(event: Event) -> tuple[str, Outcome, EvidenceKind | None]:
    verdict = classify(event, RULES, FACTS)
    return verdict.rule, verdict.outcome, verdict.evidence


def expected(rule: str) -> tuple[str, Outcome, EvidenceKind | None]:
    return rule, Outcome.EVIDENCE if rule in KINDS else Outcome.IGNORED, KINDS.get(rule)


@pytest.mark.parametrize(("name", "template_id", "rule"), TEMPLATES, ids=[name for name, _, _ in TEMPLATES])
def test_each_of_coders_templates_is_known_by_its_uuid_and_by_its_name(name: str, template_id: str, rule: str) -> None:
    assert told(event_of({"notification_name": name})) == expected(rule)
    assert told(event_of({"notification_name": name.upper()})) == expected(rule)
    if template_id:
        renamed = {"notification_name": "Renamed by Coder", "notification_template_id": template_id.upper()}
        assert told(event_of(renamed)) == expected(rule)


def test_each_rule_speaks_of_some_template() -> None:
    assert {rule.name for rule in RULES} == {rule for _, _, rule in TEMPLATES} | {
        "workspace-created-from-ai-template",
        "workspace-first-build-failed",
        "task-resume-failed",
    }


OWN_PAYLOADS = {
    "task_created_in_ui": "workspace-created-from-ai-template",
    "task_created_by_pipeline": "workspace-created-from-ai-template",
    "task_resumed": "task-resumed",
    "task_paused": "task-paused",
    "task_working": "task-status",
    "task_idle_prompt_as_label": "task-status",
    "workspace_for_vscode_and_jupyter": "workspace-created",
    "workspace_for_cursor_and_claude_code": "workspace-created",
    "workspace_for_ai_bridge_and_boundaries": "workspace-created",
    "first_build_failed": "workspace-first-build-failed",
    "scheduled_start_failed": "workspace-autobuild-failed",
    "scheduled_stop_announced": "workspace-autostop-reminder",
    "one_time_passcode": "one-time-passcode",
    "prebuild_claimed": "prebuild-claimed",
    "failed_builds_report": "failed-builds-report",
    "v1_0_task_working": "task-status",
    "v1_1_manual_build_failed": "workspace-manual-build-failed",
}


@pytest.mark.parametrize("file", [*OWN_PAYLOADS])
def test_each_example_payload_gets_the_verdict_of_the_table(file: str) -> None:
    assert told(event_in(PAYLOADS / f"{file}.json")) == expected(OWN_PAYLOADS[file])


def test_the_table_speaks_of_every_example_payload() -> None:
    assert {path.stem for path in PAYLOADS.glob("*.json")} == {*OWN_PAYLOADS, "template_of_the_future"}


CODERS_PAYLOADS = {
    "AIBudgetLimitReachedUser": "ai-budget",
    "AIBudgetWarningAdmin": "ai-budget",
    "CustomNotification": "custom-notification",
    "PrebuildFailureLimitReached": "prebuild-failures",
    "TaskCompleted": "task-status",
    "TaskFailed": "task-status",
    "TaskIdle": "task-status",
    "TaskPaused": "task-paused",
    "TaskResumed": "task-resumed",
    "TaskWorking": "task-status",
    "TemplateDeleted": "template-changed",
    "TestNotification": "test-notification",
    "UserAccountActivated": "user-account-changed",
    "UserAccountCreated": "user-account-changed",
    "UserAccountDeleted": "user-account-changed",
    "WorkspaceAgentRestarted": "workspace-agent-restarted",
    "WorkspaceAutoUpdated": "workspace-updated",
    "WorkspaceAutobuildFailed": "workspace-autobuild-failed",
    "WorkspaceCreated": "workspace-created",
    "WorkspaceDeleted": "workspace-deleted",
    "WorkspaceDormant": "workspace-unused",
    "WorkspaceManualBuildFailed": "workspace-manual-build-failed",
    "WorkspaceManuallyUpdated": "workspace-updated",
    "WorkspaceMarkedForDeletion": "workspace-unused",
    "WorkspaceOutOfDisk": "workspace-resources-low",
    "WorkspaceOutOfMemory": "workspace-resources-low",
    "YourAccountActivated": "user-account-changed",
    "YourAccountSuspended": "user-account-changed",
}


def test_coders_own_sample_payloads_get_the_verdict_of_the_table() -> None:
    """The samples are Coder's and lie outside this repository; where they are not there, the own payloads must do."""
    seen = {path.name: told(event_in(path)) for path in sorted(SHARED_PAYLOADS.glob("*.json"))}
    assert seen == {name: expected(CODERS_PAYLOADS[name.split(".")[0]]) for name in seen}


FAILED_BUILDS = [
    ("Workspace Manual Build Failed", {"workspace_build_number": "1"}, "workspace-first-build-failed"),
    ("Workspace Manual Build Failed", {"workspace_build_num": "1"}, "workspace-first-build-failed"),
    ("Workspace Manual Build Failed", {"workspace_build_number": "2"}, "workspace-manual-build-failed"),
    ("Workspace Manual Build Failed", {"workspace_build_number": "11"}, "workspace-manual-build-failed"),
    ("Workspace Manual Build Failed", {}, "workspace-manual-build-failed"),
    ("Workspace Autobuild Failed", {"reason": "task_resume"}, "task-resume-failed"),
    ("Workspace Autobuild Failed", {}, "workspace-autobuild-failed"),
    *(
        ("Workspace Autobuild Failed", {"reason": reason}, "workspace-autobuild-failed")
        for reason in ("cli", "ssh_connection", "dashboard", "autostart", "autostop", "task_auto_pause")
    ),
]


@pytest.mark.parametrize(("name", "labels", "rule"), FAILED_BUILDS)
def test_only_a_failed_creation_and_a_failed_resume_take_anything_back(
    name: str, labels: dict[str, str], rule: str
) -> None:
    assert told(event_of({"notification_name": name, "labels": labels})) == expected(rule)


def test_a_failed_start_stop_or_deletion_takes_no_resume_back() -> None:
    known, told_of = Evidence(), {"workspace": "w", "workspace_owner_username": "ada"}
    for number, (name, labels) in enumerate(
        [
            ("Task Resumed", {}),
            ("Workspace Manual Build Failed", {"workspace_build_number": "4"}),
            ("Workspace Autobuild Failed", {"reason": "cli"}),
        ]
    ):
        payload = {"notification_name": name, "labels": {**told_of, **labels}, "targets": ["w-1"]}
        event = event_of(payload, f"m{number}")
        verdict = classify(event, RULES, FACTS)
        if verdict.outcome is Outcome.EVIDENCE:
            known = known.with_event(event, verdict)
    assert len(provisional_records(known, AWB, "w-1", AI_TEMPLATES, REASONS.__getitem__)) == 1


def test_a_template_that_no_rule_knows_is_unknown_and_not_counted() -> None:
    verdict = classify(event_in(PAYLOADS / "template_of_the_future.json"), RULES, FACTS)
    assert (verdict.outcome, verdict.rule, verdict.evidence, verdict.meter) == (Outcome.UNKNOWN, UNKNOWN_RULE, None, "")
    assert "Agent Hours Low" in verdict.reason
    assert verdict.hint


def test_an_unknown_template_without_a_name_goes_by_its_uuid() -> None:
    event = event_of({"notification_template_id": "ABC"})
    assert "“abc”" in classify(event, RULES, FACTS).reason


@pytest.mark.parametrize(
    "told_by",
    [
        {"labels": {"template": "Claude-Tasks"}},
        {"data": {"template": {"name": "claude-tasks"}}},
        {"data": {"template": {"id": "0D5A7A1E-0000-4000-8000-00000000000A", "name": "renamed"}}},
    ],
)
def test_a_template_may_be_listed_by_label_name_or_id(told_by: dict[str, Any]) -> None:
    listed = frozenset({"claude-tasks", "0d5a7a1e-0000-4000-8000-00000000000a"})
    event = event_of({"notification_name": "Workspace Created", "targets": ["w-1"], **told_by, "user_username": "x"})
    verdict = classify(event, RULES, Facts({"ai_templates": listed}))
    assert verdict.rule == "workspace-created-from-ai-template"
    assert len(provisional_records(Evidence().with_event(event, verdict), AWB, "w-1", listed, REASONS.__getitem__)) == 1


def test_a_workspace_of_another_template_comes_with_a_hint_at_the_list() -> None:
    verdict = classify(event_in(PAYLOADS / "workspace_for_vscode_and_jupyter.json"), RULES, FACTS)
    assert "ai_templates" in verdict.hint


# https://coder.com/docs/ai-coder/ai-governance, "Scenarios", and the sentence on manual and scheduled starts above it.
SCENARIOS = [
    ("a task from the UI", ["task_created_in_ui", "task_working"], 1),
    ("a task from a pipeline", ["task_created_by_pipeline"], 1),
    ("a resumed task", ["task_resumed"], 1),
    ("VS Code and Jupyter", ["workspace_for_vscode_and_jupyter"], 0),
    ("Cursor and Claude Code CLI", ["workspace_for_cursor_and_claude_code"], 0),
    ("AI Bridge and Agent Boundaries", ["workspace_for_ai_bridge_and_boundaries"], 0),
    ("a scheduled start", ["scheduled_stop_announced", "scheduled_start_failed"], 0),
    ("a manual start that nothing announces", [], 0),
    ("a task whose first build failed", ["task_created_in_ui", "first_build_failed"], 0),
    ("a task resumed before its pause is told", ["task_resumed", "task_paused"], 1),
]


@pytest.mark.parametrize(("files", "count"), [row[1:] for row in SCENARIOS], ids=[row[0] for row in SCENARIOS])
def test_the_scenarios_of_coders_documentation_count_as_it_says(files: list[str], count: int) -> None:
    evidence, reasons = Evidence(), []
    for file in files:
        event = event_in(PAYLOADS / f"{file}.json")
        verdict = classify(event, RULES, FACTS)
        reasons.append(verdict.reason)
        evidence = evidence.with_event(event, verdict)
    records = provisional_records(evidence, AWB, "w", AI_TEMPLATES, REASONS.__getitem__)
    assert len(records) == count
    assert all(reasons)
    assert all(record.reason in reasons for record in records)


def rule(when: str, more: str = "") -> str:
    return f'[[rule]]\nname = "probe"\nreason = "because"\noutcome = "ignored"\n{more}\nwhen = {when}\n'


def matches(when: str, payload: dict[str, Any], lists: dict[str, frozenset[str]] | None = None) -> bool:
    compiled = load_rules(rule(when), "rules.toml")
    return classify(event_of(payload), compiled, Facts(lists or {})).rule == "probe"


LABELLED = {
    "notification_name": "Task Paused",
    "labels": {"a": "One", "b": "two", "empty": ""},
    "data": {"n": 3, "deep": {"x": True}},
}


@pytest.mark.parametrize(
    ("when", "yes"),
    [
        ('{ "labels.a" = "one" }', True),
        ('{ "labels.a" = { equals = "ONE" } }', True),
        ('{ "labels.a" = "other" }', False),
        ('{ "labels.a" = { in = ["zero", "one"] } }', True),
        ('{ "labels.a" = { in = ["zero"] } }', False),
        ('{ "labels.a" = { glob = "O*" } }', True),
        ('{ "labels.a" = { glob = "[xyz]*" } }', False),
        ('{ "labels.a" = { glob = "o??", in = ["one"] } }', True),
        ('{ "labels.a" = { glob = "o??", in = ["two"] } }', False),
        ('{ "labels.a" = { exists = true } }', True),
        ('{ "labels.a" = { exists = false } }', False),
        ('{ "labels.none" = { exists = false } }', True),
        ('{ "labels.none" = { exists = true } }', False),
        ('{ "labels.empty" = { exists = true } }', True),
        ("{ workspace = { exists = false } }", True),
        ('{ "labels.b" = { listed = "ai_templates" } }', True),
        ('{ "labels.a" = { listed = "ai_templates" } }', False),
        ('{ "data.n" = 3 }', True),
        ('{ "data.n" = "3" }', False),
        ('{ "data.deep.x" = true }', True),
        ('{ "data.deep.x" = 1 }', False),
        ('{ "data.n.x" = 1 }', False),
        ('{ name = "task paused", "labels.b" = "two" }', True),
        ('{ name = "task paused", "labels.b" = "one" }', False),
        ('{ all = [{ name = "task paused" }, { "labels.b" = "two" }] }', True),
        ('{ all = [{ name = "task paused" }, { "labels.b" = "one" }] }', False),
        ('{ any = [{ name = "other" }, { "labels.b" = "two" }] }', True),
        ('{ any = [{ name = "other" }, { "labels.b" = "one" }] }', False),
        ('{ not = { name = "other" } }', True),
        ('{ not = { name = "task paused" } }', False),
        # A missing field answers neither yes nor no.
        ('{ "labels.none" = "one" }', False),
        ('{ not = { "labels.none" = "one" } }', False),
        ('{ not = { not = { "labels.none" = "one" } } }', False),
        ('{ any = [{ "labels.none" = "one" }, { "labels.a" = "one" }] }', True),
        ('{ any = [{ "labels.none" = "one" }, { "labels.a" = "two" }] }', False),
        ('{ not = { any = [{ "labels.none" = "one" }, { "labels.a" = "two" }] } }', False),
        ('{ all = [{ "labels.none" = "one" }, { "labels.a" = "one" }] }', False),
        ('{ not = { all = [{ "labels.none" = "one" }, { "labels.a" = "one" }] } }', False),
        ('{ not = { all = [{ "labels.none" = "one" }, { "labels.a" = "two" }] } }', True),
        ('{ not = { "labels.none" = { exists = true } } }', True),
    ],
)
def test_conditions_answer_yes_no_or_nothing(when: str, yes: bool) -> None:
    assert matches(when, LABELLED, {"ai_templates": frozenset({"two"})}) is yes


def test_a_list_that_nobody_configured_is_empty() -> None:
    assert not matches('{ "labels.a" = { listed = "ai_templates" } }', LABELLED)
    assert matches('{ not = { "labels.a" = { listed = "ai_templates" } } }', LABELLED)


def test_the_first_rule_that_matches_decides() -> None:
    first = rule('{ name = { glob = "*" } }')
    second = rule('{ name = "task paused" }').replace("probe", "second")
    assert classify(event_of(LABELLED), load_rules(first + second, "f"), FACTS).rule == "probe"
    assert classify(event_of(LABELLED), load_rules(second + first, "f"), FACTS).rule == "second"


def test_meter_weight_and_hint_reach_the_verdict() -> None:
    text = rule('{ name = "task paused" }', 'evidence = "paused"\nmeter = "agent_hours"\nweight = 3\nhint = "look"')
    verdict = load_rules(text.replace('"ignored"', '"evidence"'), "f")[0].verdict
    assert (verdict.meter, verdict.weight, verdict.hint, verdict.evidence) == (
        "agent_hours",
        3,
        "look",
        EvidenceKind.PAUSED,
    )


EVIDENCE = '[[rule]]\nname = "probe"\nreason = "because"\noutcome = "evidence"\nwhen = { name = "x" }\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("[[rule", ["rules.toml: not valid TOML"], id="invalid TOML"),
        pytest.param("", ["rules.toml: no [[rule]] at all", "would ignore every delivery"], id="no rules"),
        pytest.param("rule = []", ["no [[rule]] at all"], id="empty list"),
        pytest.param("[rule]\nname = 'x'", ["write [[rule]], with two brackets"], id="one bracket"),
        pytest.param(
            "rules = 1\n" + rule('{ name = "x" }'), ["unknown key “rules” (did you mean “rule”?)"], id="top key"
        ),
        pytest.param("rule = [1]", ["rule number 1", "`name` must be a text", "`when` must be a table"], id="no table"),
        pytest.param(EVIDENCE.replace('"probe"', '""'), ["rule number 1", "`name` must be"], id="empty name"),
        pytest.param(EVIDENCE.replace('"probe"', "7"), ["rule number 1", "`name` must be"], id="name is no text"),
        pytest.param(rule('{ name = "x" }').replace("because", " "), ["“probe”: `reason` must be"], id="empty reason"),
        pytest.param(rule('{ name = "x" }', "hint = 3"), ["“probe”: `hint` must be a text"], id="hint"),
        pytest.param(
            rule('{ name = "x" }').replace("reason", "raeson"),
            ["unknown key “raeson” (did you mean “reason”?)"],
            id="typo key",
        ),
        pytest.param(
            rule('{ name = "x" }').replace('"ignored"', '"ignore"'),
            ["`outcome` must be one of evidence, ignored, unknown (did you mean “ignored”?)"],
            id="typo outcome",
        ),
        pytest.param(
            rule('{ name = "x" }', "weight = 2\nmeter = 'awb'"),
            ["`weight` only goes with outcome", "`meter` only goes with outcome"],
            id="weight without evidence",
        ),
        pytest.param(EVIDENCE, ["`evidence` must be one of created, resumed, paused, failed, task_seen"], id="no kind"),
        pytest.param(EVIDENCE + 'evidence = "resume"', ["(did you mean “resumed”?)"], id="typo kind"),
        pytest.param(
            rule('{ name = "x" }') + rule('{ name = "y" }'), ["rule “probe”: this name is taken"], id="duplicate name"
        ),
        pytest.param(
            rule("{}") + rule("{}"), ["this name is taken", "`when` is empty"], id="duplicate name with other mistakes"
        ),
        pytest.param(rule("{}"), ["`when` is empty"], id="empty when"),
        pytest.param(rule("[]"), ["`when` must be a table"], id="when is a list"),
        pytest.param(rule("{ all = [] }"), ["`when.all` must be a list of at least one"], id="empty group"),
        pytest.param(rule('{ any = { name = "x" } }'), ["`when.any` must be a list"], id="group is no list"),
        pytest.param(rule('{ any = [{ name = "x" }, {}] }'), ["`when.any[1]` is empty"], id="empty member"),
        pytest.param(rule("{ not = {} }"), ["`when.not` is empty"], id="empty not"),
        pytest.param(
            rule('{ nmae = "x" }'), ["there is no field “nmae” (did you mean “name”?)", "labels.…"], id="field"
        ),
        pytest.param(
            rule('{ labels.a = "x" }'), ['put the whole path in quotes: "labels.…"'], id="path without quotes"
        ),
        pytest.param(rule('{ "labels." = "x" }'), ["there is no field “labels.”"], id="half a path"),
        pytest.param(
            rule("{ name = {} }"), ["`when.name` is empty; give an operator: equals, in"], id="empty operator"
        ),
        pytest.param(
            rule('{ name = { globb = "x" } }'), ["unknown operator “globb” (did you mean “glob”?)"], id="operator"
        ),
        pytest.param(rule("{ name = 1.5 }"), ["equals = 1.5 is not a value", "one text"], id="equals a fraction"),
        pytest.param(rule('{ name = ["x"] }'), ["equals = ['x'] is not a value"], id="equals a list"),
        pytest.param(rule("{ name = { in = [] } }"), ["in = []", "a list of such values"], id="in nothing"),
        pytest.param(rule('{ name = { in = [["x"]] } }'), ["in = [['x']]", "a list of such values"], id="in lists"),
        pytest.param(rule('{ name = { in = "x" } }'), ["in = 'x'", "a list of such values"], id="in a text"),
        pytest.param(rule('{ name = { glob = "" } }'), ["glob = ''", "* ?"], id="empty glob"),
        pytest.param(rule('{ name = { exists = "yes" } }'), ["exists = 'yes'", "true or false"], id="exists"),
        pytest.param(rule('{ name = { listed = "ai" } }'), ["listed = 'ai'", "ai_templates"], id="unknown list"),
        pytest.param(
            rule('{ name = { listed = ["ai_templates"] } }'), ["listed = ['ai", "ai_templates"], id="list of lists"
        ),
        *(
            pytest.param(
                f'{EVIDENCE}evidence = "paused"\nweight = {weight}', ["`weight` must be a whole number"], id=weight
            )
            for weight in ("0", "1001", "-1", "1.5", "true", '"2"')
        ),
        *(
            pytest.param(f'{EVIDENCE}evidence = "paused"\nmeter = {meter}', ["`meter` must be a short name"], id=meter)
            for meter in ('""', '"_"', '"a b"', '"größe"', "3")
        ),
    ],
)
def test_each_mistake_is_named_with_file_rule_and_remedy(text: str, said: list[str]) -> None:
    with pytest.raises(RulesError) as refused:
        load_rules(text, "rules.toml")
    for words in said:
        assert words in str(refused.value)
    assert all(problem.startswith("rules.toml: ") for problem in refused.value.problems)


def test_all_mistakes_are_reported_at_once() -> None:
    text = (
        "rules = 1\n"
        + rule('{ nmae = "x", name = { globb = "y" } }', "wieght = 1")
        .replace('"because"', '""')
        .replace('"ignored"', '"no"')
        + rule("{}", "hint = 1")
    )
    with pytest.raises(RulesError) as refused:
        load_rules(text, "rules.toml")
    told_of = [
        "“rules”",
        "“wieght”",
        "`reason`",
        "`outcome`",
        "“nmae”",
        "“globb”",
        "is taken",
        "`hint`",
        "`when` is empty",
    ]
    assert len(refused.value.problems) == len(told_of)
    for words in told_of:
        assert sum(words in problem for problem in refused.value.problems) == 1
    assert str(refused.value).splitlines() == refused.value.problems


def test_the_default_rules_are_named_in_kebab_case_and_give_reasons_in_sentences() -> None:
    for one in RULES:
        assert one.name == one.name.lower().replace(" ", "-").replace("_", "-")
        assert one.verdict.reason.endswith(".")


def test_the_rules_file_explains_every_field_operator_group_and_key() -> None:
    header = RULES_FILE.read_text(encoding="utf-8").split("\n[[rule]]", 1)[0]
    with pytest.raises(RulesError) as refused:
        load_rules(rule("{ x = 1, name = { x = 1, equals = [], in = 1, glob = 1, exists = 1, listed = 1 } }"), "f")
    known = " ".join(p.rsplit("known: ", 1)[1] for p in refused.value.problems if "known: " in p).replace(",", "")
    words = {*known.replace("….", "").split(), "reason", "hint", "outcome", "evidence", "meter", "weight", "when"}
    for word in words | {kind.value for kind in EvidenceKind}:
        assert word.removesuffix("…") in header, word


def test_the_example_in_the_rules_file_is_a_rule() -> None:
    lines = RULES_FILE.read_text(encoding="utf-8").splitlines()
    start = lines.index("#   [[rule]]")
    example = "\n".join(line.removeprefix("#   ") for line in lines[start : lines.index("#", start)])
    assert [one.name for one in load_rules(example, "example")] == ["load-tests"]


def test_the_repository_holds_no_sample_of_the_shared_ones() -> None:
    own = {path.read_text(encoding="utf-8") for path in PAYLOADS.glob("*.json")}
    assert not own & {path.read_text(encoding="utf-8") for path in SHARED_PAYLOADS.glob("*.json")}
    assert Path(__file__).is_relative_to(ROOT)
