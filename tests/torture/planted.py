"""`make planted`: bugs that a hurried change could bring, each planted into a copy of the tree, to see the tests fail.

A test suite that passes says little until one has seen it fail.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click

from tests.workers.make import ROOT

#: What a copy needs for its tests to run.
_COPIED = ("app", "bench", "config", "deploy", "docs", "tests", "workers", "pyproject.toml", "README.md")
_FAILED_TESTS = 1


class NotThereError(LookupError):
    """A bug does not fit the tree any more: the text that it replaces is not there exactly once."""


@dataclass(frozen=True)
class Bug:
    """A bug to plant.

    Attributes:
        name: short, for the table in docs/reliability.md.
        file: where it goes, from the root of the tree.
        right, wrong: the text that is there, and what takes its place.
        tests: what should fail, as pytest takes it.
    """

    name: str
    file: str
    right: str
    wrong: str
    tests: str

    def plant(self, root: Path) -> None:
        """Change the file.

        Raises:
            NotThereError: the text is not there, or more than once.
        """
        (root / self.file).write_text(self.changed(root), encoding="utf-8")

    def changed(self, root: Path) -> str:
        """Return the file with the bug.

        Raises:
            NotThereError: the text is not there, or more than once.
        """
        text = (root / self.file).read_text(encoding="utf-8")
        if text.count(self.right) != 1:
            raise NotThereError(f"{self.name}: {self.file} has this {text.count(self.right)} times: {self.right!r}")
        return text.replace(self.right, self.wrong)


BUGS = (
    Bug(
        "acknowledge before the write",
        "app/pipeline/count/intake.py",
        "    new = inbox.accept(job, delivery.message_id, received_at, relayed)\n",
        "    import threading\n\n    new = True\n"
        "    threading.Thread(\n"
        "        target=lambda: inbox.accept(job, delivery.message_id, received_at, relayed), daemon=True\n"
        "    ).start()\n",
        "tests/web/test_redis_faults.py",
    ),
    Bug(
        "swallow an error of Redis in the intake",
        "app/web/webhook.py",
        '        answer = _answer(503, "unavailable", reason=f"Redis is {why}")\n',
        '        answer = _answer(202, "accepted", reason=f"Redis is {why}")\n',
        "tests/web/test_redis_faults.py",
    ),
    Bug(
        "swallow an error of Redis in the quarantine",
        "app/pipeline/count/intake.py",
        "        inbox.quarantine(error.message_id, received_at, error.reason, body, keep=not may_hold_secret(body))\n",
        "        import contextlib\n\n        with contextlib.suppress(Exception):\n"
        "            inbox.quarantine(error.message_id, received_at, error.reason, body, keep=False)\n",
        "tests/web/test_redis_faults.py",
    ),
    Bug(
        "count a duplicate",
        "app/store/scripts/accept.lua",
        "or redis.call('HSETNX', KEYS[1], ARGV[1], '') == 0 then",
        "or redis.call('HSETNX', KEYS[1], ARGV[1], '') == 2 then",
        "tests/store/test_inbox.py tests/web/test_accepting.py",
    ),
    Bug(
        "forget last year's message ids on New Year's Day",
        "app/store/scripts/accept.lua",
        "if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 or",
        "if",
        "tests/store/test_inbox.py",
    ),
    Bug(
        "count evidence of one delivery twice when its job runs twice",
        "app/core/count/evidence.py",
        '            changed["resumed"] = _union(self.resumed, one)\n',
        '            changed["resumed"] = (*self.resumed, one)\n',
        "tests/core/test_evidence.py",
    ),
    Bug(
        "drop the version check of the script that writes records",
        "app/store/scripts/update_records.lua",
        "if (redis.call('HGET', KEYS[1], 'v') or '0') ~= ARGV[1] then",
        "if false then",
        "tests/store/test_ledger.py",
    ),
    Bug(
        "drop the version check of the script that announces",
        "app/store/scripts/announce.lua",
        "  if (redis.call('HGET', KEYS[1], 'v') or '0') ~= ARGV[1] then",
        "  if false then",
        "tests/store/test_alerts.py",
    ),
    Bug(
        "move the totals, but not those of the month",
        "app/store/scripts/update_records.lua",
        "  bump_total('m:' .. month, by)\n",
        "",
        "tests/store/test_ledger.py",
    ),
    Bug(
        "mark a message as sent before it is sent",
        "app/pipeline/notify/send.py",
        "        handle = by.send(notification, thread, retry=attempt.number > 1)\n",
        "        outbox.mark_sent(notification, clock.now(), None)\n"
        "        handle = by.send(notification, thread, retry=attempt.number > 1)\n",
        "tests/pipeline/test_crashes.py",
    ),
    Bug(
        "forget a pending notification whose job was lost",
        "app/store/scripts/announce.lua",
        "    redis.call('ZADD', KEYS[2], ARGV[3], id)\n",
        "",
        "tests/pipeline/test_crashes.py",
    ),
    Bug(
        "send what another worker holds",
        "app/store/scripts/claim.lua",
        "if tonumber(redis.call('HGET', KEYS[1], 'claimed_until') or '0') > tonumber(ARGV[1]) then",
        "if false then",
        "tests/pipeline/test_crashes.py tests/pipeline/test_send.py",
    ),
    Bug(
        "announce a level again after a crash",
        "app/store/scripts/announce.lua",
        "  redis.call('HSET', KEYS[1], 's', ARGV[2])\n",
        "  if ARGV[7] == '0' then redis.call('HSET', KEYS[1], 's', ARGV[2]) end\n",
        "tests/pipeline/test_crashes.py",
    ),
    Bug(
        "release a lane that another worker has taken over",
        "app/store/scripts/laneleave.lua",
        "if not held or tonumber(held) ~= tonumber(ARGV[2]) then",
        "if not held then",
        "tests/relay/test_lanes.py",
    ),
    Bug(
        "take a workspace off the list although its verification was asked for again",
        "app/store/scripts/verified.lua",
        "if not due or tonumber(due) ~= tonumber(ARGV[2]) then",
        "if not due then",
        "tests/exact/test_verify.py",
    ),
    Bug(
        "take jobs off the queue before they are counted",
        "app/store/scripts/take.lua",
        "  if fields[1] then\n",
        "  redis.call('LREM', KEYS[2], 1, id)\n  if fields[1] then\n",
        "tests/workers/test_runner.py",
    ),
    Bug(
        "leave a dead worker's jobs where they are",
        "workers/runner.py",
        "        super().register_birth()  # type: ignore[no-untyped-call]\n        adopt(self)\n",
        "        super().register_birth()  # type: ignore[no-untyped-call]\n",
        "tests/workers/test_runner.py",
    ),
    Bug(
        "skip the check of the append-only file",
        "workers/embedded.py",
        "        damage = aof.find_damage(data_dir)\n",
        "        damage = None\n",
        "tests/cli/test_repair.py",
    ),
    Bug(
        "start empty where the append-only file is damaged",
        "workers/embedded.py",
        '        "--appendonly", "yes",\n',
        '        "--appendonly", "no",\n',
        "tests/cli/test_repair.py",
    ),
    Bug(
        "drop evidence at a pause",
        "app/core/count/evidence.py",
        '            changed["paused"] = _union(self.paused, one)\n',
        "            pass\n",
        "tests/core/test_evidence.py",
    ),
    Bug(
        "be ready without trying a write",
        "app/web/health.py",
        "            check_writable(quick)\n",
        "            quick.ping()\n",
        "tests/web/test_redis_faults.py",
    ),
    Bug(
        "try again at once although the receiver says when",
        "app/pipeline/notify/send.py",
        "        delay = min(max(retry_after, 1.0), _LONGEST_RETRY_AFTER)\n",
        "        delay = float(_DELAYS[0])\n",
        "tests/pipeline/test_send.py",
    ),
    Bug(
        "lose the last day of Coder's period",
        "app/core/limit/period.py",
        "last.astimezone(UTC).date() + timedelta(days=1))",
        "last.astimezone(UTC).date())",
        "tests/core/test_period.py",
    ),
)


@dataclass(frozen=True)
class Verdict:
    bug: Bug
    caught: bool
    said: str
    seconds: float


def run(bug: Bug) -> Verdict:
    """Plant a bug into a copy of the tree and run its tests there.

    Raises:
        NotThereError: the tree has changed.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="planted-") as directory:
        copy = Path(directory)
        for name in _COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(ROOT / name, copy / name)
        bug.plant(copy)
        options = ["-q", "-x", "-p", "no:cacheprovider", "--no-header", "-m", "not long"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *bug.tests.split()],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    caught = done.returncode == _FAILED_TESTS and any(line.startswith("FAILED") for line in failed)
    said = failed[0].partition(" - ")[0] if failed else done.stdout[-300:] + done.stderr[-300:]
    return Verdict(bug, caught, said, time.monotonic() - began)


@click.command(help=__doc__)
@click.option("--only", default="", help="Only bugs whose name has this in it.")
@click.option("--jobs", default=2, show_default=True, help="Copies under test at once.")
def main(only: str, jobs: int) -> None:
    chosen = [bug for bug in BUGS if only in bug.name]
    caught = 0
    with ThreadPoolExecutor(jobs) as pool:
        for number, verdict in enumerate(pool.map(run, chosen), 1):
            caught += verdict.caught
            word = click.style("caught", "green") if verdict.caught else click.style("NOT CAUGHT", "red", bold=True)
            click.echo(
                f"{number:>2}/{len(chosen)} {word}: {verdict.bug.name} ({verdict.seconds:.0f} s)\n   {verdict.said}"
            )
    click.echo(f"{caught} of {len(chosen)} planted bugs were caught")
    sys.exit(caught != len(chosen))


if __name__ == "__main__":
    main()
