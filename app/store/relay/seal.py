"""Sealing: no content of a notification is stored in plain text in Redis, or in its files.

AES-256-GCM with a key derived from a secret that is never in Redis. The message's name is authenticated as well, so
that sealed content cannot be passed off as another message's.
"""

import os
from hashlib import sha256
from hmac import digest as hmac_digest
from typing import Final

_VERSION: Final = b"\x01"
_MARK_BYTES: Final = 4
_NONCE_BYTES: Final = 12


class SealError(Exception):
    """Sealed content cannot be opened; the message says why."""


class Seal:
    """Seals and opens content with one secret."""

    def __init__(self, secret: str) -> None:
        # Imported here, because the receiver uses this module even if nothing is relayed.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        root = sha256(b"awb relay\0" + secret.encode()).digest()
        self._cipher = AESGCM(hmac_digest(root, b"content", "sha256"))
        self._names = hmac_digest(root, b"names", "sha256")
        #: Identifies a secret without revealing anything about it.
        self.mark = hmac_digest(root, b"mark", "sha256")[:_MARK_BYTES]
        #: Identifies this installation to other meters and to itself.
        self.instance = hmac_digest(root, b"instance", "sha256").hex()[:16]

    def close(self, content: bytes, name: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + self.mark + nonce + self._cipher.encrypt(nonce, content, name.encode())

    def open(self, sealed: bytes, name: str) -> bytes:
        """Return the opened content.

        Raises:
            SealError: it was sealed with another secret, or is damaged.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see above

        head = len(_VERSION) + _MARK_BYTES
        if sealed[len(_VERSION) : head] != self.mark:
            raise SealError("sealed with another secret: give every part the same AWB_RELAY_SECRET")
        try:
            return self._cipher.decrypt(
                sealed[head : head + _NONCE_BYTES], sealed[head + _NONCE_BYTES :], name.encode()
            )
        except (InvalidTag, ValueError):
            raise SealError("the sealed content is damaged") from None

    def alias(self, text: str) -> str:
        """Return a pseudonym for a text that must not be stored: stable, and meaningless without the secret."""
        return hmac_digest(self._names, text.encode("utf-8", "replace"), "sha256").hex()[:24]
