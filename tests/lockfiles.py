"""Write the lock files from pyproject.toml, or check that they match it.

`python -m tests.lockfiles write` resolves again (locked versions stay if they still fit); `check` needs no network.
"""

import hashlib
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = {
    "requirements.lock": ("embedded", "demo", "build"),
    "requirements-dev.lock": ("embedded", "demo", "build", "dev"),
    "requirements-fuzz.lock": ("embedded", "demo", "build", "dev", "fuzz"),
}
MARK = "# pyproject: "


def fingerprint(extras: tuple[str, ...]) -> str:
    """Return a digest of everything in pyproject.toml that a lock file depends on."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [project["requires-python"], *project["dependencies"]]
    for extra in extras:
        asked += project["optional-dependencies"][extra]
    return hashlib.sha256("\n".join(asked).encode()).hexdigest()[:16]


def write() -> None:
    for name, extras in EXTRAS.items():
        command = [
            "uv", "pip", "compile", "pyproject.toml", "--universal", "--generate-hashes", "--no-emit-index-url",
            "--no-emit-find-links", "--no-annotate", "--no-header", "--python-version", "3.11", "--quiet",
            "--output-file", name,
        ]  # fmt: skip
        for extra in extras:
            command += ["--extra", extra]
        subprocess.run([str(Path(sys.executable).parent / command[0]), *command[1:]], cwd=ROOT, check=True)
        lock = ROOT / name
        text = "\n".join(line for line in lock.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
        lock.write_text(f"{MARK}{fingerprint(extras)}\n{text}\n", encoding="utf-8")


def check() -> list[str]:
    """Return which lock files are out of date."""
    wrong = []
    for name, extras in EXTRAS.items():
        first = (ROOT / name).read_text(encoding="utf-8").splitlines()[0]
        if first != MARK + fingerprint(extras):
            wrong.append(f"{name}: pyproject.toml has changed since it was written; run: make lock")
    return wrong


if __name__ == "__main__":
    if sys.argv[1:] == ["write"]:
        write()
    problems = check()
    sys.stderr.write("".join(problem + "\n" for problem in problems))
    sys.exit(1 if problems else 0)
