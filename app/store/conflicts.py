"""Optimistic locking: what somebody else changed since it was read is read again, a bounded number of times."""

from collections.abc import Callable, Collection, Mapping
from typing import Final, TypeVar

_T = TypeVar("_T")
#: Each process that races costs the others one round; if this many are not enough, something else is wrong.
ROUNDS: Final = 50


class ConflictError(Exception):
    """Somebody else changed the same things again and again.

    Attributes:
        names: what could not be written.
    """

    def __init__(self, names: Collection[str]) -> None:
        super().__init__(f"{len(names)} keep changing")
        self.names = names


def retry_conflicts(
    waiting: Mapping[str, _T], attempt: Callable[[Mapping[str, _T]], Collection[str]], rounds: int = ROUNDS
) -> None:
    """Attempt all, then what was in conflict, until nothing is.

    Args:
        waiting: what to write, by the name of what has a version.
        attempt: reads, decides and writes what it is given; returns the names that somebody else changed meanwhile.
        rounds: how often to attempt.

    Raises:
        ConflictError: some are still in conflict after the last round.
    """
    for _ in range(rounds):
        if not waiting:
            return
        waiting = {name: waiting[name] for name in attempt(waiting)}
    if waiting:
        raise ConflictError(waiting)
