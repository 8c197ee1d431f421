"""Optimistic locking: data that another process changed after it was read is read again, up to a maximum."""

from collections.abc import Callable, Collection, Mapping
from typing import Final, TypeVar

_T = TypeVar("_T")
#: Each competing process costs the others one round; if this many do not suffice, something else is wrong.
ROUNDS: Final = 50


class ConflictError(Exception):
    """Other processes kept changing the same data.

    Attributes:
        names: what could not be written.
    """

    def __init__(self, names: Collection[str]) -> None:
        super().__init__(f"{len(names)} keep changing")
        self.names = names


def retry_conflicts(
    waiting: Mapping[str, _T], attempt: Callable[[Mapping[str, _T]], Collection[str]], rounds: int = ROUNDS
) -> None:
    """Attempt all writes, then repeat those in conflict until none is left.

    Args:
        waiting: what to write, by the name of its versioned data.
        attempt: reads, decides and writes the given items; returns the names that another process changed meanwhile.
        rounds: the maximum number of attempts.

    Raises:
        ConflictError: some are still in conflict after the last round.
    """
    for _ in range(rounds):
        if not waiting:
            return
        waiting = {name: waiting[name] for name in attempt(waiting)}
    if waiting:
        raise ConflictError(waiting)
