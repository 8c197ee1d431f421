"""The demonstration, in full: the real service, a simulated Coder, and a verdict."""

from pathlib import Path

import pytest

from app.simulator.demo import run_demo


def test_the_demo_passes_and_leaves_nothing_behind(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = run_demo(keep=False)
    shown = capsys.readouterr().out
    assert code == 0, shown
    assert shown.rstrip().endswith("PASS")
    assert list(tmp_path.iterdir()) == []
