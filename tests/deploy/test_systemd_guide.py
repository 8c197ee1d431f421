"""docs/install/systemd.md, carried out line by line by an admin on a new machine with a real systemd."""

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import requests

from tests.conftest import RedisServer, wait_until
from tests.deploy.machine import ADMIN, Machine, make_root
from tests.faults.system import free_port
from tests.notifiers.httpsink import answer, sink

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/install/systemd.md").read_text(encoding="utf-8")
AWB = "sudo /opt/awb-meter/bin/awb"
URL = "http://127.0.0.1:8787"
SETTINGS = "/etc/awb-meter/awb-meter.toml"

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


def lines_of(section: str) -> Sequence[str]:
    """Return the commands of a section's first block, as they are written."""
    text = GUIDE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    found = re.search(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found, section
    return found[1].splitlines()


def described(command: str) -> str:
    """Return a command of the table under “Operate”, once it is seen that it stands there."""
    assert f"`{command}`" in GUIDE, command
    return command


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine after the guide's first section."""
    root = tmp_path_factory.mktemp("machine") / "root"
    make_root(root)
    home = root / "home" / ADMIN
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", home], cwd=ROOT, check=True)
    with Machine(root) as booted:
        for line in lines_of("Install"):
            booted.ok(line)
        yield booted


def test_the_service_works_when_the_last_command_returns(machine: Machine) -> None:
    assert requests.get(URL + "/readyz", timeout=5).json()["status"] == "ok"
    status, doctor, address = lines_of("See that it works")
    assert "Active: active (running)" in machine.ok(status)
    # Nothing is broken but that nobody is warned yet.
    errors = [line for line in machine.run(doctor).stdout.splitlines() if line.startswith("ERROR")]
    assert [line.split()[1] for line in errors] == ["receivers.configured"]
    assert "CODER_NOTIFICATIONS_METHOD=webhook" in machine.ok(address)


def test_the_service_is_nobody_in_particular_and_its_secret_is_in_no_log(machine: Machine) -> None:
    pid = machine.ok("systemctl show --value --property MainPID awb-meter").strip()
    assert int(machine.ok(f"stat --format %u /proc/{pid}", "root")) > 60_000
    secret = machine.ok("cat /var/lib/awb-meter/webhook-secret", "root").strip()
    assert len(secret) > 40
    assert secret not in machine.ok("journalctl --no-pager", "root")
    assert machine.run("cat /var/lib/awb-meter/webhook-secret /etc/awb-meter/awb-meter.toml").stdout == ""


def test_a_command_without_sudo_says_that_it_needs_it(machine: Machine) -> None:
    said = machine.run("/opt/awb-meter/bin/awb status")
    assert said.returncode == 69
    assert said.stderr == (
        "awb: systemd runs a meter in /var/lib/awb-meter, which only root can read; repeat the command with sudo\n"
    )


def test_a_change_of_the_settings_takes_effect(machine: Machine) -> None:
    with sink(answer(204)) as received:
        url, secret = f"http://127.0.0.1:{received.port}/", "whsec_" + "c2VjcmV0" * 4
        more = f'limit = 77\\nnotify_webhook_url = "{url}"\\nnotify_webhook_secret = "{secret}"'
        machine.ok(f"printf '{more}\\n' >> {SETTINGS}", "root")
        for line in lines_of("Configure"):
            machine.ok(line)
        assert len(received.requests) == 1
    assert "of 77 Agent Workspace Builds" in machine.ok(f"{AWB} status")


def test_a_wrong_setting_stops_the_service_and_is_named(machine: Machine) -> None:
    machine.ok(f"cp {SETTINGS} /var/tmp/kept && echo 'limits = 5' >> {SETTINGS}", "root")
    try:
        assert "limits" in machine.run(f"{AWB} config check").stderr
        assert machine.run("sudo systemctl restart awb-meter").returncode != 0
        # 78 is not tried again and again.
        assert machine.run("systemctl is-failed awb-meter").stdout == "failed\n"
    finally:
        machine.ok(f"cp /var/tmp/kept {SETTINGS} && systemctl restart awb-meter", "root")


def test_a_killed_or_hanging_service_is_started_again(machine: Machine) -> None:
    def main() -> str:
        return machine.ok("systemctl show --value --property MainPID awb-meter").strip()

    def works_again(before: str) -> bool:
        return main() not in ("0", before) and machine.run("systemctl is-active awb-meter").stdout == "active\n"

    killed = main()
    machine.ok("systemctl kill --kill-whom main --signal KILL awb-meter", "root")
    wait_until(lambda: works_again(killed), 60)
    drop_in = "/run/systemd/system/awb-meter.service.d"
    machine.ok(f"mkdir {drop_in} && printf '[Service]\\nWatchdogSec=3\\n' > {drop_in}/soon.conf", "root")
    machine.ok("systemctl daemon-reload && systemctl restart awb-meter", "root")
    hanging = main()
    machine.ok("systemctl kill --kill-whom main --signal STOP awb-meter", "root")
    wait_until(lambda: works_again(hanging), 60)
    machine.ok(f"rm -r {drop_in} && systemctl daemon-reload", "root")


def test_it_stops_in_order_and_starts_after_a_repair(machine: Machine) -> None:
    machine.ok(described("sudo systemctl stop awb-meter"))
    assert machine.ok("systemctl show --value --property Result awb-meter") == "success\n"
    assert "bye bye" in machine.ok("cat /var/lib/awb-meter/redis.log", "root")
    # As a power loss leaves it.
    machine.ok("printf '*3\\r\\n$3' >> $(ls /var/lib/awb-meter/appendonlydir/*.incr.aof)", "root")
    assert "cut off: " in machine.ok(described(f"{AWB} repair"))
    machine.ok("sudo systemctl start awb-meter")
    assert "of 77 Agent Workspace Builds" in machine.ok(f"{AWB} status")


def test_an_upgrade_keeps_settings_and_data(machine: Machine) -> None:
    machine.ok(lines_of("Install")[1].replace("install", "install --force-reinstall --no-deps"))
    for command in (f"{AWB} systemd-units", "sudo systemctl daemon-reload", "sudo systemctl restart awb-meter"):
        machine.ok(described(command))
    assert "of 77 Agent Workspace Builds" in machine.ok(f"{AWB} status")


@pytest.fixture
def redis_url(short_dir: Path) -> Iterator[str]:
    port = free_port()
    server = RedisServer(short_dir, "--port", str(port))
    server.start()
    yield f"redis://127.0.0.1:{port}/0"
    server.stop()


def test_the_parts_run_under_their_target_instead(machine: Machine, redis_url: str) -> None:
    machine.ok(f"echo 'redis_url = \"{redis_url}\"' >> {SETTINGS}", "root")
    for line in lines_of("More than one machine"):
        machine.ok(line)
    parts = ["web", "scheduler", *(f"worker@awb-{queue}" for queue in ("deliveries", "notifications", "maintenance"))]
    for part in parts:
        assert machine.ok(f"systemctl is-active awb-{part}") == "active\n"
    assert machine.run("systemctl is-active awb-meter").stdout == "inactive\n"
    wait_until(lambda: requests.get(URL + "/readyz", timeout=5).json()["status"] == "ok", 60)
    machine.ok("sudo systemctl stop awb.target")
    wait_until(lambda: machine.run("systemctl is-active awb-web").stdout == "inactive\n", 60)


def test_nothing_is_left_after_a_removal(machine: Machine) -> None:
    machine.ok("sudo systemctl disable awb.target")
    machine.ok(described("sudo systemctl disable --now awb-meter"))
    folders = re.findall(r"`(/[^`]+)`", next(line for line in GUIDE.splitlines() if "remove everything" in line))
    machine.ok(f"rm -r {' '.join(folders)}", "root")
    left = machine.ok(
        "find / -xdev -name '*awb*' -not -path '/proc/*' -not -path '/home/*' -not -path '/var/log/*'", "root"
    )
    assert left == ""
