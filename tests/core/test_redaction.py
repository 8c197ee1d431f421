import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.count.delivery import read_delivery
from app.core.count.redaction import ONE_TIME_PASSCODE_TEMPLATE, REDACTED, holds_passcode, may_hold_secret, redact
from tests.core.make import PAYLOADS

SECRET = "K7QX 94TW"
JOINED = SECRET.replace(" ", "")


def kept(payload: dict[str, Any]) -> str:
    return json.dumps(redact(payload), ensure_ascii=False)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param({"labels": {"one_time_passcode": SECRET}}, id="label"),
        pytest.param({"labels": {"One_Time_PASSCODE": "x"}, "data": {"again": SECRET}}, id="label in capitals"),
        pytest.param(
            {"notification_template_id": ONE_TIME_PASSCODE_TEMPLATE, "labels": {"code": SECRET}}, id="template"
        ),
        pytest.param(
            {"notification_template_id": ONE_TIME_PASSCODE_TEMPLATE.upper(), "labels": {"code": SECRET}},
            id="template in capitals",
        ),
        pytest.param({"notification_name": "One-Time Passcode", "labels": {"code": SECRET}}, id="name"),
        pytest.param({"actions": [{"url": f"https://c/reset-password/change?otp={SECRET}"}]}, id="link"),
        pytest.param({"actions": [{"url": f"https://c/reset#otp={SECRET}"}]}, id="fragment of a link"),
    ],
)
def test_a_one_time_passcode_is_not_kept(payload: dict[str, Any]) -> None:
    assert SECRET not in kept(payload)


def test_of_a_passcode_only_the_kind_of_message_is_kept() -> None:
    delivery = read_delivery((PAYLOADS / "one_time_passcode.json").read_bytes())
    assert delivery.payload.keys() == {"_version", "notification_name", "notification_template_id", "user_id"}
    assert holds_passcode(json.loads((PAYLOADS / "one_time_passcode.json").read_bytes())["payload"])


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param({"data": {"parameters": [{"name": "AI Prompt", "value": SECRET}]}}, id="parameters"),
        pytest.param({"data": {"prompt": SECRET}}, id="prompt"),
        pytest.param({"data": {"AI Prompt": SECRET}}, id="prompt as Coder's parameter is called"),
        pytest.param({"data": {"initial_prompt": SECRET}}, id="prompt by another key"),
        pytest.param({"labels": {"link": f"/reset?code={JOINED}"}}, id="relative link"),
        pytest.param({"labels": {"note": f"see https://c/x?code={JOINED} now"}}, id="link in a text"),
        pytest.param({"labels": {"note": f"https://me:{JOINED}@c/x"}}, id="user info of a link"),
        pytest.param({"labels": {"who": f"{JOINED}@example.com"}}, id="address by another key"),
        pytest.param({"user_email": SECRET}, id="recipient's e-mail"),
        pytest.param({"user_name": SECRET}, id="recipient's full name"),
        pytest.param({"data": {"owner": {"email": SECRET}}}, id="owner's e-mail"),
        pytest.param({"data": {"Owner-Email": SECRET}}, id="e-mail by another key"),
        pytest.param({"labels": {"task": f"Ask {SECRET}"}}, id="a prompt as the task's name"),
        pytest.param({"labels": {"custom_message": f"Hi {SECRET}"}}, id="custom message"),
        pytest.param({"labels": {"chat_title": f"On {SECRET}"}}, id="title of a chat"),
        pytest.param({"data": {"a": [{"b": {"apiKey": [SECRET]}}]}}, id="nested key"),
        pytest.param({"data": {"a": [{"session_token": {"value": SECRET}}]}}, id="nested token"),
        pytest.param({"data": {"otp_code": SECRET}}, id="otp"),
        pytest.param({"actions": [{"url": f"HTTPS://ada:{SECRET}@c.example.com/x"}]}, id="user info of a link"),
        pytest.param({"actions": [{"url": f"https://ada:p@{SECRET}@c.example.com/x"}]}, id="user info with an @"),
    ],
)
def test_secrets_prompts_and_addresses_are_not_kept(payload: dict[str, Any]) -> None:
    assert SECRET not in kept(payload)
    assert JOINED not in kept(payload)


REPEATED = [
    pytest.param({"labels": {"session_token": SECRET, "note": f"it is {SECRET}."}}, id="in a text"),
    pytest.param({"labels": {"note": f"it is {SECRET}."}, "data": {"a": [{"api_key": SECRET}]}}, id="before its key"),
    pytest.param({"labels": {"token": JOINED, "note": f"it is {JOINED.lower()}"}}, id="in small letters"),
    pytest.param({"labels": {"token": JOINED}, "actions": [{"url": f"https://c/reset/{JOINED}"}]}, id="path of a link"),
    pytest.param({"labels": {"token": "K7QX 94TW", "note": "K7QX%2094TW or K7QX+94TW"}}, id="quoted"),
    pytest.param(
        {"actions": [{"url": f"https://c/x?otp={JOINED}&email=a"}], "labels": {"note": f"enter {JOINED}"}},
        id="shown by a link alone",
    ),
    pytest.param(
        {"actions": [{"url": f"https://me:{JOINED}@c/x"}], "labels": {"note": f"enter {JOINED}"}},
        id="password of a link",
    ),
    pytest.param({"labels": {"otp": JOINED}, "data": {f"sent {JOINED}": 1}}, id="in a key"),
    pytest.param({"labels": {"otp": JOINED}, "targets": [JOINED]}, id="in a list"),
    pytest.param({"labels": {"otp": JOINED}, "notification_name": f"Passcode {JOINED}"}, id="in what is kept of one"),
    pytest.param({"data": {"prompt": f"Do {JOINED} now"}, "labels": {"x": f"Do {JOINED} now"}}, id="prompt"),
    pytest.param(
        {"data": {"parameters": [{"name": "AI Prompt", "value": f"Do {JOINED}"}], "x": f"Do {JOINED}"}}, id="parameter"
    ),
    pytest.param({"user_email": f"{JOINED}@b.test", "actions": [{"url": f"https://c/{JOINED}%40b.test"}]}, id="e-mail"),
    pytest.param({"labels": {"token": JOINED, "note": "x" * 495 + JOINED}}, id="where a long text is cut"),
]


@pytest.mark.parametrize("payload", REPEATED)
def test_what_one_place_shows_to_be_secret_is_kept_nowhere(payload: dict[str, Any]) -> None:
    text = kept(payload).lower()
    for form in (SECRET, JOINED, "K7QX%2094TW", "K7QX+94TW", "x" + JOINED[:4]):
        assert form.lower() not in text


def test_a_secret_number_is_kept_nowhere() -> None:
    assert "493021" not in kept({"labels": {"otp": "493021"}, "data": {"a": 493021, "b": 1.0}})
    assert "493021" not in kept({"data": {"otp": 493021, "a": "for 493021"}})


def test_only_the_secret_is_cut_out_of_a_text() -> None:
    payload = {"labels": {"token": JOINED, "note": f"use {JOINED} soon", "workspace": "w-1"}}
    assert redact(payload)["labels"] == {"token": REDACTED, "note": "use […] soon", "workspace": "w-1"}


@pytest.mark.parametrize("key", ["prompt", "email", "user_email"])
def test_a_name_stays_though_a_prompt_or_an_address_is_the_same(key: str) -> None:
    assert redact({"data": {key: "fix-login"}, "labels": {"workspace": "fix-login"}})["labels"] == {
        "workspace": "fix-login"
    }


def test_short_values_are_no_secrets_to_be_searched_for() -> None:
    assert redact({"labels": {"token": "dev", "workspace": "devbox"}})["labels"]["workspace"] == "devbox"


def test_of_a_payload_that_repeats_countless_secrets_only_the_kind_is_kept() -> None:
    many = [f"secret-{number:05}" for number in range(9_000)]
    payload = {"notification_name": "Odd", "data": {"token": many, "again": many}, "labels": {"workspace": "w"}}
    assert redact(payload) == {"notification_name": "Odd"}


@pytest.mark.parametrize(
    "payload",
    [
        {"labels": {"task": "write-e2e-tests", "workspace": "w", "pause_reason": "idle timeout"}},
        {"targets": ["9d2f1c1e-51c1-4a44-9a4e-0b1f7c6a2f10"], "user_username": "ada", "novelty": [1, 2.5, None, True]},
        {"actions": [{"label": "View workspace", "url": "https://coder.example.com/@ada/w"}]},
        {"data": {"workspace": {"id": "x", "name": "größe"}, "replacements": {}}},
    ],
)
def test_names_and_ids_are_kept_as_they_are(payload: dict[str, Any]) -> None:
    assert redact(payload) == payload


def test_a_dropped_value_leaves_a_mark() -> None:
    assert redact({"user_email": "ada@example.com"}) == {"user_email": REDACTED}


def test_long_texts_are_cut() -> None:
    assert redact({"labels": {"reason": "x" * 501}}) == {"labels": {"reason": "x" * 500 + "…"}}
    assert redact({"labels": {"reason": "x" * 500}}) == {"labels": {"reason": "x" * 500}}
    assert len(redact({"url": "https://c/" + "x" * 900})["url"]) == 500


def test_the_given_payload_is_left_alone() -> None:
    payload = {"user_email": "ada@example.com", "labels": {"task": "Ask Linus"}}
    redact(payload)
    assert payload == {"user_email": "ada@example.com", "labels": {"task": "Ask Linus"}}


@pytest.mark.parametrize(
    ("raw", "may"),
    [
        (b'{"one_time_PASSCODE": "1', True),
        (b"https://c/reset?otp=1", True),
        (ONE_TIME_PASSCODE_TEMPLATE.encode(), True),
        (b'{"notification_name": "Task Paused"', False),
    ],
)
def test_an_unreadable_body_that_may_hold_a_passcode_is_distinguished(raw: bytes, may: bool) -> None:
    assert may_hold_secret(raw) is may


SENSITIVE = st.sampled_from(
    [
        "one_time_passcode",
        "password",
        "Secret",
        "API-Key",
        "token",
        "prompt",
        "AI Prompt",
        "parameters",
        "user_email",
        "email",
        "authorization",
        "task",
        "custom_message",
        "custom_title",
        "message",
        "template_version_message",
    ]
)
AROUND = st.recursive(
    st.builds(lambda key: {key: f"it is {SECRET}"}, SENSITIVE),
    lambda inner: (
        st.builds(lambda key, value: {key: value}, st.text(max_size=9), inner)
        | st.builds(lambda value, other: [other, value], inner, st.integers() | st.text(max_size=5))
    ),
    max_leaves=5,
)


@given(st.sampled_from(["labels", "data", "targets", "novelty"]), AROUND)
def test_a_secret_in_any_sensitive_place_is_never_kept(key: str, planted: Any) -> None:
    assert SECRET not in kept({"notification_name": "Task Paused", key: planted})


def test_what_is_cut_leaves_no_piece_of_what_is_taken_out() -> None:
    for padding in range(480, 520):
        text = "x" * padding + f" https://me:{JOINED}@c/x"
        assert JOINED[:3] not in kept({"labels": {"note": text}})
