"""Actions of admins from the checklist: send a test message to every receiver."""

import redis
from flask import Blueprint, Response, redirect

from app.config.load import Config
from app.notifiers.receivers import receivers
from app.pipeline.operate.trial import queue_test
from app.web.access.guard import person, require_admin
from app.web.pages.frame import chosen, to

#: The texts of confirmations by code, so that no text is ever taken from the URL.
CONFIRMATIONS = {
    "test-queued": ("ok", "A test message is on its way to each receiver. Its state is under “Recent messages”."),
    "no-receiver": ("warning", "Nothing was sent: no receiver is configured."),
}


def add_routes(routes: Blueprint, config: Config, connection: "redis.Redis") -> None:
    """Add the form's target: an admin's POST, audited, and answered with a redirect."""

    @routes.post("/receivers/test")
    @require_admin
    def send_test() -> Response:
        store = chosen(config, connection)
        own = config.of(store.deployment)
        configured = receivers(own.settings)
        if not configured:
            return _back("no-receiver")
        queue_test(store, own, configured)
        asker = person()
        store.audit.write(asker.name if asker else "somebody", "send test message", ", ".join(configured))
        return _back("test-queued")


def _back(done: str) -> Response:
    answer: Response = redirect(to("/", done=done) + "#done", 303)  # type: ignore[assignment]
    return answer
