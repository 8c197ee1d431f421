import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from app.core.alert.alert import Alert, AlertKind, Notification
from app.core.alert.decision import Reason
from app.core.alert.handle import Handle
from app.core.alert.severity import Severity
from app.notifiers.base import FailureReason, NotifyError
from app.notifiers.slack.bot import GONE, SlackBot
from tests.notifiers.samples import SNAPSHOTS, alert, notification
from tests.notifiers.slacksink import CHANNEL, TOKEN, WebApi, web_api

ESCALATED = alert(used=950, level="95%", reason=Reason.ESCALATED)
OVER = alert(used=1000, level="100%", reason=Reason.ESCALATED)
FORECAST = replace(alert(), kind=AlertKind.FORECAST, name="forecast-awb", level="forecast")
ACKNOWLEDGED = replace(alert(), reason=Reason.ACKNOWLEDGED, actor="Acknowledged by ada (Slack U1)")
POST, UPDATE, HISTORY, REPLIES = "chat.postMessage", "chat.update", "conversations.history", "conversations.replies"


@pytest.fixture
def slack() -> Iterator[WebApi]:
    with web_api() as api:
        yield api


def bot(slack: WebApi, channel: str = CHANNEL, **more: Any) -> SlackBot:
    return SlackBot(TOKEN, channel, api_url=slack.url, **more)


def told(of: Alert, identity: str = "") -> Notification:
    return notification(of, identity or f"{of.name}-{of.level.rstrip('%')}-{of.reason.value}")


def begun(slack: WebApi) -> Handle:
    """Post the first message of a thread and forget that it was asked for."""
    handle = bot(slack).send(told(alert()))
    assert handle is not None
    slack.calls.clear()
    return handle


def failure_of(call: Any, *arguments: Any, **more: Any) -> NotifyError:
    with pytest.raises(NotifyError) as caught:
        call(*arguments, **more)
    return caught.value


def test_the_first_news_of_a_thread_is_a_message_whose_handle_is_kept(slack: WebApi) -> None:
    handle = bot(slack, "#awb-alerts").send(told(alert()))
    [(method, asked)] = slack.calls
    assert (method, asked["channel"]) == (POST, "#awb-alerts")
    assert handle == Handle(CHANNEL, next(iter(slack.messages)))
    assert asked["metadata"] == {
        "event_type": "awb_notification",
        "event_payload": {"id": "awb-90-first", "deployment": "prod"},
    }


def test_later_news_updates_the_first_message_and_answers_it(slack: WebApi) -> None:
    handle = begun(slack)
    assert bot(slack).send(told(ESCALATED), handle) is None
    assert slack.methods == [UPDATE, POST]
    [root], [reply] = slack.roots, slack.replies
    assert "95%" in root["text"]
    assert (reply["channel"], reply["thread_ts"], "95%" in reply["text"]) == (CHANNEL, handle.message, True)
    assert "reply_broadcast" not in reply


def test_updates_say_nothing_that_only_a_new_message_may_say(slack: WebApi) -> None:
    handle = begun(slack)
    bot(slack).send(told(ESCALATED), handle)
    assert set(slack.calls[0][1]) == {"channel", "ts", "text", "parse", "link_names", "blocks"}


@pytest.mark.parametrize("reason", [Reason.REPEAT, Reason.RESOLVED, Reason.SUMMARY, Reason.UNACKNOWLEDGED])
def test_every_reason_is_a_reply(slack: WebApi, reason: Reason) -> None:
    handle = begun(slack)
    bot(slack).send(told(replace(OVER, reason=reason)), handle)
    [reply] = slack.replies
    assert "reply_broadcast" not in reply


@pytest.mark.parametrize(("severity", "loud"), [(Severity.CRITICAL, True), (Severity.WARNING, False)])
@pytest.mark.parametrize("reason", [Reason.FIRST, Reason.ESCALATED])
def test_reaching_the_limit_is_shown_in_the_channel_too(
    slack: WebApi, severity: Severity, loud: bool, reason: Reason
) -> None:
    handle = begun(slack)
    bot(slack).send(told(replace(OVER, severity=severity, reason=reason)), handle)
    assert slack.replies[0].get("reply_broadcast", False) is loud


def test_an_acknowledgement_is_shown_in_the_first_message_and_answered_shortly(slack: WebApi) -> None:
    handle = begun(slack)
    bot(slack, buttons=True).send(told(ACKNOWLEDGED), handle)
    [root], [reply] = slack.roots, slack.replies
    assert "Acknowledged by ada (Slack U1)" in json.dumps(root["blocks"])
    assert [block["type"] for block in reply["blocks"]] == ["section"]
    assert reply["text"].startswith("👀 Acknowledged by ada (Slack U1): AWB 91.2%")


def test_what_is_no_news_of_the_thread_is_said_beside_it(slack: WebApi) -> None:
    handle = begun(slack)
    assert bot(slack).send(told(FORECAST), handle) is None
    assert slack.methods == [POST]
    assert slack.replies[0]["thread_ts"] == handle.message


def test_what_has_no_thread_to_stand_in_stands_alone_and_begins_none(slack: WebApi) -> None:
    assert bot(slack).send(told(FORECAST)) is None
    assert len(slack.roots) == 1


def test_two_threads_do_not_meet(slack: WebApi) -> None:
    first, second = begun(slack), begun(slack)
    bot(slack).send(told(ESCALATED), second)
    assert "90%" in slack.messages[first.message]["text"]
    assert [reply["thread_ts"] for reply in slack.replies] == [second.message]


@pytest.mark.parametrize("word", sorted(GONE))
def test_a_new_message_takes_the_place_of_one_that_is_gone(slack: WebApi, word: str) -> None:
    handle = begun(slack)
    slack.refusals = {UPDATE: [word]}
    following = bot(slack).send(told(ESCALATED), handle)
    assert slack.methods == [UPDATE, POST]
    assert following is not None
    assert following.message != handle.message
    assert "thread_ts" not in slack.messages[following.message]


@pytest.mark.parametrize("word", ["thread_not_found", "restricted_action_non_threadable_channel"])
def test_a_new_message_takes_the_place_of_a_reply_that_is_not_possible(slack: WebApi, word: str) -> None:
    handle = begun(slack)
    slack.refusals = {POST: [word]}
    following = bot(slack).send(told(ESCALATED), handle)
    assert slack.methods == [UPDATE, POST, POST]
    assert following is not None


def test_what_is_said_beside_a_thread_that_is_gone_stands_alone(slack: WebApi) -> None:
    handle = begun(slack)
    slack.refusals = {POST: ["thread_not_found"]}
    assert bot(slack).send(told(FORECAST), handle) is None
    assert len(slack.roots) == 2


def test_a_channel_that_is_closed_to_the_bot_fails_with_the_remedy(slack: WebApi) -> None:
    handle = begun(slack)
    slack.refusals = {UPDATE: ["not_in_channel"], POST: ["not_in_channel"]}
    error = failure_of(bot(slack).send, told(ESCALATED), handle)
    assert (error.reason, error.permanent) == (FailureReason.CLIENT_ERROR, True)
    assert "invite the bot" in str(error)


@pytest.mark.parametrize("method", [UPDATE, POST])
@pytest.mark.parametrize(
    ("word", "reason"), [("internal_error", FailureReason.SERVER_ERROR), ("ratelimited", FailureReason.RATE_LIMITED)]
)
def test_trouble_of_the_moment_is_no_reason_for_a_new_message(
    slack: WebApi, method: str, word: str, reason: FailureReason
) -> None:
    handle = begun(slack)
    slack.refusals = {method: [word]}
    error = failure_of(bot(slack).send, told(ESCALATED), handle)
    assert (error.reason, error.permanent) == (reason, False)
    assert len(slack.roots) == 1


# An attempt whose outcome nobody knows.


@pytest.mark.parametrize(
    ("shown", "in_thread", "asked"),
    [
        (alert(), False, [HISTORY]),
        (ESCALATED, True, [UPDATE, REPLIES]),
        (ACKNOWLEDGED, True, [UPDATE, REPLIES]),
        (FORECAST, True, [REPLIES]),
        (FORECAST, False, [HISTORY]),
    ],
)
def test_what_arrived_although_the_answer_was_lost_is_not_posted_again(
    slack: WebApi, shown: Alert, in_thread: bool, asked: list[str]
) -> None:
    handle = begun(slack) if in_thread else None
    slack.lost = [POST]
    error = failure_of(bot(slack).send, told(shown, "n1"), handle)
    assert (error.reason, error.permanent) == (FailureReason.NETWORK, False)
    slack.calls.clear()
    found = bot(slack).send(told(shown, "n1"), handle, retry=True)
    assert slack.methods == asked
    assert len(slack.messages) == (2 if in_thread else 1)
    assert (found is not None) is (not in_thread and shown.leads)
    if found:
        assert found == Handle(CHANNEL, next(iter(slack.messages)))


def test_the_message_that_took_the_place_of_one_that_is_gone_is_found_again(slack: WebApi) -> None:
    lost = Handle(CHANNEL, "1.000")
    slack.lost = [POST]
    failure_of(bot(slack).send, told(ESCALATED), lost)
    found = bot(slack).send(told(ESCALATED), lost, retry=True)
    assert found == Handle(CHANNEL, next(iter(slack.messages)))
    assert len(slack.messages) == 1


def test_a_retry_of_what_never_arrived_posts_it(slack: WebApi) -> None:
    begun(slack)
    assert bot(slack).send(told(alert(), "another"), retry=True) is not None
    assert slack.methods == [HISTORY, POST]


@pytest.mark.parametrize("other", [replace(alert(), deployment="staging"), alert()])
def test_messages_of_others_are_not_taken_for_ones_own(slack: WebApi, other: Alert) -> None:
    bot(slack).send(told(other, "n1" if other.deployment == "staging" else "n2"))
    bot(slack).send(told(alert(), "n1"), retry=True)
    assert len(slack.roots) == 2


@pytest.mark.parametrize("word", ["missing_scope", "channel_not_found", "ratelimited", "internal_error"])
def test_a_retry_that_may_not_look_posts_all_the_same(slack: WebApi, word: str) -> None:
    slack.refusals = {HISTORY: [word]}
    assert bot(slack).send(told(alert()), retry=True) is not None
    assert len(slack.messages) == 1


def test_the_search_begins_before_the_decision_and_asks_for_metadata(slack: WebApi) -> None:
    bot(slack).send(told(alert()), retry=True)
    asked = slack.calls[0][1]
    assert asked["include_all_metadata"] == "true"
    assert float(asked["oldest"]) < notification().decided_at.timestamp()


@pytest.mark.parametrize(
    "messages",
    [None, {}, [None, 1, {}], [{"metadata": None}], [{"metadata": {"event_type": "awb_notification"}, "ts": 1}]],
)
def test_a_search_whose_answer_makes_no_sense_finds_nothing(
    slack: WebApi, monkeypatch: pytest.MonkeyPatch, messages: Any
) -> None:
    monkeypatch.setattr(slack, "_shown", lambda _thread: messages)
    assert bot(slack).send(told(alert()), retry=True) is not None


# Buttons.


def buttons(message: dict[str, Any]) -> list[str]:
    rows = [block["elements"] for block in message["blocks"] if block["type"] == "actions"]
    return [element["action_id"] for row in rows for element in row if "url" not in element]


ALL = ["acknowledge", "snooze_1d", "snooze_7d", "snooze_level"]


def test_the_first_message_has_the_buttons_of_what_stands_now(slack: WebApi) -> None:
    handle = begun(slack)
    with_buttons = bot(slack, buttons=True)
    seen = []
    for shown in (ESCALATED, ACKNOWLEDGED, alert(used=12, level="", reason=Reason.RESOLVED)):
        with_buttons.send(told(shown), handle)
        seen.append(buttons(slack.messages[handle.message]))
    assert seen == [ALL, ALL[1:], []]


def test_replies_have_buttons_only_where_they_stand_in_the_channel_or_alone(slack: WebApi) -> None:
    handle = begun(slack)
    with_buttons = bot(slack, buttons=True)
    for shown in (ESCALATED, OVER, FORECAST, ACKNOWLEDGED):
        with_buttons.send(told(shown), handle)
    assert [buttons(reply) for reply in slack.replies] == [[], ALL, ALL, []]


def test_without_a_signing_secret_there_are_no_buttons(slack: WebApi) -> None:
    bot(slack).send(told(OVER))
    assert buttons(slack.roots[0]) == []


# Configuration and probe.


@pytest.mark.parametrize("channel", ["", "#awb alerts", "C1\n"])
def test_what_is_no_channel_is_refused(channel: str) -> None:
    with pytest.raises(ValueError, match="no Slack channel"):
        SlackBot(TOKEN, channel)


@pytest.mark.parametrize("token", ["", "xoxb-SECRET\n", "xoxb SECRET", "xoxb-SECRET\u00e9"])
def test_what_is_no_token_is_refused_without_repeating_it(token: str) -> None:
    with pytest.raises(ValueError, match="one word") as caught:
        SlackBot(token, CHANNEL)
    assert "SECRET" not in f"{caught.value!r}"


def test_no_representation_shows_the_token() -> None:
    made = SlackBot(TOKEN, CHANNEL)
    assert "SECRET" not in f"{made!r} {made}"


def test_a_probe_asks_who_we_are_and_what_the_channel_is(slack: WebApi) -> None:
    bot(slack).probe()
    assert slack.methods == ["auth.test", "conversations.info"]


def test_a_probe_may_lack_the_scope_to_look_at_channels(slack: WebApi) -> None:
    slack.refusals = {"conversations.info": ["missing_scope"]}
    bot(slack).probe()


def test_a_channels_name_cannot_be_probed(slack: WebApi) -> None:
    bot(slack, "#awb-alerts").probe()
    assert slack.methods == ["auth.test"]


@pytest.mark.parametrize(
    ("method", "word", "reason", "hint"),
    [
        ("auth.test", "invalid_auth", FailureReason.AUTH_ERROR, "AWB_SLACK_BOT_TOKEN"),
        ("conversations.info", "channel_not_found", FailureReason.CLIENT_ERROR, "invite the bot"),
    ],
)
def test_a_probe_fails_with_the_remedy(slack: WebApi, method: str, word: str, reason: FailureReason, hint: str) -> None:
    slack.refusals = {method: [word]}
    error = failure_of(bot(slack).probe)
    assert (error.reason, error.permanent, hint in str(error)) == (reason, True, True)
    assert "SECRET" not in str(error)


def test_the_thread_of_a_period_is_the_reviewed_one(slack: WebApi) -> None:
    with_buttons = bot(slack, buttons=True)
    handle = with_buttons.send(told(alert()))
    resolved = alert(used=700, level="", reason=Reason.RESOLVED)
    for shown in (ACKNOWLEDGED, OVER, FORECAST, resolved):
        with_buttons.send(told(shown), handle)
    story = [f"{method}\n{as_text(asked)}" for method, asked in slack.calls]
    assert (SNAPSHOTS / "slackbot_thread.txt").read_text("utf-8") == "\n\n".join(story) + "\n"


def as_text(asked: dict[str, Any]) -> str:
    """Show a message as people see it, buttons in brackets."""
    place = " ".join(f"{key}={asked[key]}" for key in ("channel", "ts", "thread_ts", "reply_broadcast") if key in asked)
    lines = [f"  {place}", f"  text: {asked['text']}"]
    for block in asked["blocks"]:
        match block["type"]:
            case "actions":
                lines.append("  " + " ".join(f"[{element['text']['text']}]" for element in block["elements"]))
            case "context":
                lines.append("  · " + block["elements"][0]["text"])
            case _:
                shown = [block["text"]] if "text" in block else block["fields"]
                lines += [f"  {block['type']}: " + one["text"].replace("\n", " ") for one in shown]
    return "\n".join(lines)
