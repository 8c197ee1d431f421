"""GET /relays: relayed and forwarded messages, and retries of those that failed."""

import re
from typing import Final

import redis
from flask import Blueprint, Response, abort, make_response, redirect, render_template, request

from app.answers.relays import Relay
from app.config.load import Config
from app.core.relay.target import PERSON
from app.pipeline.relay.replay import Again, replay, replay_failed
from app.pipeline.relay.targetstatus import target_statuses
from app.store.relay.relays import FAILED, PENDING
from app.web.access.guard import person, require_admin
from app.web.pages.frame import chosen, to

_SHOWN: Final = 50
_TARGET: Final = re.compile(rf"{PERSON}|forward:[a-z0-9-]{{1,40}}")
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: The texts of confirmations by outcome.
_CONFIRMATIONS: Final = {
    Again.QUEUED.value: ("ok", "The message is retried."),
    Again.NOT_FAILED.value: ("warning", "Nothing was changed: it has not failed, or is already being retried."),
    Again.NOT_KEPT.value: ("warning", "Nothing was changed: its content is no longer stored."),
    "all": ("ok", "All failed messages whose content is stored are retried."),
}


def add_routes(routes: Blueprint, config: Config, connection: "redis.Redis") -> None:
    @routes.get("/relays")
    def relays() -> str:
        store = chosen(config, connection)
        state, target = request.args.get("state", ""), request.args.get("target", "")
        if state not in ("", PENDING, FAILED) or (target and not _TARGET.fullmatch(target)) or (state and not target):
            abort(404, "This list does not exist. Follow the links of the page.")
        try:
            rows, following = store.relayviews.page(request.args.get("cursor"), _SHOWN, state, target)
        except ValueError:
            abort(404, "This page of the list does not exist. Start again at the first page.")
        return render_template(
            "relays.html",
            rows=[Relay.of(row) for row in rows],
            following=following,
            targets=target_statuses(store, config.of(store.deployment)),
            state=state,
            target=target,
            done=_CONFIRMATIONS.get(request.args.get("done", "")),
        )

    @routes.post("/relays/replay")
    @require_admin
    def replay_relay() -> Response:
        store, target = chosen(config, connection), request.form.get("target", "")
        message_id = request.form.get("message_id", "")
        if not _TARGET.fullmatch(target) or (message_id and not _ID.fullmatch(message_id)):
            abort(404, "This message or target does not exist.")
        asker = person()
        actor = asker.name if asker else ""
        if not message_id:
            replay_failed(store, target, actor)
            return make_response(redirect(to("/relays", done="all") + "#done", 303))
        done = replay(store, message_id, target, actor).value
        return make_response(redirect(to("/relays", done=done) + "#done", 303))
