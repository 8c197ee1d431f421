"""What values in Redis contain, compressed ones included, for tests that look for what must not be there."""

import json
import zlib
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterator
from typing import Any, Final

from app.store.count.evidencetext import read_evidence
from app.store.count.storedworkspace import read_names

_WITH_DICTIONARY: Final[tuple[Callable[[bytes], Any], ...]] = (
    lambda value: read_evidence(value).as_json(),
    read_names,
)
#: How texts begin that are compressed with a dictionary (RFC 1950).
_BEGINNING: Final = b"\x78\xf9"


def unpacked(value: bytes) -> Iterator[bytes]:
    """Yield a value as it is, and decoded from our formats and RQ's: compressed, or compressed and then base64.

    Raises:
        AssertionError: it is compressed with a dictionary that is not known here.
    """
    yield value
    if value.startswith(_BEGINNING):
        yield _with_dictionary(value)
    for packed in (value, _from_base64(value)):
        try:
            yield zlib.decompress(packed)
        except zlib.error:
            continue


def _with_dictionary(value: bytes) -> bytes:
    for read in _WITH_DICTIONARY:
        try:
            return json.dumps(read(value), ensure_ascii=False).encode("utf-8", "surrogatepass")
        except ValueError:
            continue
    raise AssertionError(f"a compressed value that cannot be read: {value!r}")


def _from_base64(value: bytes) -> bytes:
    try:
        return b64decode(value, validate=True)
    except (Base64Error, ValueError):
        return b""
