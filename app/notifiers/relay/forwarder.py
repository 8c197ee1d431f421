"""Forwarding: one notification, as Coder sent it, to another webhook."""

import re
from functools import partial
from pathlib import Path
from typing import Final

import requests

from app import clock
from app.core.relay.forward import Forward
from app.core.relay.original import VIA, Original
from app.net import pinned, trust
from app.notifiers.base import SEND_TIMEOUT, FailureReason, NotifyError
from app.notifiers.deadline import within
from app.notifiers.httpanswer import seconds
from app.notifiers.webhook import read_key, signature

#: Refusals of this very body. Anything else can be corrected while it is retried.
_FINAL: Final = frozenset({400, 410, 413, 415, 422})
_LONGEST_RETRY_AFTER: Final = 600.0
_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e]+)")
#: Headers of the message itself, which no setting may change.
_OURS: Final = frozenset({"host", "content-length", "content-type", "x-message-id", "transfer-encoding", VIA.lower()})
_LARGEST_SECRET: Final = 10_000


class Forwarder:
    """One target."""

    def __init__(
        self, forward: Forward, instance: str, *, trusted: Path | None = None, patience: float = SEND_TIMEOUT
    ) -> None:
        """Prepare the forwarder.

        Args:
            forward: the target.
            instance: identifies this meter to other meters.
            trusted: certificates to trust besides the system's.
            patience: seconds after which an attempt is abandoned.
        """
        self._forward, self._instance = forward, instance
        self._trusted, self._patience = trusted, patience

    def send(self, original: Original) -> None:
        """Send once.

        Raises:
            NotifyError: it was not accepted. Its message contains neither the URL nor any of the content.
        """
        try:
            headers = self._headers(original)
        except ValueError as error:
            raise NotifyError(str(error), reason=FailureReason.CLIENT_ERROR, permanent=False) from None
        ask = partial(
            pinned.post,
            self._forward.url.get_secret_value(),
            original.body,
            headers,
            seconds=self._patience,
            allow_private=self._forward.allow_private,
            ca_file=self._trusted,
        )
        try:
            reply = within(self._patience, ask)
        except pinned.PrivateAddressError:
            text = "its name leads into a private network; set allow_private if that is meant"
            failure = NotifyError(text, reason=FailureReason.CLIENT_ERROR, permanent=False)
        except (OSError, ValueError) as error:  # covers every error of requests, urllib3 and socket
            failure = _no_answer(error)
        else:
            _check(reply)
            return
        # Raised outside the handler, because the libraries' errors contain the URL and must not be attached as
        # __context__.
        raise failure

    def _headers(self, original: Original) -> dict[str, str]:
        given = credentials(self._forward)
        headers = {
            **given,
            "Content-Type": original.content_type,
            "X-Message-Id": original.message_id,
            VIA: ", ".join((*original.via, self._instance)),
            "User-Agent": "coder-awb-meter",
        }
        if self._forward.secret_file:
            key = read_key(read_secret("secret_file", self._forward.secret_file))
            headers |= signature(key, original.message_id, int(clock.now().timestamp()), original.body)
        return headers


def credentials(forward: Forward) -> dict[str, str]:
    """Return the headers with credentials.

    Raises:
        ValueError: a file cannot be read, or has another content. The message repeats nothing of it.
    """
    headers: dict[str, str] = {}
    if forward.bearer_file:
        token = read_secret("bearer_file", forward.bearer_file)
        if not re.fullmatch(r"[\x21-\x7e]+", token):
            raise ValueError(f"bearer_file: {forward.bearer_file} must hold one word, the token")
        headers["Authorization"] = f"Bearer {token}"
    if forward.header_file:
        found = _HEADER.fullmatch(read_secret("header_file", forward.header_file))
        if not found or found[1].lower() in _OURS:
            raise ValueError(
                f"header_file: {forward.header_file} must hold one line such as “X-Api-Key: …”, and no header of the "
                "message itself"
            )
        headers[found[1]] = found[2]
    return headers


def read_secret(key: str, file: Path) -> str:
    """Read a file that contains one secret.

    Raises:
        ValueError: it cannot be read, or is empty.
    """
    try:
        with file.open(encoding="utf-8-sig") as opened:
            secret = opened.read(_LARGEST_SECRET).strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise ValueError(f"{key}: the file {file} cannot be read: {why}") from None
    if not secret:
        raise ValueError(f"{key}: the file {file} is empty")
    return secret


def problems(forward: Forward) -> list[str]:
    """Return what is wrong with a target's files."""
    found = []
    try:
        credentials(forward)
    except ValueError as error:
        found.append(str(error))
    if forward.secret_file:
        try:
            secret = read_secret("secret_file", forward.secret_file)
        except ValueError as error:
            return [*found, str(error)]
        try:
            read_key(secret)
        except ValueError as error:
            text = str(error).replace("the webhook's secret", str(forward.secret_file))
            found.append(f"secret_file: {text}; a token belongs in bearer_file")
    return found


def _check(reply: pinned.Reply) -> None:
    if reply.taken:
        return
    text, status = f"it answered {reply.status}", reply.status
    wait = min(seconds(reply.retry_after, 0.0), _LONGEST_RETRY_AFTER) if reply.retry_after else None
    if status == requests.codes.too_many_requests:
        raise NotifyError(text, reason=FailureReason.RATE_LIMITED, permanent=False, retry_after=wait)
    if status >= requests.codes.server_error:
        raise NotifyError(text, reason=FailureReason.SERVER_ERROR, permanent=False, retry_after=wait)
    if status in (requests.codes.unauthorized, requests.codes.forbidden):
        raise NotifyError(f"{text}: access denied", reason=FailureReason.AUTH_ERROR, permanent=False)
    if requests.codes.multiple_choices <= status < requests.codes.bad_request:
        text += ": redirects are not followed; set the final URL"
    raise NotifyError(text, reason=FailureReason.CLIENT_ERROR, permanent=status in _FINAL, retry_after=wait)


def _no_answer(error: Exception) -> NotifyError:
    tls = isinstance(error, requests.exceptions.SSLError) or getattr(error, "tls", False)
    if tls:
        untrusted = getattr(error, "untrusted", False) or trust.is_untrusted(error)
        remedy = trust.REMEDY if untrusted else "check its URL and certificate"
        return NotifyError(f"no trusted TLS connection: {remedy}", reason=FailureReason.TLS, permanent=False)
    kind = str(error) if isinstance(error, pinned.NoAnswerError) else type(error).__name__
    return NotifyError(f"it could not be reached ({kind})", reason=FailureReason.NETWORK, permanent=False)
