"""The demonstration, in full: the real service, a simulated Coder, and a verdict."""

import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from app.demo.demo import run_demo


def test_the_demo_passes_says_so_in_ten_lines_and_leaves_nothing_behind(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = run_demo()
    shown = capfd.readouterr()
    assert code == 0, shown.out
    assert shown.err == ""
    lines = shown.out.splitlines()
    assert len(lines) == 11
    assert lines[-1] == "PASS"
    said = {line.partition(" ")[0]: line for line in lines}
    assert re.search(r"\b[78]\d\d of 1,000\b", said["Usage"])
    assert "limit" in said["Forecast"]
    assert "data-science" in said["Templates"]
    assert len(re.findall(r"20\d\d-\d\d-\d\d AWB", said["Alerts"])) >= 2
    assert list(tmp_path.iterdir()) == []


def test_a_kept_demo_serves_a_page_that_is_verified_and_ends_with_a_signal(tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "demo", "--keep", "--verbose", "--days", "7"],
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert demo.stdout is not None
        shown = []
        for line in demo.stdout:
            shown.append(line)
            if found := re.match(r"open (http://127\.0\.0\.1:\d+/)", line):
                break
        else:
            pytest.fail("".join(shown))
        page = urllib.request.urlopen(found[1], timeout=10).read().decode()
        assert "of 1,000" in page
        assert "Estimate" not in page
        assert any("Developer resumes an old Coder Task" in line for line in shown)
    finally:
        demo.send_signal(signal.SIGTERM)
        demo.communicate(timeout=60)
    assert demo.returncode == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_the_demo_passes_with_the_prefix_of_the_meter_on_this_machine(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "demo"],
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path), "AWB_REDIS_PREFIX": "meter:"},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "PASS"), done.stdout
