"""`make audit` calls nothing audited that was not."""

from typing import Any

import pytest

from tests.audit import FOUND, UNKNOWN, judge

SOUND: dict[str, Any] = {"name": "flask", "version": "3.1.3", "vulns": []}
WEAK: dict[str, Any] = {
    "name": "waitress",
    "version": "3.0.0",
    "vulns": [{"id": "CVE-2024-1", "fix_versions": ["3.0.1"]}],
}
UNSEEN: dict[str, Any] = {"name": "redis", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("rows", "code", "said"),
    [
        ([SOUND], 0, "1 packages, no known vulnerability"),
        ([SOUND, WEAK], FOUND, "waitress 3.0.0: CVE-2024-1, fixed in 3.0.1"),
        ([UNSEEN], UNKNOWN, "NOT AUDITED: the vulnerability data of any package"),
        ([SOUND, UNSEEN], UNKNOWN, "NOT AUDITED: the vulnerability data of 1 of 2 packages"),
        ([WEAK, UNSEEN], FOUND, "NOT AUDITED"),
        ([], UNKNOWN, ""),
    ],
)
def test_what_could_not_be_looked_up_is_no_pass(
    capsys: pytest.CaptureFixture[str], rows: list[dict[str, Any]], code: int, said: str
) -> None:
    assert judge("requirements.lock", rows) == code
    assert said in capsys.readouterr().out
