"""`make audit`: known vulnerabilities in the locked packages, and bandit's findings in the source.

The exit code is 0 if both checks ran and found nothing, 1 if something was found, and 2 if the vulnerability data
could not be reached, in which case finding nothing means nothing.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
BIN: Final = Path(sys.executable).parent
LOCKS: Final = ("requirements.lock", "requirements-dev.lock")
FOUND, UNKNOWN = 1, 2


def main() -> int:
    bandit = subprocess.run(
        [BIN / "bandit", "-q", "-c", "pyproject.toml", "-r", "app", "workers"], cwd=ROOT, check=False
    )
    print("bandit:", "nothing found" if bandit.returncode == 0 else "see above")
    results = [audit(lock) for lock in LOCKS]
    return FOUND if bandit.returncode or FOUND in results else max(results)


def audit(lock: str) -> int:
    """Look up the vulnerabilities of a lock file, print the result, and return the exit code."""
    command: Sequence[Any] = [
        BIN / "pip-audit", "--disable-pip", "--require-hashes", "--requirement", lock, "--format", "json",
        "--progress-spinner", "off", "--timeout", "20",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    try:
        rows = json.loads(done.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError):
        print(f"{lock}: NOT AUDITED: the vulnerability data could not be reached", done.stderr[-2000:], sep="\n")
        return UNKNOWN
    return judge(lock, rows)


def judge(lock: str, rows: Sequence[dict[str, Any]]) -> int:
    """Print pip-audit's result for each package, and return the exit code."""
    skipped = [row["name"] for row in rows if "skip_reason" in row]
    vulnerable = [(row["name"], row["version"], one) for row in rows for one in row.get("vulns", [])]
    for name, version, one in vulnerable:
        fixed = ", ".join(one.get("fix_versions", [])) or "no version"
        print(f"{lock}: {name} {version}: {one['id']}, fixed in {fixed}")
    if skipped:
        part = f"of {len(skipped)} of {len(rows)} packages" if len(skipped) < len(rows) else "of any package"
        print(f"{lock}: NOT AUDITED: the vulnerability data {part} could not be reached ({', '.join(skipped[:5])} …)")
    if not vulnerable and not skipped:
        print(f"{lock}: {len(rows)} packages, no known vulnerability")
    return FOUND if vulnerable else UNKNOWN if skipped or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
