"""The log of the embedded Redis, a file in the data directory."""

import contextlib
from pathlib import Path
from typing import Final

_LAST_LINES: Final = 5
#: In bytes.
_LONGEST: Final = 1_000_000


def path(data_dir: Path) -> Path:
    """Return the path of the server's log."""
    return data_dir.resolve() / "redis.log"


def last_words(data_dir: Path) -> str:
    """Quote the end of the server's log; if the server could not open it, the error is on standard error."""
    log = path(data_dir)
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return f"; the end of {log}: {' / '.join(lines[-_LAST_LINES:])}"


def rotate(data_dir: Path) -> None:
    """Limit the log's size: if it is too long at a start, it is renamed and replaces the previous older log."""
    log = path(data_dir)
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > _LONGEST:
            log.replace(log.with_suffix(".log.old"))
