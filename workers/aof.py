"""The append-only file of the embedded Redis: finding and cutting off a damaged end.

A power loss may leave zero bytes or half a command after the last whole one. The server loads a file that ends in half
a command, but not one with any other damage. The format is that of Redis 7 and Valkey: `appendonlydir` with a manifest,
a base file and incremental files, which contain commands as RESP arrays.
"""

import mmap
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MANIFEST: Final = "appendonly.aof.manifest"
_LINE: Final = re.compile(r'file "?(?P<name>[^"\n]+?)"? seq (?P<seq>[0-9]+) type (?P<type>[bih])\b.*')
_COUNT: Final = re.compile(rb"\*([0-9]{1,7})\r\n")
_LENGTH: Final = re.compile(rb"\$([0-9]{1,10})\r\n")
_BEGIN: Final = re.compile(rb"\*[0-9]{1,7}\r\n\$")
_BLANK: Final = re.compile(rb"\x00*")


class RepairError(Exception):
    """Cutting off the end cannot repair the file; the message says why and what may."""


@dataclass(frozen=True, slots=True)
class Damage:
    """The damage after the last whole command of a file.

    Attributes:
        keep: number of bytes up to there.
        cut: number of bytes after it.
        zero: whether all of those are zero.
        commands: whole commands in the part that is cut: those of an unfinished transaction, or after the damage.
    """

    file: Path
    keep: int
    cut: int
    zero: bool
    commands: int

    def __str__(self) -> str:
        whole = f"{self.commands:,} whole command{'' if self.commands == 1 else 's'}"
        what = "zero bytes, which contain no command" if self.zero else f"bytes, including {whole}"
        return f"{self.cut:,} {what}, after byte {self.keep:,} of {self.file.name}"


def find_damage(data_dir: Path) -> Damage | None:
    """Check the last incremental file; None if it is intact.

    Raises:
        RepairError: there is none, or an earlier file is damaged.
    """
    folder = data_dir / "appendonlydir"
    try:
        lines = (folder / _MANIFEST).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise RepairError(_without_manifest(data_dir)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RepairError(f"{folder / _MANIFEST}: cannot be read: {type(error).__name__}") from None
    files = [found["name"] for line in lines if (found := _LINE.fullmatch(line.strip())) and found["type"] == "i"]
    if not files:
        raise RepairError(f"{folder}: its manifest names no incremental file; restore the directory from a backup")
    for name in files[:-1]:
        if _examine(folder / name):
            raise RepairError(f"{folder / name}: is damaged, and later files build on it; restore a backup")
    return _examine(folder / files[-1])


def cut_off(damage: Damage, backup: Path) -> None:
    """Copy the file, then cut it. A crash before the cut changes nothing, and the cut is atomic.

    Args:
        damage: the damage that was found.
        backup: a directory that does not exist yet.

    Raises:
        OSError: the copy or the cut failed.
    """
    backup.mkdir(mode=0o700)
    copied = backup / damage.file.name
    shutil.copy2(damage.file, copied)
    for path in (copied, backup):
        _sync(path)
    with damage.file.open("r+b") as file:
        file.truncate(damage.keep)
        os.fsync(file.fileno())


def _without_manifest(data_dir: Path) -> str:
    if (data_dir / "appendonly.aof").exists():
        return f"{data_dir / 'appendonly.aof'}: written by Redis 6 or older; repair it with: redis-check-aof --fix"
    return f"{data_dir}: contains no append-only file; is AWB_DATA_DIR right?"


def _examine(file: Path) -> Damage | None:
    try:
        size = file.stat().st_size
        if not size:
            return None
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
            keep = _whole(data)
            if keep == size:
                return None
            blank = _BLANK.match(data, keep)
            zero = blank is not None and blank.end() == size
            return Damage(file, keep, size - keep, zero, 0 if zero else _commands(data, keep))
    except OSError as error:
        raise RepairError(f"{file}: cannot be read: {error.strerror}; restore a backup") from None


def _whole(data: mmap.mmap) -> int:
    """Return the position after the last whole command that is not in an unfinished transaction."""
    keep = position = 0
    inside = False
    while (command := _command(data, position)) is not None:
        name, position = command
        inside = (inside or name == b"MULTI") and name != b"EXEC"
        keep = keep if inside else position
    return keep


def _commands(data: mmap.mmap, start: int) -> int:
    """Count the whole commands from a position on, skipping anything else between them."""
    count = 0
    while (found := _BEGIN.search(data, start)) is not None:
        command = _command(data, found.start())
        count += command is not None
        start = found.start() + 1 if command is None else command[1]
    return count


def _command(data: mmap.mmap, start: int) -> tuple[bytes, int] | None:
    """Read a command, or an annotation such as `#TS:…`, and return its name and end; None if it is not whole."""
    if data[start : start + 1] == b"#":
        end = data.find(b"\n", start)
        return (b"", end + 1) if end != -1 else None
    count = _COUNT.match(data, start)
    if count is None or not int(count[1]):
        return None
    name, position = b"", count.end()
    for number in range(int(count[1])):
        length = _LENGTH.match(data, position)
        if length is None:
            return None
        end = length.end() + int(length[1])
        if data[end : end + 2] != b"\r\n":
            return None
        if number == 0:
            name = bytes(data[length.end() : end]).upper()
        position = end + 2
    return name, position


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
