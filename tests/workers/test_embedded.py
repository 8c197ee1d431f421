"""The embedded Redis: its directory may be called anything."""

import contextlib
import os
import re
import socket
import threading
from pathlib import Path

import pytest

from app.store.rq.queues import Queues
from app.store.server.connection import connect
from tests.conftest import RedisServer, make_config, wait_until
from workers import embedded, redislog
from workers.runner import worker

ODD_NAMES = ["My Projects (2)", "a%2Fb", "a#1", "a?db=3", "ä 日本", 'it\'s "quoted"', "a\\b", "x" * 120]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_worker_registers_whatever_the_data_directory_is_called(tmp_path: Path, name: str) -> None:
    server = RedisServer(tmp_path / name)
    server.directory.mkdir()
    try:
        server.start()
        connection = connect(server.url)
        worker("awb-deliveries", connection, make_config(server.url)).register_birth()
        assert [known.queue for known in Queues(connection).workers()] == ["awb-deliveries"]
        assert (server.directory / "redis.sock").is_socket()
        connection.close()
    finally:
        server.stop()


@pytest.mark.parametrize("name", ODD_NAMES)
def test_the_path_of_the_socket_is_short_and_plain(tmp_path: Path, name: str) -> None:
    path = embedded.socket_path(tmp_path / name)
    assert re.fullmatch(r"[A-Za-z0-9/._-]+", str(path))
    assert len(os.fsencode(path)) <= 103
    assert path.parent.resolve() == tmp_path / name
    assert embedded.socket_path(tmp_path / name) == path


def test_a_plain_directory_needs_no_link(short_dir: Path) -> None:
    assert embedded.socket_path(short_dir) == short_dir / "redis.sock"


def test_a_folder_for_temporary_files_with_an_odd_name_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / "Local Settings"
    odd.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(odd))
    assert " " not in str(embedded.socket_path(tmp_path / "My Projects"))


def test_a_link_that_a_clean_up_removed_is_made_again(tmp_path: Path) -> None:
    path = embedded.socket_path(tmp_path / "My Projects")
    path.parent.unlink()
    assert embedded.socket_path(tmp_path / "My Projects") == path
    assert path.parent.is_symlink()


def test_the_server_writes_its_log_to_the_data_directory_and_nothing_to_the_terminal(
    short_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with embedded.serving(short_dir) as connection:
        assert connection.ping()
    assert capfd.readouterr() == ("", "")
    assert "starting" in redislog.path(short_dir).read_text(encoding="utf-8")


def test_a_server_that_does_not_start_is_quoted(short_dir: Path) -> None:
    with embedded.serving(short_dir) as connection:
        connection.set("kept", "yes")
    for file in (short_dir / "appendonlydir").glob("*.incr.aof"):
        file.write_bytes(file.read_bytes() + b"nonsense\r\n")
    with pytest.raises(embedded.EmbeddedRedisError) as raised, embedded.serving(short_dir):
        pass
    assert "redis.log: " in str(raised.value)
    assert "Bad file format reading the append only file" in str(raised.value)


def test_a_long_log_is_started_anew_and_the_one_before_is_kept(short_dir: Path) -> None:
    log = redislog.path(short_dir)
    redislog.rotate(short_dir)
    log.write_text("short", encoding="utf-8")
    redislog.rotate(short_dir)
    assert log.read_text(encoding="utf-8") == "short"
    log.write_text("x" * 2_000_000, encoding="utf-8")
    redislog.rotate(short_dir)
    assert not log.exists()
    assert [file.name for file in short_dir.iterdir()] == ["redis.log.old"]


def test_a_server_that_hangs_up_is_asked_once_and_not_waited_for(short_dir: Path) -> None:
    hung_up: list[int] = []
    with socket.socket(socket.AF_UNIX) as stray:
        stray.bind(str(short_dir / "redis.sock"))
        stray.listen()

        def hang_up() -> None:
            with contextlib.suppress(OSError):
                while True:
                    stray.accept()[0].close()
                    hung_up.append(1)

        thread = threading.Thread(target=hang_up)
        thread.start()
        try:
            embedded.stop_stray(short_dir)
        finally:
            stray.shutdown(socket.SHUT_RDWR)
            thread.join()

    assert len(hung_up) == 1


def test_a_server_that_loads_its_data_is_awaited_however_long_it_takes(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = RedisServer(short_dir)
    server.start()
    try:
        with connect(server.url) as connection:
            connection.mset({f"key:{number}": "value" * 100 for number in range(200)})
            connection.execute_command("BGREWRITEAOF")
            wait_until(lambda: not connection.info("persistence")["aof_rewrite_in_progress"])
        server.kill()
        monkeypatch.setattr(embedded, "_START_SECONDS", 0.5)
        server.more = ("--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024")
        server.start()
        with connect(server.url) as connection:
            assert connection.dbsize() == 200
    finally:
        server.kill()
