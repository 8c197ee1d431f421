"""Short JSON texts in Redis, compressed with a dictionary of what they have in common."""

import zlib
from typing import Final

_ZLIB: Final = b"\x78"
_BEST, _MEMORY = 9, 9
#: Bytes; the longest text, evidence, has at most a few hundred sightings.
_LARGEST: Final = 1 << 24


def pack(text: str, common: bytes) -> bytes:
    """Compress a text.

    Args:
        text: JSON.
        common: the dictionary. It is part of the stored data and must never change.
    """
    packer = zlib.compressobj(_BEST, zlib.DEFLATED, zlib.MAX_WBITS, _MEMORY, zlib.Z_DEFAULT_STRATEGY, common)
    return packer.compress(text.encode()) + packer.flush()


def unpack(stored: bytes, common: bytes) -> bytes:
    """Return the JSON that `pack` compressed; JSON stays as it is.

    Raises:
        ValueError: it is something else, or a part is missing.
    """
    if stored[:1] != _ZLIB:
        return stored
    unpacker = zlib.decompressobj(zdict=common)
    try:
        text = unpacker.decompress(stored, _LARGEST)
    except zlib.error as error:
        raise ValueError(f"a text that cannot be unpacked: {error}") from error
    if not unpacker.eof:
        raise ValueError("a compressed text of which a part is missing")
    return text
