"""Where Coder's versions differ: each difference as data, with the versions it holds for and where that is known from.

Every difference that this program depends on belongs here, and nowhere else.
"""

from dataclasses import dataclass
from typing import Final

Version = tuple[int, int, int]

#: Lies behind every release: for what has not ended.
_OPEN: Final[Version] = (10**6, 0, 0)


@dataclass(frozen=True, slots=True)
class Trait:
    """Something that holds for some versions of Coder.

    Attributes:
        spans: first version for which it holds, and first one for which it no longer does.
        source: the pull request, file or observation that it is known from.
    """

    spans: tuple[tuple[Version, Version], ...]
    source: str

    def holds(self, version: Version | None) -> bool:
        """Return whether it holds; not for a version that is not known."""
        return version is not None and any(first <= version < end for first, end in self.spans)


#: Coder's own number counts every start of a workspace from an AI template.
TALLY_BUG: Final = Trait(
    (((2, 28, 0), (2, 28, 9)), ((2, 29, 0), (2, 29, 4))),
    "coder/coder PR 21696; docs/ai-coder/ai-governance.md, Note",
)
#: `has_ai_task` of a build says that its template has a task resource, not that its workspace has a task. Coder keeps
#: the flag of each build, so these builds still have it after an update.
FLAG_MEANS_TEMPLATE: Final = Trait(
    (((2, 28, 0), (2, 29, 4)),),
    "coder/coder PR 21696; seen on v2.28.11, whose usage events already ask for a task",
)
#: Coder refuses to start workspaces for tasks at the hard limit; before there is none, afterwards it only advises.
LIMIT_BLOCKS: Final = Trait(
    (((2, 25, 0), (2, 29, 7)), ((2, 30, 0), (2, 30, 2))),
    "coder/coder PR 18937 and PR 21998, with the releases that it was brought back to",
)
#: Task Paused and Task Resumed exist.
ANNOUNCES_RESUMES: Final = Trait((((2, 31, 1), _OPEN),), "seen on v2.31.9; Coder's source at the tags")
#: There are no Coder Tasks any more, and the count no longer changes.
TASKS_GONE: Final = Trait((((2, 37, 0), _OPEN),), "coder/coder PR 28789 and PR 29085")
