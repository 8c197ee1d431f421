"""The pods of the chart start with what it gives them, work together, and end when they are asked to."""

from pathlib import Path

import pytest

from tests.conftest import SECRET, wait_until
from tests.deploy.helmtools import find_tools, render
from tests.deploy.pods import Node

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

PODS = ["awb-web", "awb-worker-deliveries", "awb-worker-others", "awb-scheduler"]
VALUES = {"service": {"port": 8787}, "web": {"replicas": 1}, "settings": {"limit": 77, "ai_templates": ["claude"]}}


def test_the_pods_of_the_chart_work_together(short_dir: Path) -> None:
    objects = render(find_tools(), VALUES)
    secret = {
        "webhook_secret": SECRET,
        "session_secret": "s" * 32,
        "redis_url": "redis://:secret-of-redis@127.0.0.1:6379/0",
    }
    with Node(short_dir, objects, secret, service="awb") as node:
        node.start("redis", ["redis-server", "--requirepass", "secret-of-redis", "--appendonly", "yes"])
        for pod in PODS:
            node.start_pod(pod)
        ready = ["curl", "--silent", "http://127.0.0.1:8787/readyz"]
        wait_until(lambda: '"status":"ok"' in node.run(*ready).stdout)

        metrics = node.run("curl", "--silent", "http://127.0.0.1:9787/metrics").stdout
        assert "\nawb_up 1" in metrics
        assert 'awb_limit{deployment="default",meter="awb"} 77' in metrics
        # Nobody needs a login for them, but for everything else.
        page = node.run("curl", "--silent", "--head", "http://awb:8787/").stdout
        assert page.startswith("HTTP/1.1 403 ")

        assert {pod: node.probe(pod) for pod in PODS[1:]} == dict.fromkeys(PODS[1:], 0)

        doctor = node.finish_pod("awb-doctor", "Pod").stdout
        assert "http://awb:8787/v1/webhook answers" in doctor
        errors = [line.split()[1] for line in doctor.splitlines() if line.startswith("ERROR")]
        assert errors == ["receivers.configured"]

        assert {pod: node.stop(pod) for pod in PODS} == dict.fromkeys(PODS, 0)
