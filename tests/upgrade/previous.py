"""The previous version of this program, as its history has it."""

import subprocess
from pathlib import Path
from typing import Final

from tests.workers.make import ROOT

#: The last version before the one that is worked on. A release puts its own commit here, and this is the only place.
PREVIOUS: Final = "6878d45e1145d2cdd3a788c68e75fd75ef26bd75"


class NoHistoryError(AssertionError):
    """The previous version is not available, so an upgrade from it cannot be tested."""


def unpack(to: Path, repository: Path = ROOT, commit: str = PREVIOUS) -> Path:
    """Write the tree of a commit into a directory and return it.

    Raises:
        NoHistoryError: git does not have the commit.
    """
    archive = subprocess.run(["git", "archive", commit], cwd=repository, capture_output=True, check=False)
    if archive.returncode:
        raise NoHistoryError(
            f"The upgrade cannot be tested: git does not have {commit[:7]}, the previous version. In a shallow clone, "
            f"run `git fetch --unshallow`. git says: {archive.stderr.decode(errors='replace').strip()}"
        )
    to.mkdir(parents=True)
    subprocess.run(["tar", "-x"], input=archive.stdout, cwd=to, check=True)
    return to
