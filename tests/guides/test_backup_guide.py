"""docs/backup.md, carried out by another user on a Redis of its own."""

from typing import Any

from app.core.count.meter import AWB
from app.simulator.api import ApiServer
from app.simulator.world import World
from app.store.store import Store
from tests.cli.make import DEPLOYMENT, build, put
from tests.exact.play import truth
from tests.guides.blocks import block
from tests.guides.own_redis import own_redis
from tests.guides.shell import Shell
from tests.store.make import stored_totals

BUILDS = 7


def counted(connection: Any) -> tuple[Any, ...]:
    """Return the records and the totals."""
    records, _ = Store(connection, DEPLOYMENT).records(AWB).page(None, 100)
    return tuple(sorted(records, key=lambda record: record.key)), stored_totals(connection, DEPLOYMENT)


def test_what_is_restored_is_what_was_counted_from_a_plain_and_from_an_encrypted_backup(shell: Shell) -> None:
    shell.environ["BACKUPS"] = str(shell.folder("elsewhere"))
    shell.environ["RECIPIENT"] = shell.ok("age-keygen -o key.txt && age-keygen -y key.txt").strip()
    with own_redis(shell) as connection:
        put(connection, [build(number) for number in range(BUILDS)])
        before = counted(connection)
        assert len(before[0]) == BUILDS
        shell.ok(block("docs/backup.md", "Back up"))
        shell.ok(block("docs/backup.md", "Back up", 2))
        connection.flushall()
        shell.ok(block("docs/backup.md", "Restore"))
        assert counted(connection) == before

        (encrypted,) = (shell.home / "elsewhere").iterdir()
        assert encrypted.name == f"awb-{shell.ok('date +%u').strip()}.age"
        assert encrypted.read_bytes().startswith(b"age-encryption.org/v1\n")
        connection.flushall()
        shell.ok(block("docs/backup.md", "Restore", 2).replace("awb-1.age", encrypted.name))
        assert counted(connection) == before


def test_without_a_backup_coders_api_gives_the_count_back(shell: Shell) -> None:
    world = World(3)
    for number in range(6):
        world.create_task(world.developers[number % 3])
    with own_redis(shell) as connection, ApiServer(world) as coder:
        settings = {"AWB_CODER_URL": coder.url, "AWB_CODER_TOKEN": coder.token}
        shell.ok(block("docs/backup.md", "Without a backup"), online=True, **settings)
        assert {record.build_id: record.at for record in counted(connection)[0]} == truth(world)
