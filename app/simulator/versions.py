"""How Coder's versions differ for a meter, as data: each behaviour with the version that introduced it.

Seen on v2.28.11, v2.29.6 and v2.31.9, and read in the source at the tags between them.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

Version = tuple[int, int, int]

#: The releases that were observed; each behaves differently.
OLDEST_SEEN: Final[Version] = (2, 28, 11)
MIDDLE_SEEN: Final[Version] = (2, 29, 6)
#: A release that has all of Coder Tasks and counts correctly.
CURRENT: Final[Version] = (2, 31, 9)
#: The first release without Coder Tasks.
TASKLESS: Final[Version] = (2, 37, 0)


class Behaviour(StrEnum):
    """Something that only some versions do."""

    #: Tasks are listed by `/api/v2/tasks`.
    STABLE_TASKS = "stable tasks"
    #: Tasks are listed by `/api/experimental/tasks`.
    EXPERIMENTAL_TASKS = "experimental tasks"
    #: `/pause` and `/resume`, and the notifications Task Paused and Task Resumed with the label `task_id`.
    PAUSES = "pauses"
    #: Every start from a template for tasks is a usage event, instead of every start of a task (coder/coder PR 21696).
    TALLIES_TEMPLATES = "tallies templates"
    #: A build's `has_ai_task` describes its template instead of its workspace's task.
    FLAGS_TEMPLATES = "flags templates"
    #: `has-ai-task:true` finds everything that ever had a task, instead of looking at the latest build.
    FINDS_BY_TASK = "finds by task"
    #: Nothing is blocked at the limit, and nobody is warned before it (PR 21998).
    ADVISORY_LIMIT = "advisory limit"
    #: Nobody is warned at the limit either (PR 29657).
    SILENT_LIMIT = "silent limit"
    #: The agents' status reports reach only users who subscribed to them (PR 20518).
    QUIET_STATUS = "quiet status"
    #: Runtime hours of Coder Agents are metered.
    AGENT_HOURS = "agent hours"
    #: The audit log reports the number at which it stops counting its entries.
    COUNT_CAP = "count cap"


#: The ranges of versions with each behaviour: the first version, and the first one without it; None for no end.
RANGES: Final[Mapping[Behaviour, tuple[tuple[Version, Version | None], ...]]] = {
    Behaviour.STABLE_TASKS: (((2, 29, 0), TASKLESS),),
    Behaviour.EXPERIMENTAL_TASKS: (((2, 0, 0), (2, 29, 0)),),
    Behaviour.PAUSES: (((2, 31, 1), TASKLESS),),
    Behaviour.TALLIES_TEMPLATES: (((2, 0, 0), (2, 28, 9)), ((2, 29, 0), (2, 29, 4))),
    Behaviour.FLAGS_TEMPLATES: (((2, 0, 0), (2, 29, 4)),),
    Behaviour.FINDS_BY_TASK: (((2, 29, 0), None),),
    Behaviour.ADVISORY_LIMIT: (((2, 29, 7), (2, 30, 0)), ((2, 30, 2), None)),
    Behaviour.SILENT_LIMIT: (((2, 38, 0), None),),
    Behaviour.QUIET_STATUS: (((2, 28, 0), None),),
    Behaviour.AGENT_HOURS: ((TASKLESS, None),),
    Behaviour.COUNT_CAP: (((2, 31, 0), None),),
}


def does(version: Version, behaviour: Behaviour) -> bool:
    """Return whether a version has a behaviour."""
    return any(first <= version and (end is None or version < end) for first, end in RANGES[behaviour])
