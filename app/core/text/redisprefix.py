"""The prefix of all keys in Redis, for a Redis that several programs share."""

import re
from typing import Final

#: The part of a key by which Redis Cluster chooses the slot, instead of the whole key.
_TAG: Final = r"\{[A-Za-z0-9_.-]+\}"
#: What RQ allows as well, without characters that have a meaning in Redis' patterns.
_FORM: Final = re.compile(rf"(?=.{{2,61}}$)(?:[A-Za-z0-9_.:-]|{_TAG})+:")
#: What keys begin with after the prefix. A prefix with them could name the keys of a meter with a shorter one.
_TAKEN: Final = re.compile(r"(?:^|:)(?:awb|rq):")


def check_prefix(text: str) -> str:
    """Return a prefix as it is.

    Raises:
        ValueError: it is not empty, and no prefix.
    """
    if text and not _FORM.fullmatch(text):
        raise ValueError(
            "must end with a colon and have only letters, digits and _ . : - before it, at most 60, such as team-a: "
            "or, for Redis Cluster, {awb}:"
        )
    if _TAKEN.search(text):
        raise ValueError("must not contain awb: or rq:, which follow the prefix in each key; try meter: or {awb}:")
    return text


def has_tag(prefix: str) -> bool:
    """Return whether Redis Cluster puts all keys with this prefix into one slot."""
    return re.search(_TAG, prefix) is not None
