"""Which server a data directory is given to: real Redis and real Valkey."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import structlog

from app.store.server.connection import connect
from tests.conftest import PATIENCE
from workers import embedded, servers
from workers.servers import Program, Server

BOTH = {server.program.kind: server for server in servers.installed()}
PAIRS = [("valkey", "redis"), ("redis", "valkey")]


def only(monkeypatch: pytest.MonkeyPatch, *kinds: str) -> None:
    monkeypatch.setattr(servers, "installed", lambda: iter([BOTH[kind] for kind in kinds]))


def run(data_dir: Path) -> tuple[str, bytes | None]:
    """Start what is chosen for a directory, and return its kind and what it reads; then write."""
    server = embedded.find_server(data_dir)
    process = subprocess.Popen(embedded.command(server, data_dir), stdout=subprocess.DEVNULL)
    try:
        embedded.wait_ready(data_dir, process)
        connection = connect(embedded.url(data_dir))
        kept = connection.get("kept")
        connection.set("kept", "yes")
        connection.close()
    finally:
        process.terminate()
        process.wait(PATIENCE)
    program = servers.program_of(server)
    assert program is not None
    return program.kind, kept


def test_both_are_here_to_be_tested() -> None:
    assert set(BOTH) == {"redis", "valkey"}


@pytest.mark.parametrize("noted", [True, False], ids=["with its note", "without a note"])
@pytest.mark.parametrize(("first", "other"), PAIRS)
def test_the_server_that_wrote_the_data_is_preferred(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch, first: str, other: str, noted: bool
) -> None:
    only(monkeypatch, first)
    assert run(short_dir) == (first, None)
    assert servers.written_by(short_dir) == BOTH[first].program
    if not noted:
        (short_dir / "redis-server.json").unlink()
    only(monkeypatch, other, first)
    assert run(short_dir) == (first, b"yes")


def test_a_server_that_cannot_read_the_data_is_named_with_the_one_that_can(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, "valkey")
    run(short_dir)
    only(monkeypatch, "redis")
    with pytest.raises(embedded.OtherServerError) as raised:
        run(short_dir)
    wrote, here = BOTH["valkey"].program, BOTH["redis"].program
    assert f"{wrote} wrote {short_dir}, and this is {here}, which may not be able to read it: install {wrote}" in str(
        raised.value
    )
    only(monkeypatch, "redis", "valkey")
    assert run(short_dir) == ("valkey", b"yes")


def test_another_server_that_reads_the_data_takes_over_and_is_remembered(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, "redis")
    run(short_dir)
    only(monkeypatch, "valkey")
    quiet = structlog.get_config()
    structlog.configure(wrapper_class=structlog.BoundLogger)
    with structlog.testing.capture_logs() as log:
        assert run(short_dir) == ("valkey", b"yes")
    structlog.configure(**quiet)
    assert [line["written_by"] for line in log] == [str(BOTH["redis"].program)]
    assert servers.written_by(short_dir) == BOTH["valkey"].program


def here(*programs: tuple[str, Sequence[int]]) -> list[Server]:
    return [Server(Path(f"/{number}"), Program(kind, tuple(v))) for number, (kind, v) in enumerate(programs)]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (None, "/0"),
        (Program("redis", (7, 4, 2)), "/2"),
        (Program("redis", (7, 2, 0)), "/2"),
        (Program("redis", (8, 4, 0)), "/3"),
        (Program("valkey", (8, 0, 1)), "/1"),
        (Program("valkey", (10, 0, 0)), "/0"),
    ],
)
def test_the_same_version_comes_before_a_newer_one_and_that_before_all_others(
    written: Program | None, expected: str
) -> None:
    found = here(("redis", (7, 0, 15)), ("valkey", (9, 1, 2)), ("redis", (7, 4, 2)), ("redis", (8, 4, 0)))
    assert servers.choose(found, written).path == Path(expected)


@pytest.mark.parametrize("note", ["", "{", "[]", '{"server": "redis"}', "\x00"])
def test_a_spoilt_note_is_no_note(tmp_path: Path, note: str) -> None:
    (tmp_path / "redis-server.json").write_text(note, encoding="utf-8")
    assert servers.written_by(tmp_path) is None


def test_what_is_no_server_is_not_started(tmp_path: Path) -> None:
    (tmp_path / "redis-server").write_text("#!/bin/sh\necho something else\n", encoding="ascii")
    (tmp_path / "redis-server").chmod(0o755)
    assert servers.program_of(tmp_path / "redis-server") is None
    assert servers.program_of(tmp_path / "missing") is None
