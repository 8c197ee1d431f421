"""One delivery is followed by its ids alone, from the POST to Slack, in the log and through the API."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from app.core.access.people import token_digest
from app.simulator.sinks import SlackSink
from app.store import keys
from tests.conftest import SECRET, wait_until
from tests.faults.planted import Service
from tests.faults.system import session
from tests.pipeline.streams import DEPLOYMENT, Delivery, resumes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")

#: The second and the fourth cross a threshold of this limit.
LIMIT = 4
DELIVERIES = resumes(LIMIT)
TOKEN = "a-token-of-the-tests"
DECISIONS = {
    "delivery accepted",
    "delivery duplicate",
    "delivery classified",
    "evidence counted",
    "alert announced",
    "alert acknowledged",
    "notification sent",
}


@dataclass(frozen=True)
class Followed:
    """What is left when the service has ended: its log, the answers of its API, and what Slack got."""

    log: list[dict[str, Any]]
    api: dict[str, Any]
    told: list[str]

    def lines(self, event: str, **having: Any) -> list[dict[str, Any]]:
        return [line for line in self.log if line["event"] == event and having.items() <= line.items()]

    def the(self, event: str, **having: Any) -> dict[str, Any]:
        (line,) = self.lines(event, **having)
        return line


def post(service: Service, delivery: Delivery) -> int:
    _, message_id, _, payload = delivery
    body = json.dumps({"_version": "1.1", "msg_id": message_id, "payload": payload, "title": "t", "body": "b"})
    url = service.url + "/v1/webhook"
    return session().post(url, data=body, auth=("coder", SECRET), timeout=20).status_code


def api(service: Service, path: str) -> Any:
    answer = session().get(f"{service.url}/api/v1/{path}", timeout=20)
    assert answer.ok, answer.text
    return answer.json()


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    with (
        SlackSink() as slack,
        Service(
            tmp_path_factory.mktemp("followed"),
            slack_webhook_url=slack.url,
            limit=LIMIT,
            thresholds="50%,100%",
            forecast_alerts="false",
            api_tokens=f"admin:{token_digest(TOKEN)}",
            trust_loopback="always",
        ).started() as service,
    ):
        # The first sweep might announce a threshold before the worker does; the next one is a minute away.
        with service.connection() as connection:
            wait_until(lambda: connection.hget(keys.MARKS, "last_sweep_at"))
        for number, delivery in enumerate(DELIVERIES, start=1):
            assert post(service, delivery) == 202
            wait_until(lambda number=number: service.used() == number)
        assert post(service, DELIVERIES[0]) == 200
        wait_until(lambda: len(slack.messages) == 2)
        wait_until(lambda: all(one["state"] == "sent" for one in api(service, "notifications")["notifications"]))
        acknowledged = service.url + "/api/v1/alerts/awb/acknowledge"
        assert session().post(acknowledged, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20).ok
        answers = {path: api(service, path) for path in ("records", "events", "notifications", "deliveries")}
        assert service.stop() == 0
        yield Followed(service.lines(), answers, [message["text"] for message in slack.messages])


def test_every_line_of_the_log_is_an_object_with_time_level_and_event(followed: Followed) -> None:
    assert len(followed.log) > 20
    for line in followed.log:
        assert datetime.fromisoformat(line["timestamp"]).tzinfo is not None, line
        assert line["level"] in {"debug", "info", "warning", "error"}, line
        assert line["event"], line


@pytest.mark.parametrize(
    ("position", "level"), [(1, "50%"), (3, "100%")], ids=["the first threshold", "the second threshold"]
)
def test_the_ids_of_one_line_lead_to_the_next_from_the_post_to_slack(
    followed: Followed, position: int, level: str
) -> None:
    message_id = DELIVERIES[position][1]
    accepted = followed.the("delivery accepted", message_id=message_id)
    classified = followed.the("delivery classified", message_id=accepted["message_id"])
    assert classified["outcome"] == "evidence"
    assert classified["rule"]
    (counted,) = [line for line in followed.lines("evidence counted") if message_id in line["message_ids"]]
    assert counted["batch"] == classified["batch"]
    assert counted["workspace_id"] == classified["workspace_id"]
    announced = followed.the("alert announced", batch=counted["batch"])
    assert announced["threshold"] == level
    (notification_id,) = announced["notifications"]
    sent = followed.the("notification sent", notification_id=notification_id)
    times = [line["timestamp"] for line in (accepted, classified, counted, announced, sent)]
    # The receiver writes its line when the answer is certain; a worker may be faster.
    assert times[1:] == sorted(times[1:])
    assert {line["deployment"] for line in (accepted, classified, counted, announced, sent)} == {DEPLOYMENT}


def test_every_decision_has_one_line(followed: Followed) -> None:
    decisions = Counter(line["event"] for line in followed.log if line["event"] in DECISIONS)
    assert decisions == {
        "delivery accepted": LIMIT,
        "delivery duplicate": 1,
        "delivery classified": LIMIT,
        "evidence counted": LIMIT,
        "alert announced": 2,
        "alert acknowledged": 1,
        "notification sent": 2,
    }
    assert followed.the("delivery duplicate")["message_id"] == DELIVERIES[0][1]
    assert len(followed.told) == 2
    # What an alert has reached is its threshold: `level` is how grave the line is.
    assert followed.the("alert acknowledged")["threshold"] == "100%"


def test_the_records_of_the_log_are_those_of_the_api_and_name_the_delivery(followed: Followed) -> None:
    records = {record["key"]: record for record in followed.api["records"]["records"]}
    assert len(records) == LIMIT
    for _, message_id, _, _ in DELIVERIES:
        (counted,) = [line for line in followed.lines("evidence counted") if message_id in line["message_ids"]]
        (key,) = [key for key in counted["records"] if message_id in records[key]["deliveries"]]
        assert records[key]["deliveries"] == [message_id]
    known = {row["message_id"]: row for row in followed.api["deliveries"]["deliveries"]}
    assert set(known) == {delivery[1] for delivery in DELIVERIES}


def test_the_events_of_the_api_name_the_messages_of_the_log(followed: Followed) -> None:
    announced = [line["notifications"] for line in followed.lines("alert announced")]
    told = [event["notifications"] for event in reversed(followed.api["events"]["events"]) if event["notifications"]]
    assert told == announced
    messages = {row["id"]: row for row in followed.api["notifications"]["notifications"]}
    assert {row["state"] for row in messages.values()} == {"sent"}
    assert set(messages) == {line["notification_id"] for line in followed.lines("notification sent")}
