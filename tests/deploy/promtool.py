"""promtool, and the names that a PromQL expression uses."""

import re
import shutil
import subprocess
from pathlib import Path

from app.web.metrics.families import FAMILIES

ROOT = Path(__file__).parents[2]
LABELS = {family.name: set(family.labels) for family in FAMILIES}
#: Labels that Prometheus adds to every series.
TARGET_LABELS = {"instance", "job"}


def promtool(*args: str, given: str | None = None, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    found = shutil.which("promtool")
    # A missing tool fails the tests, it never skips them.
    assert found, "promtool is missing; it is in Debian's package prometheus"
    return subprocess.run(
        [found, *args], input=given, cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )


def unknown(expression: str) -> list[str]:
    """Return the metrics and labels in an expression that do not exist."""
    names = set(re.findall(r"\bawb_\w+", expression))
    found = [name for name in sorted(names) if name not in LABELS]
    for name, matchers in re.findall(r"\b(awb_\w+)\{([^}]*)\}", expression):
        allowed = LABELS.get(name, set()) | TARGET_LABELS
        listed = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers)
        found += [f"{name}{{{label}}}" for label in listed if label not in allowed]
    known = set().union(*(LABELS.get(name, set()) for name in names)) | TARGET_LABELS
    for listed in re.findall(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)", expression):
        found += [label for label in re.findall(r"\w+", listed) if label not in known]
    return found
