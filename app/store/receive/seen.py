"""Known message ids, in small hashes by year of arrival: they distinguish a retry from a new delivery.

The value of an id is empty, or the number of the pack that holds the delivery (app/store/receive/packs.py).
"""

import hashlib
from datetime import UTC, datetime


def bucket(message_id: str) -> tuple[str, bytes]:
    """Return the bucket and the digest under which a message id is stored.

    With 4,096 buckets a year, Redis stores them as small lists up to half a million ids: about 25 bytes per id.
    """
    digest = hashlib.blake2s(message_id.encode(), digest_size=16).digest()
    return digest[:2].hex()[:3], digest[1:]


def year_of(received_at: float) -> int:
    return datetime.fromtimestamp(received_at, UTC).year


def expiry_of(year: int) -> int:
    """Return when the ids of a year expire, in seconds since the epoch: they are kept for one to two years."""
    return int(datetime(year + 2, 1, 1, tzinfo=UTC).timestamp())
