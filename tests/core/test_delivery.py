import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.count.delivery import MOST_LEVELS, NIL_UUID, InvalidDeliveryError, read_delivery, to_event
from tests.core.make import PAYLOADS, WORKSPACE, body, envelope, event_in, event_of

SENTINEL = "xyzzy-of-the-body"


@pytest.mark.parametrize(
    ("file", "workspace_id", "workspace", "owner", "template"),
    [
        ("v1_0_task_working", "name:ada/old-prototype", "old-prototype", "ada", ""),
        ("v1_1_manual_build_failed", "name:ada/old-prototype", "old-prototype", "ada", "claude-tasks"),
        ("task_resumed", "6d1e2156-c08a-54b6-8315-049d53f2245d", "old-prototype", "ada", ""),
        (
            "task_created_by_pipeline",
            "adae6183-7060-56a7-8ca0-1f3254b9938d",
            "review-pr-4711",
            "ci-bot",
            "claude-tasks",
        ),
    ],
)
def test_every_version_of_the_payload_names_its_workspace(
    file: str, workspace_id: str, workspace: str, owner: str, template: str
) -> None:
    event = event_in(PAYLOADS / f"{file}.json")
    assert (event.workspace_id, event.workspace, event.owner, event.template) == (
        workspace_id,
        workspace,
        owner,
        template,
    )


def test_a_delivery_keeps_the_message_id_and_fields_that_nobody_knows_yet() -> None:
    delivery = read_delivery(body(novelty={"deep": [1, "two", None, True, 1.5]}))
    assert delivery.message_id == envelope()["msg_id"]
    assert delivery.payload["novelty"] == {"deep": [1, "two", None, True, 1.5]}


def test_the_rendered_title_and_body_are_not_kept() -> None:
    delivery = read_delivery(json.dumps({**envelope(), "title": SENTINEL, "body_markdown": SENTINEL}).encode())
    assert SENTINEL not in json.dumps(delivery.payload)


def test_the_header_stands_in_for_a_missing_message_id() -> None:
    bare = {key: value for key, value in envelope().items() if key != "msg_id"}
    assert read_delivery(json.dumps(bare).encode(), "from-the-header").message_id == "from-the-header"


def test_the_message_id_of_the_body_goes_before_that_of_the_header() -> None:
    assert read_delivery(body(), "from-the-header").message_id == envelope()["msg_id"]


def without_id(value: Any) -> bytes:
    return json.dumps({**envelope(), "msg_id": value, "note": SENTINEL}).encode()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not valid JSON"),
        (SENTINEL.encode(), "not valid JSON"),
        (b'{"payload": {"notification_name": "xyzzy-of-the-body"', "not valid JSON"),
        (b'{"msg_id": "m", "payload": {"notification_name": "xyzzy-of-the-body", "x": NaN}}', "not valid JSON"),
        (b'{"msg_id": "m", "payload": {"notification_name": "xyzzy-of-the-body", "x": -Infinity}}', "not valid JSON"),
        (b'{"msg_id": "m", "payload": {"notification_name": "xyzzy-of-the-body", "x": 1e999}}', "not valid JSON"),
        (b'{"xyzzy-of-the-body": ' + b"9" * 5000 + b"}", "not valid JSON"),
        (b'{"payload": "xyzzy-of-the-body \xff\xfe"}', "not valid JSON"),
        (b"[" * 200_000, "nested too deeply"),
        (
            b'{"msg_id": "m", "payload": {"notification_name": "n", "x": ' + b"[" * 600 + b"]" * 600 + b"}}",
            "nested too deeply",
        ),
        (b'["xyzzy-of-the-body"]', "not an object"),
        (b'"xyzzy-of-the-body"', "not an object"),
        (b"null", "not an object"),
        (b'{"msg_id": "xyzzy-of-the-body"}', "no object `payload`"),
        (b'{"payload": ["xyzzy-of-the-body"]}', "no object `payload`"),
        (b'{"msg_id": "m", "payload": {"text": "xyzzy-of-the-body"}}', "names no notification_template_id"),
        (b'{"msg_id": "m", "payload": {"notification_name": 7, "notification_template_id": null}}', "names no"),
        (without_id(None), "`msg_id` is missing"),
        (without_id(17), "`msg_id` is missing"),
        (without_id("has a blank"), "`msg_id` is missing"),
        (without_id("x" * 65), "`msg_id` is missing"),
        (without_id("line\n"), "`msg_id` is missing"),
    ],
    ids=range(22),
)
def test_a_body_that_is_no_notification_is_refused_without_being_quoted(raw: bytes, reason: str) -> None:
    with pytest.raises(InvalidDeliveryError) as refused:
        read_delivery(raw)
    assert reason in refused.value.reason
    assert SENTINEL not in refused.value.reason
    assert str(refused.value) == refused.value.reason
    assert refused.value.__cause__ is None
    assert refused.value.message_id == "sha256-" + hashlib.sha256(raw).hexdigest()[:32]


def nested(levels: int) -> bytes:
    """Return a notification whose payload has that many levels."""
    payload: Any = []
    for _ in range(levels - 2):
        payload = [payload]
    return json.dumps({**envelope(), "payload": {**envelope()["payload"], "x": payload}}).encode()


def test_how_deep_a_payload_may_be_depends_on_nothing_but_itself() -> None:
    assert read_delivery(nested(MOST_LEVELS)).payload["x"]
    with pytest.raises(InvalidDeliveryError, match="nested too deeply"):
        read_delivery(nested(MOST_LEVELS + 1))


@pytest.mark.parametrize(("header", "kept"), [("abc-1", True), ("a b", False), ("", False)])
def test_a_refused_body_goes_by_the_id_in_the_header_where_that_is_one(header: str, kept: bool) -> None:
    with pytest.raises(InvalidDeliveryError) as refused:
        read_delivery(b"{", header)
    assert (refused.value.message_id == header) is kept


@pytest.mark.parametrize(
    ("payload", "workspace_id", "workspace", "owner"),
    [
        pytest.param(
            {"targets": [WORKSPACE.upper()], "labels": {"workspace": "w"}},
            WORKSPACE,
            "w",
            "",
            id="targets, in lower case",
        ),
        pytest.param(
            {"targets": [NIL_UUID], "data": {"workspace": {"id": WORKSPACE, "name": "w"}}},
            WORKSPACE,
            "w",
            "",
            id="data",
        ),
        pytest.param(
            {"targets": None, "labels": {"workspace": "W", "workspace_owner_username": "Ada"}},
            "name:ada/w",
            "W",
            "ada",
            id="owner and name, in lower case",
        ),
        pytest.param(
            {"targets": [NIL_UUID], "data": {"workspace": {"id": NIL_UUID, "name": "w"}, "owner": {"name": "Ada"}}},
            "name:ada/w",
            "w",
            "ada",
            id="nil ids are no ids",
        ),
        pytest.param(
            {"actions": [{"url": "https://c/templates"}, {"url": "https://c/@ada/w/builds/3?x=1"}]},
            "name:ada/w",
            "w",
            "ada",
            id="links",
        ),
        pytest.param({"notification_name": "Workspace Deleted", "labels": {"name": "w"}}, "", "w", "", id="name alone"),
        pytest.param(
            {"notification_name": "Template Deleted", "labels": {"name": "t"}}, "", "", "", id="a template's name"
        ),
        pytest.param({"targets": [WORKSPACE]}, "", "", "", id="an id of nobody knows what"),
        pytest.param(
            {"notification_name": "Task Paused", "user_username": "Ada", "labels": {"workspace": "w"}},
            "name:ada/w",
            "w",
            "ada",
            id="a task's recipient is its owner",
        ),
        pytest.param(
            {
                "targets": ["w-1"],
                "labels": {"workspace": "w"},
                "data": {"owner": {"name": "Ada Lovelace"}},
                "actions": [{"url": "https://c.test/@ada/w"}],
            },
            "w-1",
            "w",
            "ada",
            id="a link names the owner's account, data the person",
        ),
        pytest.param(
            {"notification_name": "Workspace Created", "user_username": "grace", "labels": {"workspace": "w"}},
            "",
            "w",
            "",
            id="any other recipient is not",
        ),
        pytest.param(
            {"targets": ["not an id"], "labels": {"workspace": "w"}, "actions": [None, {"url": 7}, "x"], "data": []},
            "",
            "w",
            "",
            id="odd types are passed over",
        ),
        pytest.param({"targets": [], "actions": "x", "labels": 5}, "", "", "", id="nothing at all"),
    ],
)
def test_the_workspace_is_found_wherever_the_payload_tells_it(
    payload: dict[str, Any], workspace_id: str, workspace: str, owner: str
) -> None:
    event = event_of(payload)
    assert (event.workspace_id, event.workspace, event.owner) == (workspace_id, workspace, owner)


@pytest.mark.parametrize(
    ("labels", "number"),
    [
        ({"workspace_build_number": "3"}, 3),
        ({"workspace_build_num": "2"}, 2),
        ({"workspace_build_number": "three"}, None),
        ({"workspace_build_number": "-1"}, None),
        ({"workspace_build_number": "1" * 10}, None),
        ({}, None),
    ],
)
def test_the_build_number_is_read_where_it_is_one(labels: dict[str, str], number: int | None) -> None:
    assert event_of({"labels": labels}).build_number == number


def test_an_event_carries_what_the_delivery_said() -> None:
    payload = {
        "notification_name": "Workspace Manually Updated",
        "notification_template_id": "D089FE7B-d5c5-4c0c-aaf5-689859f7d392",
        "labels": {"organization": "research"},
        "data": {"template": {"name": "claude-tasks"}},
    }
    event = to_event("prod", "m7", 12.5, payload)
    assert (event.deployment, event.message_id, event.received_at) == ("prod", "m7", 12.5)
    assert event.template_id == "d089fe7b-d5c5-4c0c-aaf5-689859f7d392"
    assert (event.template, event.organization) == ("claude-tasks", "research")
    assert event.payload is payload


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
PAYLOAD = st.fixed_dictionaries(
    {"notification_name": st.text(min_size=1)},
    optional=dict.fromkeys(("labels", "data", "targets", "actions", "user_username", "notification_template_id"), JSON),
)


@given(st.binary() | st.builds(lambda value: json.dumps(value).encode(), JSON), st.none() | st.text())
def test_arbitrary_bodies_are_read_or_refused_and_nothing_else(raw: bytes, header: str | None) -> None:
    try:
        delivery = read_delivery(raw, header)
    except InvalidDeliveryError as refused:
        assert refused.reason  # noqa: PT017 - either ending is right
    else:
        assert delivery.payload


@given(PAYLOAD)
def test_whatever_is_read_becomes_an_event_and_can_be_written_as_utf_8(payload: dict[str, Any]) -> None:
    delivery = read_delivery(body(**payload))
    event = to_event("default", delivery.message_id, 1.0, delivery.payload)
    json.dumps(delivery.payload, allow_nan=False, ensure_ascii=False).encode()
    assert event.name == delivery.payload["notification_name"] or not payload["notification_name"].isascii()


def test_half_a_surrogate_pair_is_replaced_because_nothing_could_store_it() -> None:
    labels = rb'{"k\ud800": "a\udfffb", "e": "\ud83d\ude00"}'
    raw = b'{"msg_id": "m", "payload": {"notification_name": "n", "labels": ' + labels + b"}}"
    assert read_delivery(raw).payload["labels"] == {"k?": "a?b", "e": "😀"}
