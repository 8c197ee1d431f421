"""Slack's buttons: POST /v1/slack/actions.

Slack signs every request, and shows the user an error unless it gets a 200 within 3 seconds. So the work is done in
another thread, and the result is posted to the person who pressed the button, through the `response_url`
(app/notifiers/slack/answer.py).
https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

import hashlib
import secrets
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWorkingError
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import parse_qs

import redis
import structlog
from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel

from app import clock
from app.config.load import Config
from app.config.types import DEPLOYMENT_NAME
from app.core.access.slacksignature import GOOD_FOR, is_signed
from app.core.alert.snooze import Button, Target, snoozed_until, until_text
from app.net.session import WebSession
from app.notifiers.base import NotifyError
from app.notifiers.slack.answer import answer, may_answer, private
from app.pipeline.operate.acknowledge import StaleError, acknowledge, snooze
from app.store import keys
from app.store.server.commands import commands
from app.store.server.connection import unavailable
from app.store.store import Store

log = structlog.get_logger(__name__)
#: Slack allows 3 seconds, including both network paths.
ANSWER_WITHIN: Final = 2.0
# A signature is valid before and after its time; the extra minute allows for clock differences.
_REMEMBERED_SECONDS: Final = 2 * GOOD_FOR + 60
_WORKERS: Final = 4
_OURS: Final = frozenset(Button)
_SAVE_FAILED: Final = "This could not be saved. Please try again in a minute."
_SLOW: Final = "This is taking longer than usual; the result will be posted here."
_NOT_ALLOWED: Final = "You are not allowed to do this. An admin can add your Slack user id to AWB_SLACK_ADMINS."
_OLD_BUTTON: Final = "This button belongs to another version of the meter, or to an unknown deployment."


class _User(BaseModel):
    id: str
    username: str = ""
    name: str = ""


class _Action(BaseModel):
    action_id: str
    value: str = ""


class _Press(BaseModel):
    """The parts of a `block_actions` payload that are read; Slack may send more.

    https://docs.slack.dev/reference/interaction-payloads/block_actions-payload
    """

    type: str
    user: _User
    actions: list[_Action]
    response_url: str = ""

    @property
    def wanted(self) -> _Action | None:
        """Return the pressed button; None for link buttons, and for those of other apps."""
        return next((action for action in self.actions if action.action_id in _OURS), None)

    @property
    def by(self) -> str:
        return f"{self.user.username or self.user.name or 'somebody'} (Slack {self.user.id})"


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The result of a press: refused as a replay, or a text for the person who pressed."""

    text: str = ""
    replayed: bool = False


def blueprint(config: Config, connection: "redis.Redis") -> Blueprint:
    """Build the route; without a signing secret it answers 404."""
    routes = Blueprint("slack", __name__)
    secret = config.settings.slack_signing_secret
    pool = ThreadPoolExecutor(_WORKERS, "slack-action")

    @routes.post("/v1/slack/actions")
    def act() -> Response:
        if secret is None:
            return _error(404, "AWB_SLACK_SIGNING_SECRET is not set: there are no buttons")
        refusal = _unfit(config.settings.max_body_bytes)
        if refusal:
            return refusal
        body = request.get_data(cache=False)
        signature = request.headers.get("X-Slack-Signature", "")
        timestamp = request.headers.get("X-Slack-Request-Timestamp", "")
        if not is_signed(secret.get_secret_value(), body, timestamp, signature, clock.now().timestamp()):
            log.warning("slack action refused", why="the signature is wrong or too old")
            return _error(401, "Unauthorized")
        press = _press(body)
        wanted = press.wanted if press else None
        if press is None or wanted is None:
            return jsonify({})
        outcome: Future[_Outcome] = Future()
        pool.submit(_work, config, connection, signature, press, wanted, outcome)
        return _answer(outcome)

    return routes


def _unfit(limit: int) -> Response | None:
    if request.content_length is None:
        return _error(411, "Content-Length is required")
    if request.content_length > limit:
        return _error(413, f"more than {limit} bytes (AWB_MAX_BODY_BYTES)")
    return None


def _press(body: bytes) -> _Press | None:
    """Parse the form; None if it is not a press of a button, because Slack may also send other payloads."""
    try:
        payloads = parse_qs(body.decode(), max_num_fields=10).get("payload", [])
        press = _Press.model_validate_json(payloads[0] if payloads else "null")
    except ValueError:  # from the form, from UTF-8, and from pydantic
        return None
    return press if press.type == "block_actions" else None


def _answer(outcome: "Future[_Outcome]") -> Response:
    try:
        found = outcome.result(ANSWER_WITHIN)
    except StillWorkingError:
        return jsonify(private(_SLOW))
    return _error(401, "this request has already been processed") if found.replayed else jsonify(private(found.text))


def _work(
    config: Config,
    connection: "redis.Redis",
    signature: str,
    press: _Press,
    wanted: _Action,
    outcome: "Future[_Outcome]",
) -> None:
    """Do the requested action once; the result goes to the request first, then to the person who pressed."""
    try:
        found = _outcome(config, connection, signature, press, wanted)
    except (redis.exceptions.RedisError, OSError) as error:
        log.error("slack action failed", why=unavailable(error), error=type(error).__name__)
        found = _Outcome(_SAVE_FAILED)
    except Exception:
        # This is the end of a thread, so nobody else would notice the error.
        log.exception("slack action failed")
        found = _Outcome(_SAVE_FAILED)
    outcome.set_result(found)
    if not found.replayed and may_answer(press.response_url, config.settings.slack_api_url):
        try:
            answer(press.response_url, found.text, WebSession(config.settings.ca_file))
        except NotifyError as error:
            log.warning("slack action done, but Slack did not accept the reply", error=str(error))


def _outcome(config: Config, connection: "redis.Redis", signature: str, press: _Press, wanted: _Action) -> _Outcome:
    if _first_time(connection, signature):
        return _Outcome(_do(config, connection, press, wanted))
    log.warning("slack action refused", why="replay")
    return _Outcome(replayed=True)


def _first_time(connection: "redis.Redis", signature: str) -> bool:
    """Remember a request for as long as its signature is valid; False if it came before."""
    key = keys.once(f"slack-{hashlib.blake2s(signature.encode()).hexdigest()}")
    ours = secrets.token_hex(8)
    server = commands(connection)
    if server.set(key, ours, nx=True, ex=_REMEMBERED_SECONDS):
        return True
    # A command whose reply was lost is sent again, and then finds its own value.
    return server.get(key) == ours.encode()


def _do(config: Config, connection: "redis.Redis", press: _Press, action: _Action) -> str:
    """Acknowledge or snooze, if the person may; return the text for them."""
    if press.user.id not in config.settings.slack_admins:
        log.warning("slack action refused", why="not in slack_admins", user=press.by, action=action.action_id)
        return _NOT_ALLOWED
    try:
        target = Target.from_value(action.value)
    except ValueError:
        return _OLD_BUTTON
    if not DEPLOYMENT_NAME.fullmatch(target.deployment):
        return _OLD_BUTTON
    try:
        result = _apply(config, connection, Button(action.action_id), target, press.by, clock.now())
    except StaleError as stale:
        result = str(stale)
    log.info(
        "slack action", user=press.by, action=action.action_id, alert=target.alert, threshold=target.level, said=result
    )
    return result


def _apply(config: Config, connection: "redis.Redis", button: Button, target: Target, by: str, now: datetime) -> str:
    about = (Store(connection, target.deployment), config.of(target.deployment), target.alert, target.level, by)
    if button is Button.ACKNOWLEDGE:
        new = acknowledge(*about, group_key=target.group_key)
        return "Acknowledged. Thank you." if new else "It was already acknowledged."
    silence = snooze(*about, snoozed_until(button, now), group_key=target.group_key)
    limit = "the next level, at most until " if button is Button.NEXT_LEVEL else ""
    return (
        f"Snoozed until {limit}{until_text(silence.ends_at, config.zone)}. You will still be warned at higher levels."
    )


def _error(code: int, reason: str) -> Response:
    response = jsonify(status="error", reason=reason)
    response.status_code = code
    return response
