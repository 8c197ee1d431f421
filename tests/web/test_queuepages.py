"""The pages of the queues: what they show, who may act, and that nothing of a request or a secret comes back."""

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from flask import Blueprint, Flask
from werkzeug.test import TestResponse

from app.config.load import Config
from app.store.audit import Audit
from app.store.receive.inbox import Inbox
from app.store.rq import jobqueue
from app.store.rq.queues import Queues
from app.store.server.connection import connect
from app.web import errors
from app.web.access.guard import guard
from app.web.docs import routes as docs
from app.web.pages import frame as pageframe
from app.web.pages import queues as queuepages
from tests.conftest import RedisServer, make_config
from tests.pipeline.deadletter import DELIVERIES, fail, swift, work_off, write_failed
from tests.pipeline.streams import DEPLOYMENT, STARTED_AT, config_for, resumes
from tests.web.guarded import OPEN, USER_HEADER, Browser, here
from tests.web.make import notification
from tests.workers.make import accept, jobs_in
from workers.runner import worker

PAGES = ["/queues", f"/queues/{DELIVERIES}", "/queues/quarantine", "/queues/unknown"]
ACTS = [
    *(f"/queues/{DELIVERIES}/{act}" for act in ("pause", "resume", "requeue", "delete")),
    *(f"/queues/{DELIVERIES}/jobs/some-job/{act}" for act in ("requeue", "delete")),
    *(f"/queues/quarantine/some-body/{act}" for act in ("release", "discard")),
    "/queues/unknown/replay",
]


@pytest.fixture(autouse=True, scope="module")
def _swift(redis_server: RedisServer) -> Iterator[None]:
    yield from swift(redis_server.url)


@pytest.fixture
def config(redis_server: RedisServer) -> Config:
    return config_for(redis_server.url, **OPEN)


def build(connection: "redis.Redis", config: Config) -> Flask:
    """Return an application of these pages alone, with the guard and the frame."""
    app = Flask("app.web", static_folder=None)
    guard(app, config, connection)
    frame = Blueprint("frame", __name__)
    pageframe.install(frame, config, connection)
    app.register_blueprint(frame)
    app.register_blueprint(docs.blueprint())
    app.register_blueprint(queuepages.blueprint(config, connection))
    errors.install(app)
    return app


@pytest.fixture
def admin(connection: "redis.Redis", config: Config) -> Browser:
    """Somebody on this machine."""
    return here(build(connection, config))


@pytest.fixture
def viewer(connection: "redis.Redis", config: Config) -> Browser:
    return Browser(build(connection, config), peer="10.0.0.5", headers={USER_HEADER: "grace"})


def forms(page: str) -> dict[str, dict[str, str]]:
    """Return the fields of every form of a page by its action."""
    found = re.findall(r'<form method="post" action="([^"]+)">(.*?)</form>', page, re.DOTALL)
    fields = r'<input type="hidden" name="([^"]+)" value="([^"]*)">'
    return {html.unescape(action): dict(re.findall(fields, body)) for action, body in found}


def press(browser: Browser, page: str, action: str) -> TestResponse:
    """Submit the form of a page as a browser does."""
    return browser.ask(action, "POST", data=forms(browser.ask(page).text)[action])


def follow(browser: Browser, answer: TestResponse) -> str:
    assert answer.status_code == 303
    after = browser.ask(answer.headers["Location"])
    assert after.status_code == 200
    return after.text


def text(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def trail(connection: "redis.Redis") -> list[tuple[str, str]]:
    return [(one.actor, one.action) for one in Audit(connection, DEPLOYMENT).newest(10)]


# ---- looking ----


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_there_before_anything_happened(admin: Browser, path: str) -> None:
    answer = admin.ask(path)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=", answer.text)


def test_the_overview_shows_queues_and_workers(connection: "redis.Redis", config: Config, admin: Browser) -> None:
    accept(connection, resumes(3))
    one = worker(jobqueue.MAINTENANCE, connection, config)
    one.register_birth()
    Queues(connection).pause(jobqueue.NOTIFICATIONS, "ada")
    shown = text(admin.ask("/queues").text)
    assert re.search(rf"{DELIVERIES} 3 \d+ s 0 0 0 0 (?:running|no worker) Pause", shown)
    assert f"{jobqueue.NOTIFICATIONS} 0 – 0 0 0 0 paused Resume" in shown
    assert re.search(rf"{one.name} {jobqueue.MAINTENANCE} started \d+ s ago", shown)


def test_it_is_said_when_nobody_works(connection: Any, admin: Browser) -> None:
    connection.set("rq:suspended", 1)
    shown = text(admin.ask("/queues").text)
    assert "No worker is registered" in shown
    assert "suspended by rq suspend" in shown


def test_a_failed_job_is_two_clicks_away_with_reason_and_redacted_payload(connection: Any, admin: Browser) -> None:
    payload = {"user_email": "planted@example.com", "labels": {"task": "planted prompt", "workspace": "<b>w1</b>"}}
    write_failed(connection, 2, error="ValueError: <b>odd</b> token=planted", payload=payload)
    shown = admin.ask(f"/queues/{DELIVERIES}").text
    assert f'href="/queues/{DELIVERIES}"' in admin.ask("/queues").text
    assert "ValueError: <b>odd</b> token=***" in text(shown.replace("&lt;", "〈")).replace("〈", "<").replace(
        "&gt;", ">"
    )
    assert f'href="/queues/{DELIVERIES}/jobs/delivery-prod-m1"' in shown
    job = admin.ask(f"/queues/{DELIVERIES}/jobs/delivery-prod-m1").text
    for page in (shown, job):
        assert "planted" not in page
        assert "<b>" not in page
    assert "w1" in job
    assert "[not stored]" in job


def test_thousands_of_failed_jobs_are_shown_in_pages_of_fifty(connection: Any, admin: Browser) -> None:
    write_failed(connection, 10_000)
    page = admin.ask(f"/queues/{DELIVERIES}").text
    assert len(page) < 150_000
    assert (page.count("ValueError: odd"), "delivery-prod-m9999" in page) == (50, True)
    (later,) = re.findall(r'href="([^"]+offset=50)"', page)
    assert "delivery-prod-m9949" in admin.ask(later).text
    assert "delivery-prod-m0<" in admin.ask(f"/queues/{DELIVERIES}?offset=9950").text
    assert admin.ask(f"/queues/{DELIVERIES}?offset=-1;").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/queues/theirs",
        f"/queues/{DELIVERIES}/jobs/none",
        f"/queues/{DELIVERIES}/jobs/a%0Ab",
        f"/queues/{jobqueue.MAINTENANCE}/jobs/delivery-prod-m0",
        "/queues/quarantine/none",
        "/queues/quarantine/%3Cb%3E",
        "/queues/unknown?deployment=none",
    ],
)
def test_what_is_not_there_is_a_page_that_says_so(connection: "redis.Redis", admin: Browser, path: str) -> None:
    write_failed(connection, 1)
    answer = admin.ask(path)
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert 'role="alert"' in answer.text


@pytest.mark.parametrize("path", PAGES)
def test_without_redis_the_pages_say_so(config: Config, path: str) -> None:
    answer = here(build(connect("unix:///nowhere/redis.sock"), config)).ask(path)
    assert answer.status_code == 503
    assert "Redis is unreachable" in answer.text


# ---- acting ----


def test_a_queue_is_paused_and_resumed(connection: "redis.Redis", admin: Browser) -> None:
    after = follow(admin, press(admin, "/queues", f"/queues/{DELIVERIES}/pause"))
    assert "Paused." in text(after)
    assert Queues(connection).is_paused(DELIVERIES)
    assert "Paused by loopback" in text(admin.ask(f"/queues/{DELIVERIES}").text)
    follow(admin, press(admin, "/queues", f"/queues/{DELIVERIES}/resume"))
    assert not Queues(connection).is_paused(DELIVERIES)
    assert trail(connection) == [("loopback", "resume queue"), ("loopback", "pause queue")]


def test_a_failed_job_is_requeued_once_by_two_operators(
    connection: "redis.Redis", config: Config, admin: Browser
) -> None:
    (job_id,) = fail(connection, config, resumes(1))
    page, action = f"/queues/{DELIVERIES}/jobs/{job_id}", f"/queues/{DELIVERIES}/jobs/{job_id}/requeue"
    fields = forms(admin.ask(page).text)[action]
    first, second = (admin.ask(action, "POST", data=fields) for _ in range(2))
    assert "Queued again." in text(follow(admin, first))
    assert "Nothing was changed" in text(follow(admin, second))
    assert jobs_in(connection)["queued"] == [job_id]
    assert trail(connection) == [("loopback", "requeue job")]


def test_a_failed_job_is_deleted_and_its_delivery_replayed(
    connection: "redis.Redis", config: Config, admin: Browser
) -> None:
    (job_id,) = fail(connection, config, resumes(1))
    page = f"/queues/{DELIVERIES}"
    assert "Deleted." in text(follow(admin, press(admin, page, f"{page}/jobs/{job_id}/delete")))
    assert jobs_in(connection)["failed"] == []
    shown = admin.ask("/queues/unknown").text
    assert "An operator deleted its job before it was classified. Deleted by loopback." in text(shown)
    answer = admin.ask("/queues/unknown/replay", "POST", data=forms(shown)["/queues/unknown/replay"])
    assert "Queued for classification." in text(follow(admin, answer))
    assert len(jobs_in(connection)["queued"]) == 1


@pytest.mark.parametrize(("act", "queued"), [("requeue", 3), ("delete", 0)])
def test_all_failed_jobs_are_dealt_with_at_once(connection: Any, admin: Browser, act: str, queued: int) -> None:
    write_failed(connection, 3)
    page = f"/queues/{DELIVERIES}"
    assert "(3)" in text(follow(admin, press(admin, page, f"{page}/{act}")))
    assert (jobs_in(connection)["failed"], len(jobs_in(connection)["queued"])) == ([], queued)


def test_all_that_was_not_understood_is_replayed(connection: "redis.Redis", config: Config, admin: Browser) -> None:
    accept(connection, [(DEPLOYMENT, f"odd{n}", STARTED_AT, {"notification_name": "Odd"}) for n in range(3)])
    work_off(connection, config)
    token = next(iter(forms(admin.ask("/queues/unknown").text).values()))["csrf_token"]
    answer = admin.ask("/queues/unknown/replay", "POST", data={"csrf_token": token})
    assert "Queued for classification. (3)" in text(follow(admin, answer))
    assert "Nothing was changed" in text(
        follow(admin, admin.ask("/queues/unknown/replay", "POST", data={"csrf_token": token}))
    )


def test_the_quarantine_is_reviewed(connection: "redis.Redis", admin: Browser) -> None:
    inbox = Inbox(connection, DEPLOYMENT)
    inbox.quarantine("readable", STARTED_AT, "odd", notification("m1", user_email="planted"), keep=True)
    inbox.quarantine("odd", STARTED_AT, "odd", b"planted <b>", keep=True)
    assert "/queues/quarantine/odd" in admin.ask("/queues/quarantine").text
    page = "/queues/quarantine/readable"
    assert "planted" not in admin.ask(page).text + admin.ask("/queues/quarantine/odd").text
    assert "Queued for classification" in text(follow(admin, press(admin, page, f"{page}/release")))
    assert "/queues/quarantine/odd/release" not in forms(admin.ask("/queues/quarantine/odd").text)
    odd = "/queues/quarantine/odd"
    token = forms(admin.ask(odd).text)[f"{odd}/discard"]
    assert "still not a valid notification" in text(follow(admin, admin.ask(f"{odd}/release", "POST", data=token)))
    assert "Discarded." in text(follow(admin, press(admin, odd, f"{odd}/discard")))
    assert "The quarantine is empty." in text(admin.ask("/queues/quarantine").text)


def test_a_link_keeps_the_deployment(connection: "redis.Redis", admin: Browser) -> None:
    inbox = Inbox(connection, "eu")
    inbox.quarantine("odd", STARTED_AT, "odd", b"x", keep=True)
    assert "The quarantine is empty." in text(admin.ask("/queues/quarantine").text)
    page = "/queues/quarantine/odd?deployment=eu"
    assert page in admin.ask("/queues/quarantine?deployment=eu").text
    answer = press(admin, page, "/queues/quarantine/odd/discard?deployment=eu")
    assert "deployment=eu" in answer.headers["Location"]
    assert inbox.quarantined() == []


# ---- who may act ----


def test_a_viewer_sees_and_does_nothing(connection: Any, viewer: Browser) -> None:
    write_failed(connection, 1)
    pages = "".join(viewer.ask(page).text for page in PAGES)
    assert [action for action in forms(pages) if action.startswith("/queues")] == []
    token = re.search(r'name="csrf_token" value="([^"]+)"', pages)
    data = {"csrf_token": token[1] if token else "x"}
    assert {viewer.ask(path, "POST", data=data).status_code for path in ACTS} == {403}
    assert trail(connection) == []


@pytest.mark.parametrize("path", ACTS)
def test_nothing_is_done_without_the_token_of_the_form(connection: Any, admin: Browser, path: str) -> None:
    admin.ask("/queues")
    answers = [admin.ask(path, "POST", data=data) for data in ({}, {"csrf_token": ""}, {"csrf_token": "wrong"})]
    assert ([answer.status_code for answer in answers], trail(connection)) == ([403] * 3, [])
    assert not Queues(connection).is_paused(DELIVERIES)


def test_no_act_is_a_get(admin: Browser) -> None:
    assert {admin.ask(path).status_code for path in ACTS} <= {404, 405}


def test_nobody_else_gets_in(connection: "redis.Redis", redis_server: RedisServer) -> None:
    closed = Browser(build(connection, make_config(redis_server.url)))
    assert {closed.ask(path).status_code for path in PAGES} == {403}


@pytest.mark.parametrize("query", ["done=%3Cb%3Eplanted", "done=requeued&n=planted", "done=requeued&n=%3Cb%3E", "n=7"])
def test_no_text_of_the_address_is_repeated(admin: Browser, query: str) -> None:
    page = admin.ask(f"/queues?{query}").text
    assert "planted" not in page
    assert "<b>" not in page
    assert "(7)" not in page


def test_an_id_that_is_none_is_no_way_out_of_the_site(admin: Browser) -> None:
    token = next(iter(forms(admin.ask("/queues").text).values()))
    for path in (
        "/queues/quarantine/%5C%5Cevil/release",
        f"/queues/{DELIVERIES}/jobs/%0d%0aX:y/delete",
        "/queues/x/pause",
    ):
        assert admin.ask(path, "POST", data=token).status_code == 404
