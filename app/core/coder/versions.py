"""Differences between versions of Coder as data: the versions that each applies to, and its source.

Every difference that this program depends on is defined here.
"""

from dataclasses import dataclass
from typing import Final

Version = tuple[int, int, int]

#: Later than every release, for traits that have not ended.
_OPEN: Final[Version] = (10**6, 0, 0)


@dataclass(frozen=True, slots=True)
class Trait:
    """A trait of some versions of Coder.

    Attributes:
        spans: pairs of the first version that has it and the first one that no longer does.
        source: the pull request, file or observation that shows it.
    """

    spans: tuple[tuple[Version, Version], ...]
    source: str

    def holds(self, version: Version | None) -> bool:
        """Return whether a version has this trait; false for an unknown version."""
        return version is not None and any(first <= version < end for first, end in self.spans)


#: Coder's own number counts every start of a workspace from an AI template.
TALLY_BUG: Final = Trait(
    (((2, 28, 0), (2, 28, 9)), ((2, 29, 0), (2, 29, 4))),
    "coder/coder PR 21696; docs/ai-coder/ai-governance.md, Note",
)
#: A build's `has_ai_task` says that its template has a task resource, not that its workspace has a task. Coder stores
#: the flag with each build, so these builds keep it after an update.
FLAG_MEANS_TEMPLATE: Final = Trait(
    (((2, 28, 0), (2, 29, 4)),),
    "coder/coder PR 21696; seen on v2.28.11, whose usage events already ask for a task",
)
#: Coder refuses to start task workspaces at the hard limit. Earlier versions have no limit; later ones only advise.
LIMIT_BLOCKS: Final = Trait(
    (((2, 25, 0), (2, 29, 7)), ((2, 30, 0), (2, 30, 2))),
    "coder/coder PR 18937 and PR 21998, with the releases that it was brought back to",
)
#: Task Paused and Task Resumed exist.
ANNOUNCES_RESUMES: Final = Trait((((2, 31, 1), _OPEN),), "seen on v2.31.9; Coder's source at the tags")
#: Coder Tasks have been removed, and the count no longer changes.
TASKS_GONE: Final = Trait((((2, 37, 0), _OPEN),), "coder/coder PR 28789 and PR 29085")
