"""The table of supported versions hides neither a failure nor what could not be had."""

from pathlib import Path

import pytest

from tests.versions.table import (
    BEGIN,
    END,
    PYTHONS,
    SERVERS,
    Outcome,
    Row,
    exit_code,
    merged,
    missing,
    read,
    render,
    write,
)


def row(python: str = "3.11.7", server: str = "Redis 7.0.15", outcome: Outcome = Outcome.PASSED) -> Row:
    return Row(python, server, "Debian 12", outcome, "7 passed", "2026-01-02")


def test_a_version_in_which_nothing_ran_has_a_row_that_says_so() -> None:
    rows = missing([row(), row("3.11.7", "Redis 8.0.2"), row("3.13.5", "Valkey 7.2.11")])
    assert [one.python for one in rows if one.python in PYTHONS] == ["3.12", "3.14"]
    assert [one.server for one in rows if one.server in SERVERS] == [
        "Redis 6.2", "Redis 7.2", "Redis 7.4", "Valkey 8", "Valkey 9",
    ]  # fmt: skip
    assert {one.outcome for one in rows} == {Outcome.NOT_OBTAINABLE}


def test_a_version_with_more_digits_is_another_one() -> None:
    assert [one.python for one in missing([row("3.1.1")]) if one.python in PYTHONS] == list(PYTHONS)
    assert "Redis 8" in [one.server for one in missing([row(server="Redis 80.0.0")])]


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ([Outcome.PASSED, Outcome.NOT_OBTAINABLE], 0),
        ([Outcome.PASSED, Outcome.FAILED], 1),
        ([Outcome.NOT_OBTAINABLE], 1),
        ([], 1),
    ],
)
def test_the_exit_code_is_about_what_could_be_had(outcomes: list[Outcome], code: int) -> None:
    assert exit_code([row(outcome=outcome) for outcome in outcomes]) == code


def test_the_table_replaces_the_one_between_the_marks(tmp_path: Path) -> None:
    file = tmp_path / "pip.md"
    file.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    write(file, render([row(outcome=Outcome.FAILED)], "tests/a", "tests/b"))
    text = file.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{BEGIN}\nEach Python ran `tests/a`")
    assert text.endswith(f"| 3.11.7 | Redis 7.0.15 | Debian 12 | **failed** | 7 passed | 2026-01-02 |\n{END}\nafter\n")


def test_a_run_of_one_row_leaves_the_others_as_the_document_has_them(tmp_path: Path) -> None:
    file = tmp_path / "pip.md"
    file.write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")
    other, failed = row("3.12.1"), row(outcome=Outcome.FAILED)
    write(file, render([other, failed, *missing([other, failed])], "tests/a", "tests/b"))
    rows = merged(read(file), [row()])
    assert rows == [other, row()]
    assert exit_code(rows) == 0
