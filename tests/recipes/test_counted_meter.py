"""The recipe “To add a counted meter” of CONTRIBUTING, carried out."""

import json
from pathlib import Path
from typing import Any

import pytest
import redis

from app import clock
from app.simulator.sinks import SlackSink
from tests.conftest import RedisServer
from tests.recipes.checkout import Checkout
from tests.workers.make import accept

_RULE = """
[[rule]]
name = "report-printed"
reason = "A report was printed: one print."
outcome = "evidence"
evidence = "resumed"
meter = "prints"
when = { name = "Report Printed" }
"""
_ANSWERS = """
import json
from app.answers.coder import Coder
from app.config.load import load
from app.pipeline.usage import current_usage
from app.store.server.connection import connect
from app.store.store import Store
config = load()
store = Store(connect(config.settings.redis_url.get_secret_value()), "default")
used = {meter: current_usage(store, config, meter, top=False).used for meter in ("awb", "prints")}
print(json.dumps({"used": used, "meters": [one.meter for one in Coder.of(store, config).meters]}))
"""


def _printed(number: int) -> tuple[str, str, float, Any]:
    payload = {
        "notification_name": "Report Printed",
        "notification_template_id": "00000000-0000-4000-8000-00000000beef",
        "user_username": "ada",
        "labels": {"workspace": "reports", "task": "reports"},
        "targets": ["11111111-1111-4111-8111-111111111111"],
    }
    return "default", f"print-{number}", clock.now().timestamp(), payload


@pytest.mark.slow
def test_a_new_meter_in_two_files_is_counted_held_against_its_limit_and_answered(
    connection: "redis.Redis", redis_server: RedisServer, tmp_path: Path
) -> None:
    with SlackSink() as slack:
        checkout = Checkout(tmp_path, redis_server.url, slack_webhook_url=slack.url, limit="4", thresholds="75%")
        checkout.insert_below(
            "app/core/count/meter.py",
            '"AWB", counted_here=True, proved=True),\n',
            '        Meter("prints", "print_limit", "printed reports", "Prints", counted_here=True),\n',
        )
        checkout.append("config/rules.toml", _RULE)
        assert len(checkout.touched) == 2
        accept(connection, [_printed(number) for number in range(3)])
        checkout.awb("worker", "awb-deliveries", "--burst")
        checkout.awb("worker", "awb-notifications", "--burst")
        [message] = slack.messages
        assert "Prints 75% – 3 of 4 used" in json.dumps(message, ensure_ascii=False)
        told = json.loads(checkout.python(_ANSWERS))
        assert told == {"used": {"awb": 0, "prints": 3}, "meters": ["prints"]}
