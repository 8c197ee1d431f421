"""`awb backup` and `awb restore`: what goes into the file comes out again, all of it or nothing that works."""

import gzip
import io
import json
import logging
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.cli import backupfile
from app.config.load import Config
from app.core.alert.silence import Silence
from app.core.count.meter import AWB
from app.core.schema import VERSION, SchemaError
from app.pipeline.count.count import count
from app.pipeline.operate import backup
from app.pipeline.watch.sweep import sweep
from app.store import keys
from app.store.backup.rawkeys import LEDGER, LEFT_OUT, key_rows, put_keys
from app.store.count.recordrow import read_row
from app.store.receive.deployments import Deployments
from app.store.receive.inbox import Inbox
from app.store.rq import jobqueue, readyjob
from app.store.schema import prepare
from app.store.sessions import Sessions
from app.store.store import Store
from tests.cli.conftest import Awb
from tests.cli.make import build, put
from tests.conftest import RedisServer, short_directory
from tests.pipeline.streams import DEPLOYMENT, batches, config_for, deliveries_of, messages_of, resumes, run
from tests.store.make import NOW, notification, stored_tops, stored_totals, tops_of, totals_of
from tests.workers.make import accept, drain, jobs_in, put_poison

pytestmark = pytest.mark.usefixtures("quiet")
#: Whatever is in Redis apart from what a backup leaves out, and RQ's own.
_OURS = b"awb:v1:"


@pytest.fixture
def quiet() -> None:
    # Thousands of lines beside a failure help nobody; they are undone by the package's own fixture.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@pytest.fixture
def config(redis_server: RedisServer) -> Config:
    return config_for(redis_server.url, slack_webhook_url="http://127.0.0.1:1/services/T/B/x")


class Ends(int):
    """The moment at which a key ends, in milliseconds since the epoch; those within a minute are the same."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ends) and (self < 0) == (other < 0) and abs(self - other) < 60_000

    __hash__ = int.__hash__


def content(connection: Any) -> dict[str, Any]:
    """Return every key that belongs into a backup, or follows from it, with its content and whether it ends."""
    found = {}
    for key in sorted(connection.scan_iter(match=_OURS + b"*", count=1000)):
        name = key.decode()
        parts = name.split(":")
        if len(parts) > 3 and keys.kind_of(parts[2], name) in LEFT_OUT:
            continue
        if name in (keys.SWEPT, keys.SCHEMA, keys.LINEAGE, keys.LOSSES) or parts[2] in ("once", "session", "throttle"):
            continue
        kind = connection.type(key).decode()
        read = {
            "string": connection.get,
            "hash": connection.hgetall,
            "set": connection.smembers,
            "zset": lambda key: connection.zrange(key, 0, -1, withscores=True),
            "list": lambda key: connection.lrange(key, 0, -1),
            "stream": connection.xrange,
        }[kind]
        found[name] = (kind, read(key), Ends(connection.pexpiretime(key)))
    return found


def everything(connection: Any, config: Config, seed: int) -> None:
    """Let some weeks pass: counted and folded builds, alerts, a silence, a quarantined body, and much else."""
    deliveries = deliveries_of(messages_of(seed, 60))
    Deployments(connection).admit(DEPLOYMENT, -1)
    accept(connection, deliveries)
    drain(connection, config)
    run(connection, config, resumes(70, f"{seed:08}-1111-4111-8111-111111111111"))
    put(connection, [build(number) for number in range(3)], DEPLOYMENT)
    sweep(connection, config)
    store = Store(connection, DEPLOYMENT)
    store.silences.add(Silence("s1", {"level": "90%"}, "ada", "known", NOW, NOW + timedelta(days=2)))
    store.outbox.add([notification("n1")], NOW)
    store.audit.write("ada", "silence", "known")
    store.audit.write("grace", "import", "3 records")
    store.inbox.quarantine("q1", NOW.timestamp(), "not JSON", b"\xff\x00 no text", keep=True)
    store.coder.note(reconciled_at=NOW.timestamp())
    store.ledger(AWB).name({"only-listed": {"owner": "ada"}})


def saved(connection: Any, config: Config) -> bytes:
    into = io.BytesIO()
    about = backup.head(connection, config, "0.0")
    backupfile.write(into, about, backup.rows(connection, about.deployments))
    return into.getvalue()


@contextmanager
def in_file(content: bytes) -> Iterator[Path]:
    folder = short_directory()
    path = folder / "file"
    path.write_bytes(content)
    yield path
    path.unlink()
    folder.rmdir()


def restored(connection: Any, content: bytes, rows: Callable[[Path], Any] = backupfile.rows, **more: Any) -> None:
    with in_file(content) as path:
        about, digest, _ = backupfile.read(path)
        backup.restore(connection, about, digest, rows(path), **more)


@pytest.mark.parametrize("seed", [1, 2, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(3, 13))])
def test_a_backup_restored_into_an_empty_redis_is_the_same_again(connection: Any, config: Config, seed: int) -> None:
    everything(connection, config, seed)
    before, file = content(connection), saved(connection, config)
    assert {keys.kind_of(DEPLOYMENT, name) for name in before if name.count(":") > 3} > LEDGER - {
        "workspaces",
        "proved",
    }
    connection.flushall()
    restored(connection, file)
    assert content(connection) == before
    # And what was made of a restored one is the same file, but for its moment.
    assert backup_rows(saved(connection, config)) == backup_rows(file)


def backup_rows(file: bytes) -> list[str]:
    """Return the rows without the moments at which keys end, which are a millisecond apart."""
    with in_file(file) as path:
        rows = list(backupfile.rows(path))
    return sorted(json.dumps([*row[:3], *row[4:]] if row[0] == "key" else row, sort_keys=True) for row in rows)


_BYTES = st.binary(min_size=1, max_size=12)
_VALUES = {
    "set": st.sets(_BYTES, min_size=1, max_size=5),
    "hash": st.dictionaries(_BYTES, st.binary(max_size=12), min_size=1, max_size=5),
    "zset": st.dictionaries(_BYTES, st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5),
    "string": st.binary(max_size=30),
    "list": st.lists(_BYTES, min_size=1, max_size=5),
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.fixed_dictionaries({}, optional=_VALUES))
def test_keys_of_every_type_and_of_any_bytes_come_back_as_they_were(connection: Any, values: dict[str, Any]) -> None:
    connection.flushall()
    puts: dict[str, Callable[[Any], Any]] = {
        "set": lambda value: connection.sadd("set", *value),
        "hash": lambda value: connection.hset("hash", mapping=value),
        "zset": lambda value: connection.zadd("zset", value),
        "string": lambda value: connection.set("string", value),
        "list": lambda value: connection.rpush("list", *value),
    }
    for kind, value in values.items():
        puts[kind](value)
    before = {name: connection.dump(name) for name in values}
    rows = json.loads(json.dumps(list(key_rows(connection, list(values)))))
    connection.flushall()
    with connection.pipeline() as pipe:
        put_keys(pipe, rows, 0)
        pipe.execute()
    again = json.loads(json.dumps(list(key_rows(connection, list(values)))))
    # Sets and hashes have no order.
    assert [row[:3] for row in again] == [row[:3] for row in rows]
    assert {name: connection.dump(name) for name in values if name not in ("set", "hash")} == {
        name: value for name, value in before.items() if name not in ("set", "hash")
    }
    assert connection.smembers("set") == values.get("set", set())
    assert connection.hgetall("hash") == values.get("hash", {})


def test_large_keys_are_read_in_parts_and_come_back_whole(connection: Any) -> None:
    members = {f"m{number}".encode(): float(number) for number in range(5000)}
    connection.zadd("zset", members)
    connection.hset("hash", mapping=dict.fromkeys(members, b"v"))
    connection.sadd("set", *members)
    rows = list(key_rows(connection, ["zset", "hash", "set"]))
    assert len(rows) > 6
    connection.flushall()
    with connection.pipeline() as pipe:
        put_keys(pipe, rows, 0)
        pipe.execute()
    assert dict(connection.zrange("zset", 0, -1, withscores=True)) == members
    assert connection.hlen("hash") == connection.scard("set") == 5000


def test_queued_deliveries_are_counted_after_the_restore_and_failed_ones_can_be_requeued(
    connection: Any, config: Config
) -> None:
    put_poison(connection)
    for _ in range(4):
        drain(connection, config)
        for job_id in jobs_in(connection)["scheduled"]:
            connection.zrem("rq:scheduled:awb-deliveries", job_id)
            connection.hset(f"rq:job:{job_id}", "status", "queued")
            connection.lpush("rq:queue:awb-deliveries", job_id)
    assert jobs_in(connection)["failed"] == ["delivery-poison"]
    accept(connection, resumes(12))
    failed = connection.xlen("rq:results:delivery-poison")
    file = saved(connection, config)
    connection.flushall()
    restored(connection, file)
    assert len(jobs_in(connection)["queued"]) == 12
    assert jobs_in(connection)["failed"] == ["delivery-poison"]
    assert connection.xlen("rq:results:delivery-poison") == failed > 0
    drain(connection, config)
    assert Store(connection, DEPLOYMENT).records(AWB).count() == 12
    # Coder sends one of them again.
    job = readyjob.delivery_job(*resumes(1)[0])
    assert not Inbox(connection, DEPLOYMENT).accept(job, resumes(1)[0][1], NOW.timestamp())


class Killed(BaseException):
    """The process dies."""


def test_what_is_restored_in_part_only_does_not_start_and_the_same_file_completes_it(
    connection: Any, config: Config
) -> None:
    everything(connection, config, 3)
    accept(connection, resumes(5, "77777777-1111-4111-8111-111111111111"))
    before, file = content(connection), saved(connection, config)
    total = len(backup_rows(file))
    for dies_at in (1, total // 3, total * 2 // 3, total - 1):
        connection.flushall()

        def dying(path: Path, dies_at: int = dies_at) -> Iterator[list[Any]]:
            for number, row in enumerate(backupfile.rows(path)):
                if number == dies_at:
                    raise Killed
                yield row

        with pytest.raises(Killed):
            restored(connection, file, dying)
        with pytest.raises(SchemaError, match="Run the same `awb restore` again"):
            prepare(connection)
        with pytest.raises(backup.RestoreRefusedError, match="not completed"):
            saved(connection, config)
        with pytest.raises(backup.RestoreRefusedError, match="another backup was being restored"):
            restored(connection, other(file))
        restored(connection, file)
        assert content(connection) == before
        assert len(jobs_in(connection)["queued"]) == 5
        prepare(connection)


def other(file: bytes) -> bytes:
    """Return the same backup, made at another time."""
    with in_file(file) as path:
        about, _, _ = backupfile.read(path)
        into = io.BytesIO()
        backupfile.write(into, backup.Head(1, about.schema, NOW, "0.0", about.deployments), backupfile.rows(path))
    return into.getvalue()


def test_a_redis_with_records_is_refused_unless_they_are_to_be_replaced(connection: Any, config: Config) -> None:
    everything(connection, config, 5)
    before, file = content(connection), saved(connection, config)
    with pytest.raises(
        backup.RestoreRefusedError, match=r"already holds \d+ records and \d+ deliveries; use --replace"
    ):
        restored(connection, file)
    assert content(connection) == before
    run(connection, config, resumes(9, "99999999-1111-4111-8111-111111111111"))
    accept(connection, resumes(3, "88888888-1111-4111-8111-111111111111"))
    Deployments(connection).admit("another", -1)
    restored(connection, file, replace=True)
    assert content(connection) == before
    assert jobs_in(connection)["queued"] == []


def test_a_redis_on_which_a_meter_was_only_started_counts_as_empty(connection: Any, config: Config) -> None:
    everything(connection, config, 6)
    before, file = content(connection), saved(connection, config)
    connection.flushall()
    prepare(connection)
    sweep(connection, config)
    Store(connection, "default").coder.note(reconciled_at=1.0)
    restored(connection, file)
    assert content(connection) == before


@pytest.fixture(scope="module")
def a_file(redis_server: RedisServer) -> bytes:
    from app.store.server.connection import connect  # noqa: PLC0415

    connection = connect(redis_server.url)
    connection.flushall()
    run(connection, config_for(redis_server.url), resumes(4))
    return saved(connection, config_for(redis_server.url))


@settings(max_examples=40)
@given(place=st.integers(0, 10_000), flip=st.integers(1, 255), cut=st.booleans())
def test_a_file_that_is_damaged_anywhere_is_refused(a_file: bytes, place: int, flip: int, cut: bool) -> None:
    at = place % len(a_file)
    damaged = bytearray(a_file)
    damaged[at] ^= flip
    # The head of gzip has bytes that mean nothing: time, flags of the compressor, system.
    if not cut and at < 10:
        return
    with in_file(a_file[:at] if cut else bytes(damaged)) as path, pytest.raises(backupfile.BackupFileError):
        backupfile.read(path)


def test_a_backup_of_a_newer_format_or_schema_is_refused_in_a_sentence(
    awb: Awb, connection: Any, a_file: bytes, tmp_path: Path
) -> None:
    connection.flushall()
    lines = gzip.decompress(a_file).splitlines()
    for change, words in (
        ({"format": 99, "program": "9.1"}, "version 9.1 made this backup, which is newer"),
        ({"schema": [VERSION + 2, VERSION + 1]}, f"schema {VERSION + 2}, which this version"),
    ):
        head = json.loads(lines[0])
        head["awb-backup"] |= change
        into = tmp_path / "newer"
        plain = json.dumps(head).encode() + b"\n" + b"".join(line + b"\n" for line in lines[1:-1])
        import hashlib  # noqa: PLC0415

        end = {"rows": len(lines) - 2, "sha256": hashlib.sha256(plain).hexdigest()}
        into.write_bytes(gzip.compress(plain + json.dumps(end).encode() + b"\n"))
        done = awb("restore", str(into))
        assert done.exit_code == 1
        assert words in done.stderr
        assert "nothing was changed" in done.stderr
    assert connection.dbsize() == 0


def test_a_backup_made_while_deliveries_come_and_are_counted_adds_up_and_misses_nothing_before_it(
    connection: Any, config: Config
) -> None:
    deliveries = deliveries_of(messages_of(21, 400))
    half = len(deliveries) // 2
    for batch in batches(deliveries[:half], random.Random(1), 20):
        count(connection, config, batch)
    stop = threading.Event()

    def work() -> None:
        for batch in batches(deliveries[half:], random.Random(2), 5):
            if stop.is_set():
                return
            count(connection, config, batch)

    counting = threading.Thread(target=work)
    counting.start()
    files = [saved(connection, config) for _ in range(3)]
    stop.set()
    counting.join()
    connection.flushall()
    count(connection, config, deliveries)
    true = ledger_of(connection)
    for file in files:
        connection.flushall()
        restored(connection, file)
        records = [read_row("", AWB, value, str) for value in ledger_of(connection).values()]
        assert stored_totals(connection) == totals_of(records)
        assert stored_tops(connection) == tops_of(records)
        # What came meanwhile is sent again by Coder, or was in the queue: counting it once more changes nothing else.
        count(connection, config, deliveries[half:])
        assert ledger_of(connection) == true


def ledger_of(connection: Any) -> dict[bytes, bytes]:
    return {key: connection.get(key) for key in connection.scan_iter(match=f"{_OURS.decode()}*:record:*", count=1000)}


def test_secrets_sessions_and_what_waits_to_be_relayed_are_not_in_the_file(connection: Any, config: Config) -> None:
    everything(connection, config, 9)
    Sessions(connection).begin("a-session-digest", "ada", 60)
    connection.set(keys.relay_original(DEPLOYMENT, "m1"), b"SEALED-PASSCODE")
    connection.rpush(keys.relay_lane(DEPLOYMENT, "mail:ada"), "m1")
    plain = gzip.decompress(saved(connection, config))
    for secret in (b"a-session-digest", b"SEALED-PASSCODE", b"relay:lane", b"services/T/B/x"):
        assert secret not in plain


def test_the_meter_has_to_be_stopped(awb: Awb, connection: Any, a_file: bytes, tmp_path: Path) -> None:
    from workers.runner import worker  # noqa: PLC0415

    connection.flushall()
    file = tmp_path / "b"
    file.write_bytes(a_file)
    built = worker(jobqueue.MAINTENANCE, connection, config_for("unix:///nowhere"))
    built.register_birth()
    done = awb("restore", str(file))
    assert done.exit_code == 1
    assert "1 workers are running on this Redis; stop every part of the meter" in done.stderr
    built.register_death()
    assert awb("restore", str(file)).exit_code == 0


def test_the_commands_say_what_they_did_and_the_audit_trail_has_the_restore(
    awb: Awb, connection: Any, config: Config, tmp_path: Path
) -> None:
    everything(connection, config, 12)
    file = tmp_path / "awb.backup"
    told = awb("backup", str(file), "--json", AWB_DEPLOYMENT=DEPLOYMENT)
    assert told.exit_code == 0, told.output
    answer = json.loads(told.stdout)
    assert answer["records"] == Store(connection, DEPLOYMENT).records(AWB).count() > 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["awb.backup"]
    connection.flushall()
    done = awb("restore", str(file), AWB_DEPLOYMENT=DEPLOYMENT)
    assert done.exit_code == 0, done.output
    assert f"{answer['records']:,} records of {answer['workspaces']:,} workspaces restored" in done.stdout
    assert Store(connection, DEPLOYMENT).audit.newest(1)[0].action == "restore"
    # Through pipes, too.
    piped = awb("backup", "-", AWB_DEPLOYMENT=DEPLOYMENT)
    again = awb("restore", "-", "--replace", "--yes", stdin=piped.stdout_bytes, AWB_DEPLOYMENT=DEPLOYMENT)
    assert again.exit_code == 0, again.output
    no_file = awb("restore", str(Path(__file__)))
    assert no_file.exit_code == 1
    assert "was not written by `awb backup`" in no_file.stderr


def test_the_embedded_redis_of_a_stopped_meter_is_backed_up_and_restored_into_a_new_directory(
    awb: Awb, short_dir: Path, tmp_path: Path
) -> None:
    server = RedisServer(short_dir)
    server.start()
    try:
        from app.store.server.connection import connect  # noqa: PLC0415

        run(connect(server.url), config_for(server.url), resumes(4))
    finally:
        server.stop()
    (short_dir / "lock").touch()
    file, fresh = tmp_path / "b", short_directory()
    old = {"AWB_REDIS_URL": "", "AWB_DATA_DIR": str(short_dir), "AWB_DEPLOYMENT": DEPLOYMENT}
    assert awb("backup", str(file), **old).exit_code == 0
    done = awb("restore", str(file), **{**old, "AWB_DATA_DIR": str(fresh)})
    assert done.exit_code == 0, done.output
    assert "4 records" in done.stdout
    refused = awb("restore", str(file), **{**old, "AWB_DATA_DIR": str(fresh)})
    assert "already holds 4 records" in refused.stderr
    nowhere = awb("backup", str(file), **{**old, "AWB_DATA_DIR": str(tmp_path / "none")})
    assert nowhere.exit_code == 69
