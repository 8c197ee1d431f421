"""The data directory: created if missing, with errors that say why it cannot be used."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from app.config.environment import why_unreadable
from app.config.load import ConfigError
from app.config.places import is_checkout

#: The file that a running meter locks, and that stays when it ends.
LOCK: Final = "lock"
_NAME: Final = "awb-meter"
_SYSTEM_STATE: Final = "/var/lib"


def prepare(data_dir: Path, instead: str = "") -> None:
    """Create the directory, readable only by its owner, and check that files can be written.

    Args:
        data_dir: the configured directory.
        instead: a setting with which the directory would not be needed, for the remedy.

    Raises:
        ConfigError: it cannot be used; the message says why, and what to do.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Not os.access, which on some systems ignores read-only mounts and quotas.
        with tempfile.TemporaryFile(dir=data_dir):
            return
    except OSError as error:
        raise ConfigError([f"AWB_DATA_DIR: {_why(data_dir, error)}{f', or set {instead}' * bool(instead)}"]) from None


def of_instance(default: Path, environ: Mapping[str, str]) -> Path:
    """Return the directory in which a meter was started: the default, or else one of the usual state directories.

    Args:
        default: of a checkout; where none was started anywhere, it is that of a new one.
        environ: the environment.
    """
    candidates = (default, *_state(environ), Path(_SYSTEM_STATE) / _NAME)
    return next((folder for folder in candidates if holds(folder, LOCK)), of_new(default, environ))


def of_new(default: Path, environ: Mapping[str, str]) -> Path:
    """Return the directory in which a meter is started.

    A checkout keeps it in itself. An installed program has one meter for each user, whatever directory it is started
    in, unless an earlier version has kept one in the current directory.
    """
    if is_checkout() or holds(default, LOCK):
        return default
    return next(_state(environ), default)


def _state(environ: Mapping[str, str]) -> Iterator[Path]:
    home = environ.get("HOME", "")
    state = environ.get("XDG_STATE_HOME") or (f"{home}/.local/state" if home else "")
    if state:
        yield Path(state) / _NAME


def closed_instance() -> Path | None:
    """Return the directory of the meter that systemd runs, if this user may not enter it."""
    kept = Path(_SYSTEM_STATE) / _NAME
    return kept if kept.is_symlink() and not os.access(kept, os.X_OK) else None


def holds(data_dir: Path, name: str) -> bool:
    """Return whether a file exists; also False if this user may not look."""
    with contextlib.suppress(OSError):
        return (data_dir / name).exists()
    return False


def _why(data_dir: Path, error: OSError) -> str:
    another = "or set AWB_DATA_DIR to a directory that this user can write"
    if isinstance(error, FileExistsError | NotADirectoryError):
        found = next((path for path in (data_dir, *data_dir.parents) if path.is_file()), data_dir)
        return f"{found} is no directory; move it away, {another}"
    if error.errno == errno.EROFS:
        return f"{data_dir} is on a read-only file system; mount it writable, {another}"
    if isinstance(error, PermissionError):
        return f"{data_dir} cannot be written by user {os.getuid()}; give it to that user with chown, {another}"
    return f"{data_dir} cannot be written: {why_unreadable(error)}; make it writable, {another}"
