"""The log of the embedded Redis, a file in the data directory."""

import contextlib
from pathlib import Path
from typing import Final

_LAST_LINES: Final = 5
#: In bytes.
_LONGEST: Final = 1_000_000


def path(data_dir: Path) -> Path:
    """Return where the server writes its log, which starts with lines that only its developers need."""
    return data_dir.resolve() / "redis.log"


def last_words(data_dir: Path) -> str:
    """Quote the end of the server's log; where it could not even open that, it has said so on standard error."""
    log = path(data_dir)
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return f"; the end of {log}: {' / '.join(lines[-_LAST_LINES:])}"


def start_anew(data_dir: Path) -> None:
    """Keep the log from growing forever: what a start finds too long becomes the one older log that is kept."""
    log = path(data_dir)
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > _LONGEST:
            log.replace(log.with_suffix(".log.old"))
