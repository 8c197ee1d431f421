"""The checklist of a new installation, and the test message that an admin sends from it."""

import re
from collections.abc import Iterator

import pytest
import redis

from app.simulator.sinks import SlackSink
from app.store.rq import jobqueue
from app.store.store import Store
from app.web.factory import create_app
from tests.cli.conftest import call
from tests.conftest import SECRET, RedisServer, make_config
from tests.web.guarded import OPEN, PASSWORDS, Browser, here
from tests.web.make import basic, notification
from tests.workers.make import drain

STEPS = [
    "Connect Coder",
    "List the templates of Coder Tasks",
    "Add a token for Coder&#39;s API for an exact count",
    "Add a receiver for warnings",
    "Send a test message",
    "Set the public URL for links in messages",
]


@pytest.fixture
def slack() -> Iterator[SlackSink]:
    with SlackSink() as sink:
        yield sink


def to_do(page: str) -> list[str]:
    """Return the titles of the steps that are left."""
    listed = page.partition('id="setup"')[2].partition("</section>")[0]
    return re.findall(r"<li><strong>(.*?)</strong>", listed)


def browser(redis_server: RedisServer, connection: "redis.Redis", **settings: str) -> Browser:
    return here(create_app(make_config(redis_server.url, **settings), connection))


def test_a_new_installation_sees_every_step_and_that_nobody_is_warned(
    redis_server: RedisServer, connection: "redis.Redis"
) -> None:
    page = browser(redis_server, connection, ai_templates="").ask("/").text
    assert to_do(page) == STEPS
    assert page.index("Nobody is warned") < page.index('id="setup"') < page.index("CODER_NOTIFICATIONS_METHOD")
    assert "Send test" not in page


def test_steps_are_done_one_by_one_and_the_list_goes_when_all_are(
    redis_server: RedisServer, connection: "redis.Redis", slack: SlackSink
) -> None:
    settings = {"slack_webhook_url": slack.url, "public_url": "http://127.0.0.1:8787"}
    config = make_config(redis_server.url, **settings)
    app = create_app(config, connection)
    assert app.test_client().post("/v1/webhook", headers=basic(), data=notification()).status_code == 202
    admin = here(app)
    page = admin.ask("/").text
    assert to_do(page) == [STEPS[2], STEPS[4]]
    token = re.search(r'action="/receivers/test".*?name="csrf_token" value="([^"]+)"', page)
    assert token
    answer = admin.ask("/receivers/test", "POST", data={"csrf_token": token[1]})
    assert answer.status_code == 303
    assert "on its way" in admin.ask(answer.headers["Location"].partition("#")[0]).text
    drain(connection, config, jobqueue.NOTIFICATIONS)
    assert len(slack.messages) == 1
    assert to_do(admin.ask("/").text) == [STEPS[2]]
    assert [entry.action for entry in Store(connection, "default").audit.newest(5)] == ["send test message"]
    proved = browser(redis_server, connection, **settings, coder_url="http://127.0.0.1:1", coder_token="a-token")
    Store(connection, "default").coder.note(reconciled_at=1.0)
    assert 'id="setup"' not in proved.ask("/").text


def test_a_test_message_takes_an_admin_and_the_token_of_the_page(
    redis_server: RedisServer, connection: "redis.Redis", slack: SlackSink
) -> None:
    settings = {**OPEN, "trust_loopback": "never", "slack_webhook_url": slack.url, "proxy_addresses": ""}
    settings |= {"proxy_user_header": "", "proxy_admins": ""}
    app = create_app(make_config(redis_server.url, **settings), connection)
    assert Browser(app).ask("/receivers/test", "POST").status_code in (302, 303, 400, 401, 403)
    viewer = here(app)
    viewer.login(PASSWORDS["viewer"])
    assert "Send test" not in viewer.ask("/").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', viewer.ask("/").text)
    assert token
    assert viewer.ask("/receivers/test", "POST", data={"csrf_token": token[1]}).status_code == 403
    admin = here(app)
    admin.login(PASSWORDS["admin"])
    assert admin.ask("/receivers/test", "POST", data={"csrf_token": "wrong"}).status_code in (400, 403)
    assert Store(connection, "default").outbox.history() == []


def test_doctor_shows_the_same_list(redis_server: RedisServer, connection: "redis.Redis") -> None:
    said = call("doctor", AWB_REDIS_URL=redis_server.url, AWB_WEBHOOK_SECRET=SECRET, AWB_AI_TEMPLATES="claude-code")
    assert "Setup: 1 of 6 done" in said.stdout
    assert re.search(r"done +List the templates of Coder Tasks", said.stdout)
    assert re.search(r"to do +Add a receiver for warnings\n +→ set `AWB_SLACK_WEBHOOK_URL", said.stdout)
