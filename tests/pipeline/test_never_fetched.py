"""No address in a notification is ever requested, whatever is done with the notification."""

import json
from typing import Any

import redis

from app.core.count.meter import AWB
from app.pipeline.notify.send import send
from app.pipeline.watch.sweep import sweep
from app.pipeline.watch.warn import warn
from app.simulator.sinks import SlackSink
from app.store.alert.outbox import Outbox
from app.store.store import Store
from app.web.factory import create_app
from tests.conftest import RedisServer, make_config
from tests.notifiers.httpsink import answer, sink
from tests.web.make import basic, notification
from tests.workers.make import drain

DEPLOYMENT = "default"


def with_addresses(url: str) -> bytes:
    """Return a resumed task whose every text is an address."""
    body: dict[str, Any] = json.loads(notification("m-1"))
    payload = body["payload"]
    payload["labels"] = dict.fromkeys(("workspace", "task", "template", "initiator", "reason", "url"), url)
    payload["data"] = {"url": url, "image": url, "workspace": {"url": url}}
    payload["actions"] = [{"label": url, "url": url}, {"label": "View", "url": f"{url}/view"}]
    payload |= dict.fromkeys(("user_name", "user_username", "user_email"), url)
    return json.dumps({**body, "title": url, "body": f"![x]({url})"}).encode()


def test_counting_warning_and_showing_request_no_address_of_a_notification(
    connection: "redis.Redis", redis_server: RedisServer
) -> None:
    with sink(answer(200)) as there, SlackSink() as slack:
        config = make_config(redis_server.url, slack_webhook_url=slack.url, limit=1)
        client, store = create_app(config, connection).test_client(), Store(connection, DEPLOYMENT)
        body = with_addresses(f"http://127.0.0.1:{there.port}/stolen")
        assert client.post("/v1/webhook", headers=basic(), data=body).status_code == 202
        drain(connection, config)
        warn(store, config, AWB)
        sweep(connection, config)
        for row in Outbox(connection, DEPLOYMENT).history():
            send(store, config, row["id"])
        pages = ["/", "/records", "/users", "/templates", "/deliveries", "/deliveries/m-1", "/alerts", "/api/v1/usage"]
        assert {client.get(page).status_code for page in pages} == {200}
        assert len(slack.messages) == 1
        assert there.requests == []
