"""After Redis lost everything, or came back from an old backup, a pass makes the ledger exact and no storm follows."""

from tests.exact.stage import Stage, licence, tasks
from tests.exact.test_crashes import dump, restore


def announced(stage: Stage) -> list[tuple[str, str]]:
    """Return what is said now, however often one looks."""
    return [*stage.warn(), *stage.warn()]


def test_a_redis_that_was_flushed_is_filled_from_the_api_and_only_the_highest_level_is_said_again(
    stage: Stage,
) -> None:
    stage.world.licence = licence(limit=10)
    for _ in range(3):
        tasks(stage.world, 3)
        stage.tell()
        stage.look()
        stage.warn()
    stage.connection.flushall()
    stage.look()
    stage.assert_exact()
    assert announced(stage) == [("first", "90%")]


def test_a_redis_from_an_old_backup_catches_up_and_only_the_highest_level_is_said(stage: Stage) -> None:
    stage.world.licence = licence(limit=10)
    tasks(stage.world, 8)
    stage.tell()
    stage.look()
    assert announced(stage) == [("first", "75%")]
    backup = dump(stage.connection)
    tasks(stage.world, 4)
    stage.tell()
    stage.look()
    assert announced(stage) == [("escalated", "120%")]
    restore(stage.connection, backup)
    tasks(stage.world, 1)
    stage.tell()
    stage.look()
    stage.assert_exact()
    assert announced(stage) == [("escalated", "130%")]
