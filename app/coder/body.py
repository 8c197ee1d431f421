"""Reading the body of an answer from Coder: at most some bytes, and until a deadline, however slowly they arrive."""

import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

import ijson
import requests

T = TypeVar("T")
_CHUNK: Final = 65_536


class TooLargeError(Exception):
    """The body has more bytes than allowed."""


def beginning(response: requests.Response, most: int, deadline: float) -> bytes:
    """Return the first bytes of a body.

    Args:
        response: whose body has not been read.
        most: the number of bytes after which reading stops.
        deadline: by `time.monotonic`.

    Raises:
        TimeoutError: the deadline passed.
    """
    body = bytearray()
    while len(body) < most and (part := response.raw.read1(_CHUNK, decode_content=True)):
        body += part
        if time.monotonic() > deadline:
            raise TimeoutError
    del body[most:]
    return bytes(body)


def whole(response: requests.Response, most: int, deadline: float) -> bytes:
    """Return a body; arguments and errors as for `beginning`.

    Raises:
        TooLargeError: it has more than `most` bytes.
    """
    body = beginning(response, most + 1, deadline)
    if len(body) > most:
        raise TooLargeError
    return body


def elements(response: requests.Response, most: int, deadline: float, parse: Callable[[Any], T]) -> list[T]:
    """Return the elements of a JSON array, each parsed as it arrives; arguments and errors as for `whole`.

    Raises:
        ijson.JSONError: the body is no JSON array, nor the null that Go writes for an empty one.
    """
    arriving = _Arriving(response, most, deadline)
    if not arriving.holds_array:
        raise ijson.JSONError
    return [parse(one) for one in ijson.items(arriving, "item", use_float=True)]


class _Arriving:
    """A body as a file that is read once.

    Attributes:
        holds_array: whether it begins like a JSON array or null.
    """

    def __init__(self, response: requests.Response, most: int, deadline: float) -> None:
        self._response, self._left, self._deadline = response, most, deadline
        self._first = self._part()
        self.holds_array = self._first.lstrip()[:1] in (b"[", b"n")

    def read(self, size: int = _CHUNK) -> bytes:
        """Return the next bytes, at most a chunk of them whatever the size; none at the end."""
        if size == 0:
            return b""
        part, self._first = self._first or self._part(), b""
        return part

    def _part(self) -> bytes:
        part: bytes = self._response.raw.read1(_CHUNK, decode_content=True)
        self._left -= len(part)
        if self._left < 0:
            raise TooLargeError
        if time.monotonic() > self._deadline:
            raise TimeoutError
        return part
