"""Files that are written completely or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def whole_file(file: Path) -> Iterator[IO[bytes]]:
    """Yield a file that only its owner can read, and that gets its name once all of it is on disk.

    If the block raises, or the process dies, a file of that name stays as it was.

    Raises:
        OSError: it cannot be written.
    """
    draft, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(draft, "wb") as opened:
            yield opened
            opened.flush()
            os.fsync(opened.fileno())
        Path(name).replace(file)
    finally:
        Path(name).unlink(missing_ok=True)
