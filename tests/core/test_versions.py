"""Coder's versions: each difference holds where it was seen, and nowhere else."""

import pytest

from app.core.coder.versions import FLAG_MEANS_TEMPLATE, LIMIT_BLOCKS, TALLY_BUG, TASKS_GONE, Trait

# trait, versions for which it holds, versions for which it does not
ROWS = [
    (TALLY_BUG, [(2, 28, 0), (2, 28, 8), (2, 29, 3)], [(2, 27, 9), (2, 28, 9), (2, 29, 4), (2, 30, 0)]),
    (FLAG_MEANS_TEMPLATE, [(2, 28, 8), (2, 28, 11), (2, 29, 3)], [(2, 29, 4), (2, 29, 6), (2, 31, 9)]),
    (LIMIT_BLOCKS, [(2, 25, 0), (2, 28, 11), (2, 29, 6), (2, 30, 1)], [(2, 24, 9), (2, 29, 7), (2, 30, 2), (2, 31, 0)]),
    (TASKS_GONE, [(2, 37, 0), (2, 99, 1), (3, 0, 0)], [(2, 36, 9)]),
]


@pytest.mark.parametrize(("trait", "inside", "outside"), ROWS)
def test_a_difference_holds_for_its_versions_alone(
    trait: Trait, inside: list[tuple[int, int, int]], outside: list[tuple[int, int, int]]
) -> None:
    assert all(trait.holds(version) for version in inside)
    assert not any(trait.holds(version) for version in [*outside, None])
    assert trait.source
