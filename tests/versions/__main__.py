"""Run the suite's core on every available Python and every Redis or Valkey, and print a table of the results.

`python -m tests.versions --roots DIR [--write docs/install/pip.md]`, as root on Debian. Interpreters are those of
pyenv and PATH; for what this Debian does not have, `debootstrap` makes later ones in DIR, once. The oldest server and
the one that `awb run` may bring come from wheels. Every Python runs with its Debian's server, every other server with
this Python. It fails if a run fails; a version that cannot be had has a row that says so. `--only "Redis 6.2"` runs
what has these words in its row, and leaves the other rows of the document as they are.
"""

import argparse
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.versions import places
from tests.versions.table import Outcome, Row, exit_code, merged, missing, read, render, write
from workers.servers import Program, installed

ROOT: Final = Path(__file__).resolve().parents[2]
TESTS: Final = ("tests/core", "tests/store", "tests/pipeline")
#: What of them has to do with a server.
SERVER_TESTS: Final = TESTS[1:]
#: What a server without TLS cannot run; the servers of the tests of Sentinel have it as well.
TLS_TESTS: Final = ("tests/store/test_tls.py", "tests/store/test_sentinel.py")
PYTEST: Final = ("-m", "pytest", "-q", "-n", "2", "-m", "not long", "-p", "no:cacheprovider")
#: Pytest's exit code when every test passed.
_PASSED = 0


def named(program: Program) -> str:
    return f"{program.kind.capitalize()} {'.'.join(map(str, program.version))}"


def result(done: "subprocess.CompletedProcess[str]", left_out: Sequence[str] = ()) -> tuple[Outcome, str]:
    """Return how a run of pytest ended, and its counts."""
    sys.stderr.write(f"{done.stdout[-3000:]}{done.stderr[-1500:]}\n")
    last = next(
        (line for line in reversed(done.stdout.splitlines()) if re.search(r"\d (passed|failed|error)", line)), ""
    )
    detail = re.sub(r" in [0-9.]+s.*", "", last.strip("= ")) or "did not run"
    if left_out:
        detail += f"; it has no TLS, so without {', '.join(f'`{one}`' for one in left_out)}"
    return (Outcome.PASSED if done.returncode == _PASSED and last else Outcome.FAILED), detail


def run(command: Sequence[str | Path], environ: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be run: everything, or what has one of these words in its row."""

    words: Sequence[str]

    def has(self, *cell: str) -> bool:
        return not self.words or any(word.lower() in " ".join(cell).lower() for word in self.words)


def version_of(*python: str | Path) -> str:
    return subprocess.run([*python, "-V"], capture_output=True, text=True, check=True).stdout.split()[1]


def row(cell: tuple[str, str, str], done: "subprocess.CompletedProcess[str]", left_out: Sequence[str] = ()) -> Row:
    return Row(*cell, *result(done, left_out), f"{datetime.now(UTC):%Y-%m-%d}")


def on_this_machine(wanted: Wanted, scratch: Path) -> Iterator[Row]:
    """Run on each interpreter of this machine, with its own server."""
    server = named(next(installed()).program)
    for python in places.pythons():
        version = version_of(python)
        cell = (version, server, places.this_debian())
        if not wanted.has(*cell):
            continue
        folder = scratch / f"python-{version}"
        inside = folder / "bin" / "python"
        install = [inside, "-m", "pip", "install", "-q", "--require-hashes", "-r", ROOT / "requirements-dev.lock"]
        done = run([python, "-m", "venv", folder], {})
        for command in (install, [inside, *PYTEST, *TESTS]):
            done = run(command, {}) if done.returncode == 0 else done
        yield row(cell, done)


def in_a_root(wanted: Wanted, root: Path, scratch: Path) -> Iterator[Row]:
    """Run in a later Debian as a whole, with its own interpreter and server."""
    server = named(places.of_root(root, "redis-server", scratch).program)
    cell = (version_of("chroot", root, "/usr/bin/python3"), server, f"Debian {root.name}")
    if not wanted.has(*cell):
        return
    places.trust(root)
    venv = "/tmp/awb-versions"
    script = (
        f"rm -rf {venv} && cd /src && python3 -m venv {venv} && "
        f"{venv}/bin/pip install -q --require-hashes -r requirements-dev.lock && "
        f"exec {venv}/bin/python {' '.join(map(repr, PYTEST))} {' '.join(TESTS)}"
    )
    environ = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"}
    yield row(cell, run([*places.mounted(root, ROOT), "sh", "-c", script], environ))


def with_each_server(wanted: Wanted, roots: list[Path], scratch: Path) -> Iterator[Row]:
    """Run with this Python on each server that was not tried yet."""
    for server in places.servers(roots, scratch):
        cell = (platform.python_version(), named(server.program), server.where)
        if not wanted.has(*cell):
            continue
        left_out = () if server.tls else TLS_TESTS
        only = [f"--ignore={name}" for name in left_out]
        done = run(
            [sys.executable, *PYTEST, *SERVER_TESTS, *only], {"PATH": f"{server.path.parent}:{os.environ['PATH']}"}
        )
        yield row(cell, done, left_out)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--roots", type=Path, required=True, help="where later Debians are, or are made")
    parser.add_argument("--write", type=Path, help="a document to put the table into")
    parser.add_argument("--only", action="append", default=[], help="words of the rows to run; needs --write")
    given = parser.parse_args()
    wanted = Wanted(given.only)
    given.roots.mkdir(parents=True, exist_ok=True)
    made = [places.make_root(given.roots.resolve(), suite) for suite in places.SUITES]
    roots = [root for root in made if root]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        scratch.chmod(0o755)
        parts = (
            on_this_machine(wanted, scratch),
            *(in_a_root(wanted, root, scratch) for root in roots),
            with_each_server(wanted, roots, scratch),
        )
        for part in parts:
            for one in part:
                sys.stderr.write(f"{one}\n")
                rows.append(one)
    if given.only:
        rows = merged(read(given.write), rows)
    rows += missing(rows)
    text = render(rows, " ".join(TESTS), " ".join(SERVER_TESTS))
    print(text)
    if given.write:
        write(given.write, text)
    return exit_code(rows)


if __name__ == "__main__":
    sys.exit(main())
