"""`awb repair`: a damaged end of the append-only file, mended for real servers."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.store.server.connection import connect
from tests.cli.conftest import call
from tests.conftest import PATIENCE, RedisServer
from workers import embedded, servers
from workers.servers import Server
from workers.supervisor import DataDirLock

SERVERS = list(servers.installed())
HALF = b"*3\r\n$3\r\nSET\r\n$5\r\nplant"
WHOLE = b"*3\r\n$3\r\nSET\r\n$4\r\nlost\r\n$2\r\nus\r\n"
MULTI = b"*1\r\n$5\r\nMULTI\r\n"
ENDS = {
    "twelve zero bytes": (b"\0" * 12, "12 zero bytes, which contain no command"),
    "many zero bytes": (b"\0" * 100_000, "100,000 zero bytes"),
    "half a command": (HALF, f"{len(HALF)} bytes, including 0 whole commands"),
    "half a command and zero bytes": (HALF + b"\0" * 9, f"{len(HALF) + 9} bytes, including 0 whole commands"),
    "zero bytes and a command": (b"\0" * 5 + WHOLE, f"{len(WHOLE) + 5} bytes, including 1 whole command"),
    "a transaction without an end": (
        MULTI + WHOLE + b"\0" * 3,
        f"{len(MULTI + WHOLE) + 3} bytes, including 2 whole commands",
    ),
    "something else": (b"\xff\xfe*3\r\n$x", "8 bytes"),
}


@pytest.fixture(params=SERVERS, ids=[server.program.kind for server in SERVERS])
def data_dir(request: pytest.FixtureRequest, short_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with data in it, written by one of the servers, which alone is there."""
    one: Server = request.param
    monkeypatch.setattr(servers, "installed", lambda: iter([one]))
    server = RedisServer(short_dir)
    server.start()
    connection = connect(server.url)
    for number in range(100):
        connection.set(f"key-{number}", "value\r\n*3\r\n" * number)
    with connection.pipeline(transaction=True) as pipe:
        pipe.set("a", 1).set("b", 2).execute()
    connection.close()
    server.kill()
    yield short_dir
    server.stop()


def file_of(data_dir: Path) -> Path:
    (found,) = data_dir.glob("appendonlydir/*.incr.aof")
    return found


def append(data_dir: Path, content: bytes) -> None:
    with file_of(data_dir).open("ab") as file:
        file.write(content)


def start(data_dir: Path) -> int:
    """Start the server as `awb run` does, and return how many keys it has."""
    process = subprocess.Popen(embedded.command(embedded.find_server(data_dir), data_dir), stdout=subprocess.DEVNULL)
    try:
        embedded.wait_ready(data_dir, process)
        connection = connect(embedded.url(data_dir))
        with connection:
            return int(connection.dbsize())
    finally:
        process.terminate()
        process.wait(PATIENCE)


@pytest.mark.parametrize("kind", ENDS)
def test_a_damaged_end_is_cut_off_after_a_copy_of_the_file(data_dir: Path, kind: str) -> None:
    content, said = ENDS[kind]
    before = file_of(data_dir).read_bytes()
    append(data_dir, content)
    result = call("repair", AWB_DATA_DIR=str(data_dir))
    assert result.exit_code == 0, result.output
    assert f"cut off: {said}" in result.stdout
    assert "102 keys can be read; start with: awb run" in result.stdout
    assert file_of(data_dir).read_bytes()[: len(before)] == before
    assert content not in file_of(data_dir).read_bytes()
    (copied,) = data_dir.glob("repair-*/*.incr.aof")
    assert copied.read_bytes() == before + content
    assert str(copied) in result.stdout
    assert "planted" not in result.output
    assert start(data_dir) == 102


def test_the_start_names_the_command_that_mends_it(data_dir: Path) -> None:
    append(data_dir, b"\0" * 12)
    with pytest.raises(embedded.EmbeddedRedisError, match=r"damaged: 12 zero bytes.*after byte.*Run: awb repair"):
        start(data_dir)


def test_a_dry_run_changes_nothing(data_dir: Path) -> None:
    append(data_dir, b"\0" * 12)
    before = file_of(data_dir).read_bytes()
    result = call("repair", "--dry-run", AWB_DATA_DIR=str(data_dir))
    assert (result.exit_code, "would be cut off: 12 zero bytes" in result.stdout) == (0, True)
    assert (file_of(data_dir).read_bytes(), list(data_dir.glob("repair-*"))) == (before, [])


def test_a_whole_file_is_left_alone(data_dir: Path) -> None:
    before = file_of(data_dir).read_bytes()
    result = call("repair", AWB_DATA_DIR=str(data_dir))
    assert (result.exit_code, "102 keys can be read" in result.stdout) == (0, True)
    assert file_of(data_dir).read_bytes().startswith(before)
    assert list(data_dir.glob("repair-*")) == []


def test_what_a_cut_cannot_mend_is_said_to_be_so(data_dir: Path) -> None:
    (base,) = data_dir.glob("appendonlydir/*.base.rdb")
    with base.open("r+b") as file:
        file.seek(20)
        file.write(b"\xff" * 20)
    result = call("repair", AWB_DATA_DIR=str(data_dir))
    assert result.exit_code == 69
    assert f"restore {data_dir} from a backup" in result.stderr
    assert list(data_dir.glob("repair-*")) == []


def test_a_running_meter_is_not_repaired(data_dir: Path) -> None:
    append(data_dir, b"\0" * 12)
    with DataDirLock(data_dir):
        result = call("repair", AWB_DATA_DIR=str(data_dir))
    assert (result.exit_code, "another instance" in result.stderr) == (1, True)
    assert file_of(data_dir).read_bytes().endswith(b"\0" * 12)


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda _path: None, "the directory does not exist; is AWB_DATA_DIR right?"),
        (Path.mkdir, "contains no append-only file; is AWB_DATA_DIR right?"),
        (lambda path: (path.mkdir(), (path / "appendonly.aof").touch()), "redis-check-aof --fix"),
    ],
)
def test_where_there_is_nothing_to_repair_that_is_said(tmp_path: Path, prepare: object, said: str) -> None:
    assert callable(prepare)
    prepare(tmp_path / "data")
    result = call("repair", AWB_DATA_DIR=str(tmp_path / "data"))
    assert (result.exit_code, said in result.stderr) == (1, True)


def test_a_redis_of_ones_own_is_not_touched(tmp_path: Path) -> None:
    result = call("repair", AWB_DATA_DIR=str(tmp_path), AWB_REDIS_URL="redis://localhost:1")
    assert (result.exit_code, "AWB_REDIS_URL is set" in result.stderr) == (1, True)


def test_data_of_a_server_that_is_not_here_is_not_called_damaged(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_kind = {server.program.kind: server for server in SERVERS}
    monkeypatch.setattr(servers, "installed", lambda: iter([by_kind["valkey"]]))
    server = RedisServer(short_dir)
    server.start()
    server.stop()
    monkeypatch.setattr(servers, "installed", lambda: iter([by_kind["redis"]]))
    result = call("repair", AWB_DATA_DIR=str(short_dir))
    assert (result.exit_code, f"{by_kind['valkey'].program} wrote {short_dir}" in result.stderr) == (69, True)
    assert "backup" not in result.stderr
