"""The page of alerts and its forms: who may, what is done, what is written down."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.config.load import Config
from app.core.count.meter import AWB
from app.pipeline.operate.acknowledge import snooze
from app.pipeline.operate.silence import create_silence
from app.pipeline.watch.warn import warn
from app.store.alert.alerts import Alerts
from app.store.alert.silences import Silences
from app.store.audit import Audit
from app.store.store import Store
from tests.browser import world
from tests.browser.markup import Markup, complaints
from tests.conftest import RedisServer, make_config

NOW = datetime(2026, 5, 13, 10, 0, tzinfo=UTC)
VIEWER = {"headers": {"X-Forwarded-User": "viv"}, "environ_base": {"REMOTE_ADDR": "10.0.0.5"}}


@pytest.fixture
def config(redis_server: RedisServer) -> Config:
    proxy = {"proxy_addresses": "10.0.0.5", "proxy_user_header": "X-Forwarded-User", "trust_loopback": "always"}
    return make_config(redis_server.url, limit=10, **world.CHANNELS, **proxy)


@pytest.fixture
def client(connection: "redis.Redis", config: Config, time_machine: Any) -> FlaskClient:
    """A client of a deployment at 80% of its limit."""
    time_machine.move_to(NOW, tick=False)
    records = [world.build(n, NOW - timedelta(days=1)) for n in range(8)]
    world.put(connection, records)
    world.deliver(connection, records)
    warn(Store(connection, world.DEPLOYMENT), config, AWB)
    return world.application(config, connection).test_client()


def page_of(client: FlaskClient, path: str = "/alerts", **more: Any) -> Markup:
    answer = client.get(path, **more)
    assert answer.status_code == 200
    assert complaints(answer.text) == []
    return Markup(answer.text)


def post(client: FlaskClient, path: str, **fields: str) -> TestResponse:
    """Send a form as the browser would, with the token of the page."""
    token = page_of(client).hidden_fields()["csrf_token"]
    return client.post(path, data={"csrf_token": token, **fields})


def followed(client: FlaskClient, answer: TestResponse) -> str:
    assert answer.status_code == 303, answer.text
    location = answer.headers["Location"]
    assert location.startswith("/alerts?done=")
    return page_of(client, location.partition("#")[0]).text


def test_an_alert_that_fires_is_reported_with_its_meaning_and_its_messages(client: FlaskClient) -> None:
    page = page_of(client)
    assert "AWB 80%" in page.text
    assert "On Coder v2.31 and later nothing is blocked" in page.text
    for section in ("History", "Messages"):
        assert "No events yet" not in page.text.partition(section)[2].partition("\n\n")[0]
    assert "email:ops@example.com" in page.text


def test_acknowledging_is_kept_shown_and_audited(client: FlaskClient, connection: "redis.Redis") -> None:
    answer = post(client, "/alerts/acknowledge", alert=AWB, level="75%")
    assert "Acknowledged." in followed(client, answer)
    assert Silences(connection, world.DEPLOYMENT).acknowledges(AWB, Alerts(connection, world.DEPLOYMENT).state(AWB)[1])
    assert "Acknowledged by loopback" in page_of(client).text
    assert "Acknowledged by loopback" in page_of(client, "/").text
    entry = Audit(connection, world.DEPLOYMENT).newest(1)[0]
    assert (entry.actor, entry.action, entry.detail) == ("loopback", "acknowledge", "awb 75%")
    assert "before" in followed(client, post(client, "/alerts/acknowledge", alert=AWB, level="75%"))


def test_an_alert_that_changed_meanwhile_is_not_acknowledged(client: FlaskClient, connection: "redis.Redis") -> None:
    for path in ("/alerts/acknowledge", "/alerts/snooze"):
        answer = post(client, path, alert=AWB, level="90%", hours="24")
        assert "the alert has changed in the meantime" in followed(client, answer)
    assert Audit(connection, world.DEPLOYMENT).newest(5) == []


def test_snoozing_holds_this_level_back_for_a_day(client: FlaskClient, connection: "redis.Redis") -> None:
    assert "Snoozed." in followed(client, post(client, "/alerts/snooze", alert=AWB, level="75%", hours="24"))
    silence = Silences(connection, world.DEPLOYMENT).active(NOW)[0]
    assert (silence.ends_at, silence.author) == (NOW + timedelta(days=1), "loopback")
    assert "Silenced until 14 May 2026, 10:00" in page_of(client, "/").text


def test_a_silence_is_made_from_conditions_shown_and_ended(client: FlaskClient, connection: "redis.Redis") -> None:
    fields = {"matchers": "level=75%\nreceiver=email:*\n", "hours": "168", "comment": "we know", "once": "1"}
    assert "Silenced." in followed(client, post(client, "/silences", **fields))
    made = Silences(connection, world.DEPLOYMENT).active(NOW)[0]
    assert made.matchers == {"level": "75%", "receiver": "email:*"}
    assert made.ends_at == NOW + timedelta(days=7)
    assert "we know" in page_of(client).text
    assert "has ended" in followed(client, post(client, "/silences/end", id=made.id))
    assert Silences(connection, world.DEPLOYMENT).active(NOW) == []
    assert "Ended by" in page_of(client).text
    assert [entry.action for entry in Audit(connection, world.DEPLOYMENT).newest(5)] == ["end silence", "silence"]


def test_a_form_that_is_sent_twice_makes_one_silence(
    client: FlaskClient, connection: "redis.Redis", time_machine: Any
) -> None:
    fields = {**page_of(client).hidden_fields(), "matchers": "level=75%", "hours": "1", "comment": "twice"}
    assert client.post("/silences", data=fields).status_code == 303
    time_machine.move_to(NOW + timedelta(seconds=5), tick=False)
    assert client.post("/silences", data=fields).status_code == 303
    assert len(Silences(connection, world.DEPLOYMENT).all()) == 1
    fields = {**page_of(client).hidden_fields(), "matchers": "level=75%", "hours": "1", "comment": "twice"}
    assert client.post("/silences", data=fields).status_code == 303
    assert len(Silences(connection, world.DEPLOYMENT).all()) == 2


def test_whatever_changes_something_takes_an_admin(client: FlaskClient) -> None:
    app = client.application
    acts = [rule.endpoint for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())]
    ours = [app.view_functions[name] for name in acts if name.startswith("pages.")]
    assert ours
    # What require_admin wraps; the guard refuses viewers besides.
    assert all(hasattr(view, "__wrapped__") for view in ours)


@pytest.mark.parametrize(
    ("matchers", "comment", "problem"),
    [
        ("", "why", "at least one matcher"),
        ("colour=red", "why", "there is no field “colour”"),
        ("level", "why", "is no matcher"),
        ("level=75%", "  ", "give the reason"),
        ("<b>=1", "why", "there is no field “<b>”"),
    ],
)
def test_a_silence_that_cannot_be_is_refused_and_the_form_keeps_its_content(
    client: FlaskClient, connection: "redis.Redis", matchers: str, comment: str, problem: str
) -> None:
    answer = post(client, "/silences", matchers=matchers, comment=comment, hours="24")
    assert answer.status_code == 422
    assert complaints(answer.text) == []
    page = Markup(answer.text)
    assert problem in page.text
    assert matchers in page.text
    assert Silences(connection, world.DEPLOYMENT).all() == []


def test_how_long_is_one_of_what_the_form_offers(client: FlaskClient) -> None:
    for hours in ("", "9999999999", "-1"):
        answer = post(client, "/silences", matchers="level=75%", comment="why", hours=hours)
        assert answer.status_code == 400
        assert complaints(answer.text) == []


def test_silencing_from_an_alert_fills_the_form_in(client: FlaskClient) -> None:
    link = next(link for link in page_of(client, "/").links() if "alert=awb" in link)
    assert "alert=awb" in page_of(client, link.partition("#")[0]).text


@pytest.mark.parametrize("path", ["/alerts/acknowledge", "/alerts/snooze", "/silences", "/silences/end"])
@pytest.mark.parametrize("who", ["viewer", "no token", "wrong token", "another site"])
def test_nobody_but_an_admin_on_our_own_page_changes_anything(
    client: FlaskClient, connection: "redis.Redis", path: str, who: str
) -> None:
    made = create_silence(Store(connection, world.DEPLOYMENT), {"level": "9*"}, NOW + timedelta(days=1), "ada", "x")
    fields = {"alert": AWB, "level": "75%", "hours": "24", "matchers": "level=75%", "comment": "x", "id": made.id}
    more: dict[str, Any] = VIEWER if who == "viewer" else {}
    fields["csrf_token"] = page_of(client).hidden_fields()["csrf_token"]
    if who == "no token":
        del fields["csrf_token"]
    if who == "wrong token":
        fields["csrf_token"] += "x"
    if who == "another site":
        more = {"headers": {"Origin": "https://evil.example.com"}}
    assert client.post(path, data=fields, **more).status_code == 403
    silences = Silences(connection, world.DEPLOYMENT)
    assert (len(silences.all()), silences.active(NOW), silences.acknowledgement(AWB)) == (1, [made], None)
    assert Audit(connection, world.DEPLOYMENT).newest(1) == []


def test_a_viewer_sees_everything_and_no_form(client: FlaskClient) -> None:
    page = page_of(client, **VIEWER)
    assert "AWB 80%" in page.text
    assert "Only admins can create and end silences" in page.text
    assert [form["method"] for form in page.all("form")] == []


def test_what_a_page_says_after_an_act_is_never_taken_from_the_address(client: FlaskClient) -> None:
    assert "pay now" not in page_of(client, "/alerts?done=pay+now").text


def test_history_is_paged_and_downloaded(
    client: FlaskClient, config: Config, connection: "redis.Redis", time_machine: Any
) -> None:
    for number in range(1, 28):
        time_machine.move_to(NOW + timedelta(minutes=number), tick=False)
        snooze(Store(connection, world.DEPLOYMENT), config, AWB, "75%", "ada", NOW + timedelta(days=number))
    older = next(link for link in page_of(client).links() if "events=" in link)
    assert older.endswith("#events")
    before = page_of(client, older.partition("#")[0])
    assert "Usage reached 75%." in before.text
    assert "/alerts#events" in before.links()
    for table in ("events", "messages", "silences"):
        assert client.get(f"/alerts?format=csv&table={table}").mimetype == "text/csv"
