"""Running a program as somebody else than root, who may write everywhere."""

import os
from pathlib import Path
from typing import Final

#: nobody, on Debian and most others.
UID: Final = 65534


def as_somebody_else() -> list[str]:
    """Return what stands before a command for another user; nothing where this is not root already.

    That user may read everything, because this checkout and its interpreter may lie in root's home, but writes only
    what is its own.
    """
    if os.getuid() != 0:
        return []
    return [
        "setpriv", "--reuid", str(UID), "--regid", str(UID), "--clear-groups",
        "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search",
    ]  # fmt: skip


def give(path: Path) -> Path:
    """Let that user own a directory, all in it, and enter those above it."""
    if os.getuid() == 0:
        for one in (path, *path.rglob("*")):
            os.chown(one, UID, UID, follow_symlinks=False)
    return path
