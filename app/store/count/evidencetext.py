"""The evidence of a workspace in Redis: JSON, as text or compressed."""

import zlib
from typing import Final

from app.core.count.evidence import Evidence
from app.core.text.compact import compact

#: Whether evidence is written compressed, which takes 40% of the memory. A version that reads it has to be released
#: first, so that the upgrade can be undone; set this in the next release, and raise the schema's version.
COMPRESSED: Final = False
#: What most evidence has in common. It is part of the stored data and must never change.
_COMMON: Final = (
    b'"F":{"message ":[0,"task-resume-failed"]},"W":2,0123456789abcdef{"T":[[17,"-4"],[1,"],'
    b'"C":[[0,"workspace-created-from-ai-template"],[1,"workspace-created-from-ai-template"]],'
    b'"R":[[2,"task-resumed"],[3,"task-resumed"]],"P":[[3,"task-paused"]],"S":[[4,"task-status"]],'
    b'"N":{"organization":[0,0,""],"owner":[0,0,""],"template":[0,0,""],"template_id":[0,0,""],"workspace":[0,0,""]},'
    b'"K":true}'
)
_ZLIB: Final = b"\x78"
_BEST, _MEMORY = 9, 9
#: Bytes; evidence has at most a few hundred sightings.
_LARGEST: Final = 1 << 24


def write_evidence(evidence: Evidence, *, compressed: bool = COMPRESSED) -> bytes:
    text = compact(evidence.as_json()).encode()
    if not compressed:
        return text
    packer = zlib.compressobj(_BEST, zlib.DEFLATED, zlib.MAX_WBITS, _MEMORY, zlib.Z_DEFAULT_STRATEGY, _COMMON)
    return packer.compress(text) + packer.flush()


def read_evidence(stored: bytes) -> Evidence:
    """Parse what `write_evidence` wrote, in this version or another one.

    Raises:
        ValueError: it is something else.
    """
    if stored[:1] != _ZLIB:
        return Evidence.from_json(stored)
    unpacker = zlib.decompressobj(zdict=_COMMON)
    try:
        text = unpacker.decompress(stored, _LARGEST)
    except zlib.error as error:
        raise ValueError(f"evidence that cannot be unpacked: {error}") from error
    if not unpacker.eof:
        raise ValueError("evidence of which a part is missing")
    return Evidence.from_json(text)
