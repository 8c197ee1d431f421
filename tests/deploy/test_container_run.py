"""The guide for containers, followed as it is written with podman, and the image in the strictest surroundings."""

import fcntl
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from app.store.rq import jobqueue
from tests.conftest import wait_until
from tests.deploy.engine import Engine, engine
from tests.deploy.helmtools import find_tools
from tests.guides.blocks import block
from tests.web.make import basic, notification

pytestmark = [pytest.mark.long, pytest.mark.timeout(2400)]
ROOT = Path(__file__).parents[2]
GUIDE = "docs/install/compose.md"
BASE, STORE = "python:3.13-slim", "valkey/valkey:8"
#: What no registry gives here: Debian's Valkey on the base that base.sh makes.
STORE_FILE = f"""FROM localhost/{BASE}
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends valkey-server valkey-tools
RUN mkdir -p /data && chown valkey:valkey /data
"""
URL = "http://127.0.0.1:8787"
SHELLS = ("dash", "bash", "sh")


def with_podman(commands: str) -> str:
    """Return commands of the guide as it says that they are written for Podman."""
    podman = commands.replace("docker compose", "podman-compose").replace("docker ", "podman ")
    return podman.replace("podman build", "podman build --format docker")


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other process uses podman: its containers have the names and the port of the guide."""
    with (Path(tempfile.gettempdir()) / "awb-podman.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(autouse=True)
def _alone(checkout: Path) -> Iterator[None]:
    with alone():
        yield


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    assert os.getuid() == 0, "these tests need root"
    with engine(tmp_path_factory.mktemp("engine")) as running:
        yield running


@pytest.fixture(scope="module")
def checkout(podman: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bare checkout in which the image was built by the guide's command, on a base of Debian."""
    folder = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-c", "--null", "-T", "-", "-f", folder / "all.tar"], cwd=ROOT, input=listed, check=True)
    subprocess.run(["tar", "-x", "-f", "all.tar"], cwd=folder, check=True)
    with alone():
        _build(podman, folder)
    return folder


def _build(podman: Engine, folder: Path) -> None:
    trusted = "/etc/ssl/certs/ca-certificates.crt"
    if podman.run(["podman", "image", "exists", BASE], folder, check=False).returncode:
        podman.run(["deploy/container/base.sh", "--tag", BASE, "--ca", trusted], folder)
    if podman.run(["podman", "image", "exists", STORE], folder, check=False).returncode:
        (folder / "Store").write_text(STORE_FILE, encoding="utf-8")
        podman.run(["podman", "build", "--tag", STORE, "--file", "Store", "."], folder)
    podman.shell(with_podman(block(GUIDE, "Build the image")), folder)


def ready() -> bool:
    try:
        return bool(requests.get(f"{URL}/readyz", timeout=5).json() == {"status": "ok", "redis": "ok"})
    except requests.RequestException:
        return False


def post(endpoint: str, number: int) -> None:
    """Post what counts as one build, with the secret of the endpoint that was printed."""
    secret = re.search(r"//coder:([^@]+)@", endpoint)
    assert secret, endpoint
    body = notification(f"00000000-0000-4000-8000-{number:012d}", number)
    assert requests.post(f"{URL}/v1/webhook", body, headers=basic(secret[1]), timeout=10).status_code == 202


def used(podman: Engine, command: str, folder: Path) -> int:
    return int(json.loads(podman.shell(f"{command} awb status --json", folder))["used"])


def test_the_single_container_of_the_guide_counts_and_stops_in_order(podman: Engine, checkout: Path) -> None:
    start, url, doctor, stop = with_podman(block(GUIDE, "A single container")).splitlines()
    podman.shell(start, checkout)
    try:
        wait_until(ready, 120)
        post(podman.shell(url, checkout), 1)
        wait_until(lambda: used(podman, "podman exec awb", checkout) == 1)
        assert podman.run(["podman", "healthcheck", "run", "awb"], checkout, check=False).returncode == 0
        assert re.search(r"^ok +redis\.reachable", podman.shell(doctor, checkout, check=False), re.MULTILINE)
        podman.shell(stop, checkout)
        assert podman.shell("podman inspect --format '{{.State.ExitCode}}' awb", checkout) == "0"
    finally:
        podman.shell("podman rm --force --volumes awb; podman volume rm --force awb", checkout, check=False)


def test_as_any_user_without_shell_or_writable_root_it_survives_a_restart_by_sigterm_to_process_1(
    podman: Engine, checkout: Path
) -> None:
    hidden = " ".join(f"--volume /dev/null:/usr/bin/{shell}:ro" for shell in SHELLS)
    options = (
        f"--user 12345 --read-only --read-only-tmpfs=false --cap-drop all --security-opt no-new-privileges {hidden}"
    )
    run = f"podman run --detach --name strict {options} --publish 127.0.0.1:8787:8787 --volume strict:/data awb-meter"
    podman.shell(run, checkout)
    try:
        for round_number in (1, 2):
            wait_until(ready, 120)
            assert podman.run(["podman", "exec", "strict", "sh", "-c", "true"], checkout, check=False).returncode
            post(podman.shell("podman exec strict awb webhook-url", checkout), round_number)
            wait_until(lambda: used(podman, "podman exec strict", checkout) == round_number, 60)  # noqa: B023
            podman.shell('podman exec strict python -c "import os; os.kill(1, 15)"', checkout, check=False)
            assert podman.shell("podman wait strict", checkout) == "0"
            assert "Traceback" not in podman.shell("podman logs strict 2>&1", checkout)
            podman.shell("podman start strict", checkout)
        wait_until(ready, 120)
        assert used(podman, "podman exec strict", checkout) == 2
    finally:
        podman.shell("podman rm --force strict; podman volume rm --force strict", checkout, check=False)


def test_the_compose_file_of_the_guide_runs_each_part_and_counts(podman: Engine, checkout: Path) -> None:
    assert shutil.which("podman-compose"), "install podman-compose: pip install 'podman-compose>=1.6'"
    up = with_podman(block(GUIDE, "Run it with compose"))
    doctor = with_podman(block(GUIDE, "Run it with compose", 3))
    folder = checkout / "awb"
    try:
        endpoint = podman.shell(f"set -e\n{up}", checkout)
        assert "@awb-web:8787/v1/webhook" in endpoint
        wait_until(ready, 120)
        post(endpoint, 1)
        wait_until(lambda: used(podman, "podman-compose exec -T awb-web", folder) == 1)
        assert re.search(r"^ok +redis\.persistence", podman.shell(doctor, folder, check=False), re.MULTILINE)
        parts = [("web", "web"), ("scheduler", "scheduler")]
        parts += [(queue.removeprefix("awb-"), f"worker {queue}") for queue in jobqueue.CORE]
        for service, part in parts:
            check = f"podman-compose exec -T awb-{service} awb healthcheck {part}"
            wait_until(lambda check=check: podman.shell(check, folder, check=False) == "ok")
        podman.shell("podman-compose stop", folder)
        codes = podman.shell("podman ps --all --format '{{.Names}} {{.ExitCode}}' --filter name=awb_awb", folder)
        assert len(codes.splitlines()) == len(parts) + 1
        assert {line.split()[1] for line in codes.splitlines()} == {"0"}, codes
    finally:
        if folder.exists():
            podman.shell("podman-compose down --volumes", folder, check=False)


def test_docker_compose_runs_the_file_as_the_guide_writes_it_and_upgrades_one_service(
    podman: Engine, checkout: Path, short_dir: Path
) -> None:
    """Docker Compose itself, with podman in place of Docker's engine."""
    compose = f"{find_tools(['docker-compose'])}/docker-compose"
    up = (
        block(GUIDE, "Run it with compose")
        .replace("docker compose", compose)
        .replace("awb\ncd awb", "docked\ncd docked")
    )
    folder = checkout / "docked"
    status = f"{compose} exec -T awb-web"
    with podman.docker_api(short_dir):
        try:
            endpoint = podman.shell(f"set -e\n{up}", checkout)
            assert "@awb-web:8787/v1/webhook" in endpoint
            assert ready()
            post(endpoint, 1)
            wait_until(lambda: used(podman, status, folder) == 1, 60)

            before = podman.shell(f"{compose} ps --quiet awb-web awb-redis", folder)
            podman.shell("podman tag awb-meter awb-meter:next", folder)
            podman.shell(f"METER_VERSION=next {compose} up --detach --wait --no-deps awb-deliveries", folder)
            assert podman.shell(f"{compose} ps --format '{{{{.Image}}}}' awb-deliveries", folder).endswith(":next")
            assert podman.shell(f"{compose} ps --quiet awb-web awb-redis", folder) == before
            post(endpoint, 2)
            wait_until(lambda: used(podman, status, folder) == 2, 60)

            podman.shell(f"{compose} stop", folder)
            codes = podman.shell(f"{compose} ps --all --format '{{{{.ExitCode}}}}'", folder).split()
            assert codes == ["0"] * (len(jobqueue.CORE) + 3)
        finally:
            podman.shell(f"{compose} down --volumes", folder, check=False)
            podman.shell("podman rmi awb-meter:next", folder, check=False)
