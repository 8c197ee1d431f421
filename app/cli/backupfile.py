"""The format of backup files: gzipped JSON lines, with an identifying head and an end that proves it complete."""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Final

from pydantic import TypeAdapter, ValidationError

from app.pipeline.operate.backup import FORMAT, KINDS, Head

_NAME: Final = "awb-backup"
_LEVEL: Final = 6
_HEAD: Final = TypeAdapter(Head)


class BackupFileError(Exception):
    """A file is not a backup, or not a complete one."""


def write(target: IO[bytes], about: Head, rows: Iterable[list[Any]]) -> int:
    """Write a backup and return the number of rows. Without its last line, a file is recognized as incomplete."""
    digest, number = hashlib.sha256(), 0
    with gzip.GzipFile(fileobj=target, mode="wb", compresslevel=_LEVEL, mtime=0) as packed:

        def put(value: Any) -> None:
            line = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
            digest.update(line)
            packed.write(line)

        put({_NAME: _HEAD.dump_python(about, mode="json")})
        for row in rows:
            put(row)
            number += 1
        packed.write(json.dumps({"rows": number, "sha256": digest.hexdigest()}).encode() + b"\n")
    return number


def read(source: Path) -> tuple[Head, str, int]:
    """Read a complete file and return its head, its digest and the number of its rows.

    Raises:
        BackupFileError: it is not a backup, it is damaged, or its end is missing.
    """
    digest, number, about, end = hashlib.sha256(), 0, None, None
    for line in _lines(source):
        if end is not None:
            raise BackupFileError(f"{source}: there is data after the end of the backup")
        value = _parsed(source, line)
        if about is None:
            about = _head(source, value)
        elif isinstance(value, dict):
            end = value
            if end != {"rows": number, "sha256": digest.hexdigest()}:
                raise BackupFileError(f"{source} is damaged: its content is not what was written")
            continue
        else:
            if not value or value[0] not in KINDS:
                raise BackupFileError(f"{source}: row {number + 1} is of a kind that this version does not know")
            number += 1
        digest.update(line)
    if about is None or end is None:
        raise BackupFileError(f"{source} ends too early: the backup was not completed, or the copy was cut off")
    return about, str(end["sha256"]), number


def rows(source: Path) -> Iterator[list[Any]]:
    """Yield the rows of a file that `read` has found complete."""
    return (value for line in _lines(source) if isinstance(value := _loaded(line), list))


def _head(source: Path, value: Any) -> Head:
    if not isinstance(value, dict) or _NAME not in value:
        raise BackupFileError(f"{source} was not written by `awb backup`")
    stored = value[_NAME]
    if isinstance(stored, dict) and isinstance(stored.get("format"), int) and stored["format"] > FORMAT:
        raise BackupFileError(
            f"{source}: version {stored.get('program')} made this backup, which is newer; restore it with that version"
        )
    try:
        return _HEAD.validate_python(stored)
    except ValidationError:
        raise BackupFileError(f"{source}: the head of the backup cannot be read") from None


def _parsed(source: Path, line: bytes) -> Any:
    try:
        return _loaded(line)
    except ValueError:
        raise BackupFileError(f"{source} was not written by `awb backup`") from None


def _loaded(line: bytes) -> Any:
    # Bytes that are not UTF-8 are lone surrogates (app/store/backup/rawkeys.py).
    return json.loads(line.decode("utf-8", "surrogatepass"))


def _lines(source: Path) -> Iterator[bytes]:
    try:
        with gzip.open(source) as packed:
            yield from packed
    except gzip.BadGzipFile:
        raise BackupFileError(f"{source} was not written by `awb backup`") from None
    except EOFError:
        raise BackupFileError(
            f"{source} ends too early: the backup was not completed, or the copy was cut off"
        ) from None
    except zlib.error:
        raise BackupFileError(f"{source} is damaged: its content is not what was written") from None
