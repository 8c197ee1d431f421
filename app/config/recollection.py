"""What this machine last saw in Redis, in a file of the data directory: a Redis that lost data cannot report it itself.

The file is only written if the data directory exists. A machine without one detects no loss; another machine may.
"""

import contextlib
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from app.config.wholefile import whole_file

_NAME: Final = "redis-last-seen.json"
#: By path: the file's identity, size and time, and its content.
_READ: dict[Path, tuple[tuple[int, int, int], "Recollection"]] = {}


class Seen(BaseModel):
    """What was seen of one deployment.

    Attributes:
        records: the number of usage records.
        alerts: stored fields of announced alerts, by the alert's name.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    records: int
    alerts: dict[str, dict[str, str]] = {}


class Recollection(BaseModel):
    """What was seen of all deployments.

    Attributes:
        at: in seconds since the epoch.
        lineage: the identity of the Redis; `sweeps` is the number of sweeps on it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: float
    lineage: str
    sweeps: int
    deployments: dict[str, Seen]


def recall(data_dir: Path) -> Recollection | None:
    """Return what was last seen; None if nothing was, or the file cannot be read."""
    file = data_dir / _NAME
    try:
        found = file.stat()
        stamp = (found.st_ino, found.st_size, found.st_mtime_ns)
        if file not in _READ or _READ[file][0] != stamp:
            _READ[file] = stamp, Recollection.model_validate_json(file.read_bytes())
        return _READ[file][1]
    except (OSError, ValidationError):
        return None


def remember(data_dir: Path, seen: Recollection) -> bool:
    """Write the file, all of it or nothing; False if the data directory does not exist or cannot be written."""
    with contextlib.suppress(OSError):
        with whole_file(data_dir / _NAME) as opened:
            opened.write(seen.model_dump_json().encode())
        return True
    return False
