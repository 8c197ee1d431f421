"""docs/reliability.md and SECURITY.md name tests that exist, and the bugs that are planted."""

import re

import pytest

from tests.torture.planted import BUGS
from tests.workers.make import ROOT

TEXT = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
SECURITY = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", TEXT + SECURITY)))


def rows(heading: str, text: str = TEXT) -> list[list[str]]:
    """Return the cells of the table under a heading."""
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_every_test_that_is_named_exists(file: str, name: str) -> None:
    assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")


def test_every_fault_has_a_proof() -> None:
    faults = rows("Faults one by one")
    assert len(faults) > 30
    assert [fault for fault, _, proof in faults if "::test_" not in proof and "make torture" not in proof] == []


def test_every_threat_has_a_test() -> None:
    threats = rows("Threats and tests", SECURITY)
    assert len(threats) > 15
    assert [threat for threat, _, test in threats if "::test_" not in test] == []


def test_the_planted_bugs_are_those_of_the_script() -> None:
    assert [(name, file.strip("`")) for name, file, _ in rows("Planted bugs")] == [(bug.name, bug.file) for bug in BUGS]
