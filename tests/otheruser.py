"""Running a program as another user than root, who can write everywhere."""

import os
from pathlib import Path
from typing import Final

#: The user nobody, on Debian and most other systems.
UID: Final = 65534


def as_somebody_else() -> list[str]:
    """Return the command prefix that runs a command as another user; empty if this user is not root.

    That user may read everything, because this checkout and its interpreter may be in root's home, but can write only
    to its own files.
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
