"""Records in the ledger of the configured deployment, and `awb` in a separate process."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import redis

from app.core.count.evidence import Evidence
from app.core.count.meter import AWB, RecordState, UsageRecord
from app.store.count.ledger import Ledger, RecordUpdate
from tests.conftest import SECRET
from tests.web.make import ROOT

DEPLOYMENT = "default"
PROVED, PROVISIONAL = RecordState.PROVED, RecordState.PROVISIONAL


def build(number: int, at: datetime | None = None, **fields: Any) -> UsageRecord:
    """Return a proved build in its own workspace."""
    usual: dict[str, Any] = {
        "key": f"build:b{number}",
        "meter": AWB,
        "state": PROVED,
        "at": (at or datetime.now(UTC) - timedelta(hours=1)).timestamp(),
        "workspace_id": f"w{number}",
        "workspace": f"task-{number}",
        "owner": "ada",
        "template": "claude-code",
        "organization": "coder",
        "rule": "coder-build",
        "reason": f"Coder's API shows build {number}.",
        "deliveries": (),
        "build_id": f"b{number}",
    }
    return UsageRecord(**{**usual, **fields})


def put(connection: "redis.Redis", records: Sequence[UsageRecord], deployment: str = DEPLOYMENT) -> None:
    ledger = Ledger(connection, deployment, AWB)
    updates = [RecordUpdate(one.workspace_id, 0, Evidence(), (), proved=(one,)) for one in records]
    assert ledger.update_records(updates)[1] == []


def environ(redis_url: str, **more: str) -> dict[str, str]:
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("AWB_", "COLUMNS", "NO_COLOR"))}
    ours = {"PYTHONPATH": str(ROOT), "AWB_REDIS_URL": redis_url, "AWB_WEBHOOK_SECRET": SECRET}
    return {**bare, **ours, **more}


def start(redis_url: str, *words: str, **more: str) -> "subprocess.Popen[bytes]":
    """Start `awb` in a separate process with its output in pipes and SIGINT handled as in a terminal.

    A shell's background job ignores SIGINT, and child processes inherit that, but not their parent's handlers.
    """
    command = [sys.executable, "-m", "app.cli", *words]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ(redis_url, **more), cwd=ROOT
        )
    finally:
        signal.signal(signal.SIGINT, before)


def run(redis_url: str, *words: str, **more: str) -> tuple[int, str, str]:
    """Run `awb` in a separate process and return its exit code, output and errors."""
    process = start(redis_url, *words, **more)
    told, wrong = process.communicate(timeout=60)
    return process.returncode, told.decode(), wrong.decode()
