"""The shell scripts of the repository."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = [
    path
    for folder in (".ci", "deploy")
    for path in (ROOT / folder).rglob("*")
    if path.is_file() and path.suffix in ("", ".sh")
]
# Programs that end before their input does: what writes to them is then ended by SIGPIPE.
EARLY = re.compile(r"\|\s*(head|grep -\w*[qm]|sed [^|]*\dq)\b")


def strict() -> list[Path]:
    return [path for path in SCRIPTS if "pipefail" in path.read_text()]


def test_the_scripts_are_found() -> None:
    assert ROOT / ".ci" / "run" in strict()


@pytest.mark.parametrize("script", strict(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_script_that_ends_at_a_broken_pipe_breaks_none_itself(script: Path) -> None:
    # "haproxy -v | head -1" ended .ci/run in one of eleven runs.
    assert [line for line in script.read_text().splitlines() if EARLY.search(line)] == []
