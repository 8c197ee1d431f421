"""An upgrade and a rollback: each version reads what the other one wrote, and nothing that is pending is lost."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from app.core.alert.alert import Alert, AlertKind
from app.core.alert.decision import AlertState, Reason
from app.core.alert.handle import Handle
from app.core.alert.severity import Severity
from app.core.alert.silence import Silence
from app.core.alert.snooze import Target
from app.core.count.evidence import Evidence, Sighting
from app.core.count.meter import AWB, RecordState, UsageRecord
from app.store import keys
from app.store.alert.alerts import Alerts, Change
from app.store.alert.outbox import Outbox
from app.store.alert.silences import Acknowledgement, Silences
from app.store.alertviews import alert_views
from app.store.coder.state import CoderState
from app.store.count.recordrow import read_row, row_owner, write_row
from app.store.gauges import Gauges
from app.store.store import Store
from tests.store import samples
from tests.store.make import DEPLOYMENT, NOW, notification

ALERT = Alert(
    group_key="prod:awb:2026-05-01",
    deployment="prod",
    meter="awb",
    reason=Reason.ESCALATED,
    level="90%",
    severity=Severity.WARNING,
    headline="AWB 90%",
    summary="Coder deployment “prod” has reached 90%.",
    facts=(("Used", "900"), ("Limit", "1,000")),
    meaning="Nothing is blocked.",
    links=(("Contact", "https://coder.com/contact"),),
    footer="Deployment prod",
    name="awb",
    kind=AlertKind.THRESHOLD,
    previous="75%",
    used=900,
    limit=1000,
    burn_up=((date(2026, 5, 1), 450), (date(2026, 5, 2), 900)),
    breach=date(2026, 5, 20),
    actor="Acknowledged by ada",
)
STATE = AlertState(
    "90%",
    date(2026, 5, 1),
    NOW,
    NOW + timedelta(minutes=1, microseconds=250_000),
    date(2026, 6, 1),
    1000,
    NOW + timedelta(hours=1),
    ("boss",),
)
SILENCE = Silence("1f2e3d", {"level": "90%"}, "ada", "month end", NOW, NOW + timedelta(days=2), "grace")
ACKNOWLEDGEMENT = Acknowledgement("awb", "90%", NOW, "ada", NOW + timedelta(minutes=10))
RECORD = UsageRecord(
    key="hint:w1:1",
    meter=AWB,
    state=RecordState.PROVISIONAL,
    at=NOW.timestamp() + 0.25,
    workspace_id="w1",
    workspace="write-tests",
    owner="ada",
    template="claude",
    organization="coder",
    rule="task-resumed",
    reason="A task was resumed.",
    deliveries=("m1", "m2"),
)
EVIDENCE = Evidence(
    created=(Sighting(1000.5, "m0", "rule-created"),),
    resumed=(Sighting(1001.5, "m1", "rule-resumed"),),
    paused=(Sighting(1002.5, "m2", "rule-paused"),),
    seen=(Sighting(1003.5, "m3", "rule-task_seen"),),
    failed={"1": Sighting(1004.5, "m4", "rule-failed"), "message m6": Sighting(1006.5, "m6", "rule-failed")},
    task=True,
    names={which: (0, 1000.5, "m0", name) for which, name in (("owner", "ada"), ("template", "claude"))}
    | {"workspace": (0, 1000.5, "m0", "write-tests")},
    weight=2,
)


def row(text: str) -> UsageRecord:
    return read_row(
        "hint:w1:1", AWB, f"2026-05-04\n{text}".encode(), {"77755489541f": "A task was resumed."}.__getitem__
    )


def acknowledgement(text: str) -> Acknowledgement:
    return Acknowledgement.read("awb", text.encode())


#: What was stored, how it is read, what it means.
STORED: list[Any] = [
    pytest.param(samples.ALERT, Alert.from_json, ALERT, id="alert"),
    pytest.param(samples.STATE, AlertState.from_json, STATE, id="state"),
    pytest.param(samples.NO_STATE, AlertState.from_json, AlertState(), id="no-state"),
    pytest.param(samples.SILENCE, Silence.from_json, SILENCE, id="silence"),
    pytest.param(samples.ACKNOWLEDGEMENT, acknowledgement, ACKNOWLEDGEMENT, id="acknowledgement"),
    pytest.param(samples.BUTTON, Target.from_value, Target.of(ALERT), id="button"),
    pytest.param(samples.ROW, row, RECORD, id="record"),
    pytest.param(samples.ROW_WITH_ID, row, RECORD, id="record-with-id"),
    pytest.param(samples.EVIDENCE, Evidence.from_json, EVIDENCE, id="evidence"),
]


@pytest.mark.parametrize(("text", "read", "meant"), STORED)
def test_what_the_previous_version_wrote_is_read(text: str, read: Callable[[str], Any], meant: Any) -> None:
    assert read(text) == meant


@pytest.mark.parametrize(
    ("text", "written"),
    [
        pytest.param(samples.ALERT, json.dumps(ALERT.as_json(), separators=(",", ":")), id="alert"),
        pytest.param(samples.STATE, json.dumps(STATE.as_json()), id="state"),
        pytest.param(samples.NO_STATE, json.dumps(AlertState().as_json()), id="no-state"),
        pytest.param(samples.SILENCE, json.dumps(SILENCE.as_json()), id="silence"),
        pytest.param(samples.BUTTON, Target.of(ALERT).as_value(), id="button"),
        pytest.param(samples.ROW, write_row(RECORD), id="record"),
        pytest.param(samples.EVIDENCE, json.dumps(EVIDENCE.as_json(), separators=(",", ":")), id="evidence"),
    ],
)
def test_the_previous_version_reads_what_is_written_because_it_is_the_same(text: str, written: str) -> None:
    assert written == text


@pytest.mark.parametrize(("text", "read", "meant"), STORED)
def test_a_field_of_a_newer_version_is_ignored(text: str, read: Callable[[str], Any], meant: Any) -> None:
    value = json.loads(text)
    more = [*value, {"new": 1}] if isinstance(value, list) else {**value, "new": {"deep": [1]}}
    assert read(json.dumps(more)) == meant


def test_more_behind_each_row_of_evidence_is_ignored() -> None:
    value = json.loads(samples.EVIDENCE)
    for part in "TCRPS":
        value[part] = [[*item, "new"] for item in value[part]]
    for part in "FN":
        value[part] = {name: [*item, "new"] for name, item in value[part].items()}
    assert Evidence.from_json(json.dumps(value)) == EVIDENCE


@pytest.mark.parametrize(
    ("text", "read", "missing"),
    [
        (samples.ALERT, Alert.from_json, {"summary": "", "facts": (), "meaning": "", "links": (), "footer": ""}),
        (samples.ALERT, Alert.from_json, {"kind": AlertKind.THRESHOLD, "burn_up": (), "breach": None, "used": None}),
        (samples.ALERT, Alert.from_json, {"name": "", "previous": "", "scope": "", "limit": None, "actor": ""}),
        (samples.STATE, AlertState.from_json, {"escalated": (), "below_since": None, "limit": None, "level": ""}),
        (samples.SILENCE, Silence.from_json, {"author": "", "comment": "", "ended_by": ""}),
        (samples.ACKNOWLEDGEMENT, acknowledgement, {"since": None, "by": ""}),
    ],
)
def test_a_field_that_is_missing_has_its_default(
    text: str, read: Callable[[str], Any], missing: dict[str, Any]
) -> None:
    whole = json.loads(text)
    for name, default in missing.items():
        less = read(json.dumps({field: value for field, value in whole.items() if field != name}))
        assert getattr(less, name) == default


def test_records_and_evidence_with_less_than_today_are_read() -> None:
    values = json.loads(samples.ROW)
    assert row(json.dumps(values[:-2])) == row(json.dumps([*values[:-2], [], None]))
    evidence = json.loads(samples.EVIDENCE)
    assert Evidence.from_json(json.dumps({part: evidence[part] for part in "TCN"})).created == EVIDENCE.created
    assert row_owner(f"2026-05-04\n{samples.ROW}".encode()) == "ada"


def test_words_that_only_a_newer_version_knows_keep_no_message_from_being_sent() -> None:
    value = {**json.loads(samples.ALERT), "reason": "overheard", "kind": "weather", "severity": "apocalyptic"}
    read = Alert.from_json(json.dumps(value))
    assert (read.reason, read.kind, read.severity) == (Reason.FIRST, AlertKind.NOTICE, Severity.WARNING)
    assert read.headline == ALERT.headline


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("{}", Alert.from_json),
        ('{"since": "yesterday"}', AlertState.from_json),
        ("[]", AlertState.from_json),
        ('{"R": 7}', Evidence.from_json),
        ("{}", Silence.from_json),
        # One without matchers would hold everything back.
        (samples.SILENCE.replace('"level": "90%"', ""), Silence.from_json),
    ],
)
def test_what_is_something_else_is_no_value(text: str, read: Callable[[str], Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        read(text)


def test_half_a_surrogate_pair_is_read_as_earlier_versions_read_it() -> None:
    assert Alert.from_json(samples.ALERT.replace("Nothing", "\\ud800")).meaning == "\ud800 is blocked."


def test_pending_notifications_of_a_newer_version_are_sent_after_a_rollback(connection: Any) -> None:
    outbox = Outbox(connection, DEPLOYMENT)
    outbox.add([notification("n1")], NOW)
    key = keys.notification(DEPLOYMENT, "n1")
    newer = {**json.loads(connection.hget(key, "alert")), "colour": "orange"}
    connection.hset(key, mapping={"alert": json.dumps(newer), "priority": 1})
    attempt = outbox.claim("n1", NOW, 120)
    assert attempt
    assert attempt.notification == notification("n1")
    assert [one["headline"] for one in outbox.history()] == [notification("n1").alert.headline]


def test_states_words_and_handles_of_another_version_are_read_where_they_lie(connection: Any) -> None:
    alerts, outbox = Alerts(connection, DEPLOYMENT), Outbox(connection, DEPLOYMENT)
    more = ', "colour": "orange"}'
    stored = {"v": 3, "s": samples.STATE[:-1] + more, "a": samples.ALERT[:-1] + more}
    connection.hset(keys.alert(DEPLOYMENT, AWB), mapping=stored)
    connection.hset(keys.acknowledged(DEPLOYMENT), AWB, samples.ACKNOWLEDGEMENT[:-1] + more)
    connection.hset(keys.threads(DEPLOYMENT), f"slack {ALERT.group_key}", samples.HANDLE[:-1] + more)
    connection.zadd(keys.drift(DEPLOYMENT), {samples.DRIFT[:-1] + ", 7]": NOW.timestamp()})
    assert alerts.state(AWB) == (3, STATE)
    assert alerts.last(AWB) == ALERT
    [standing] = alert_views(Store(connection, DEPLOYMENT), [AWB])
    assert (standing.state, standing.announcement, standing.acknowledged_by) == (STATE, ALERT, "ada")
    assert outbox.thread("slack", ALERT.group_key) == Handle("C1", "17.5")
    assert CoderState(connection, DEPLOYMENT).drift()[0].counted == 12
    assert Gauges(connection, DEPLOYMENT).drift_edges(datetime(2026, 1, 1, tzinfo=UTC))[0].actual == 10
    assert alerts.announce(AWB, 3, Change(STATE, NOW))


def test_a_silence_that_cannot_be_read_holds_nothing_and_no_other_one_back(connection: Any) -> None:
    silences = Silences(connection, DEPLOYMENT)
    silences.add(SILENCE)
    connection.hset(keys.silences(DEPLOYMENT), "broken", "{}")
    assert silences.all() == [SILENCE]
