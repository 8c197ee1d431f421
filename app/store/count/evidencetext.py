"""The evidence of a workspace in Redis: compressed JSON, or plain JSON from earlier versions."""

from typing import Final

from app.core.count.evidence import Evidence
from app.core.text.compact import compact
from app.store.count.packed import pack, unpack

#: What most evidence has in common. It is part of the stored data and must never change.
_COMMON: Final = (
    b'"F":{"message ":[0,"task-resume-failed"]},"W":2,0123456789abcdef{"T":[[17,"-4"],[1,"],'
    b'"C":[[0,"workspace-created-from-ai-template"],[1,"workspace-created-from-ai-template"]],'
    b'"R":[[2,"task-resumed"],[3,"task-resumed"]],"P":[[3,"task-paused"]],"S":[[4,"task-status"]],'
    b'"N":{"organization":[0,0,""],"owner":[0,0,""],"template":[0,0,""],"template_id":[0,0,""],"workspace":[0,0,""]},'
    b'"K":true}'
)


def write_evidence(evidence: Evidence) -> bytes:
    return pack(compact(evidence.as_json()), _COMMON)


def read_evidence(stored: bytes) -> Evidence:
    """Parse what `write_evidence` wrote, in this version or another one.

    Raises:
        ValueError: it is something else.
    """
    return Evidence.from_json(unpack(stored, _COMMON))
