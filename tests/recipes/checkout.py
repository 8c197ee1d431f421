"""A copy of the checkout in which a test follows a recipe of CONTRIBUTING.md."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import SECRET

ROOT = Path(__file__).parents[2]


class Checkout:
    """A copy that may be changed.

    Attributes:
        touched: the files that were added or changed.
    """

    def __init__(self, place: Path, redis_url: str, **settings: str) -> None:
        self.place = place
        self.touched: set[str] = set()
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWB_")},
            "PYTHONPATH": str(place),
            "AWB_REDIS_URL": redis_url,
            "AWB_WEBHOOK_SECRET": SECRET,
            **{f"AWB_{name.upper()}": value for name, value in settings.items()},
        }
        for name in ("app", "workers", "config"):
            shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))

    def add(self, path: str, text: str) -> None:
        assert not (self.place / path).exists()
        (self.place / path).write_text(text, encoding="utf-8")
        self.touched.add(path)

    def insert_below(self, path: str, line: str, text: str) -> None:
        before = (self.place / path).read_text(encoding="utf-8")
        assert before.count(line) == 1
        (self.place / path).write_text(before.replace(line, line + text), encoding="utf-8")
        self.touched.add(path)

    def append(self, path: str, text: str) -> None:
        with (self.place / path).open("a", encoding="utf-8") as file:
            file.write(text)
        self.touched.add(path)

    def python(self, code: str) -> str:
        return self._run("-c", code)

    def awb(self, *arguments: str) -> str:
        return self._run("-m", "app.cli", *arguments)

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.place,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout
