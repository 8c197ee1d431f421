"""A deployment that floods the meter, as real processes: how long another one's deliveries take to be counted."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
import requests

from app.core.count.delivery import read_delivery
from app.core.count.meter import AWB
from app.store import keys
from app.store.receive.inbox import Inbox
from app.store.rq import jobqueue, readyjob, turns
from tests.conftest import PATIENCE, SECRET, RedisServer, wait_until
from tests.web.make import basic, notification, receiver
from workers.runner import BATCH

ROOT = Path(__file__).parents[2]
FLOOD = 20_000
POSTS = 20


def flood(connection: "redis.Redis") -> None:
    """Let a deployment send as much as Coder would in years, before anybody counts."""
    inbox = Inbox(connection, "noisy")
    for number in range(FLOOD):
        message, at = f"m{number}", time.time()
        payload = read_delivery(notification(message, number)).payload
        assert inbox.accept(readyjob.delivery_job("noisy", message, at, payload), message, at)


def counted(connection: "redis.Redis", deployment: str) -> int:
    return int(connection.zcard(keys.records(deployment, AWB)))


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_time_to_count_of_others_stays_bounded(redis_server: RedisServer, connection: "redis.Redis") -> None:
    environ = {"AWB_REDIS_URL": redis_server.url, "AWB_WEBHOOK_SECRET": SECRET, "AWB_LOG_LEVEL": "error"}
    command = [sys.executable, "-m", "app.cli", "worker", jobqueue.DELIVERIES]
    flood(connection)
    waits, overtaken = [], []
    with receiver(redis_server.url) as running:
        worker = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environ})
        try:
            wait_until(lambda: counted(connection, "noisy") > 0)
            began, before_all = time.monotonic(), counted(connection, "noisy")
            for number in range(POSTS):
                before, at = counted(connection, "noisy"), time.monotonic()
                body = notification(f"q{number}", number)
                answer = requests.post(f"{running.url}/v1/webhook/quiet", body, headers=basic(), timeout=20)
                assert answer.status_code == 202
                wait_until(lambda wanted=number + 1: counted(connection, "quiet") == wanted, 120)
                waits.append(time.monotonic() - at)
                overtaken.append(counted(connection, "noisy") - before)
            rate = (counted(connection, "noisy") - before_all) / (time.monotonic() - began)
            still = FLOOD - counted(connection, "noisy")
        finally:
            worker.terminate()
            worker.wait(PATIENCE)
    sys.stdout.write(
        f"{FLOOD:,} waiting, {rate:,.0f} counted a second: others wait {statistics.median(waits):.2f} s (median), "
        f"{max(waits):.2f} s (longest), behind {max(overtaken):,} at most; {still:,} were left\n"
    )
    if still:
        # The queue, the batch in which its turn comes, and the one at work when it was posted.
        assert max(overtaken) <= turns.MOST_QUEUED + 4 * BATCH
