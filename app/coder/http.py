"""HTTP requests to Coder: to one origin, and with limits for time, number and size.

No error, and no exception attached to one, contains the token.
"""

import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlencode, urlsplit

import ijson
import requests
import urllib3
from pydantic import ValidationError

from app.coder.body import TooLargeError, beginning, elements, whole
from app.coder.errors import CoderApiError, Failure, broken, complaint, meaning, redirect_target, retry_after, wrong_in
from app.core.text.lines import one_line
from app.core.text.weburl import is_web_url
from app.net.session import WebSession, is_preparable

#: The number of connections, and so of concurrent requests.
CONNECTIONS: Final = 4
_LONGEST_WAIT: Final = 60.0
_LONGEST_COMPLAINT, _LONGEST_DETAIL = 65_536, 300
_DONE: Final = frozenset({200, 201, 202, 204})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits: seconds to connect, to read the next bytes, and for a call with all attempts; bytes of an answer."""

    connect: float = 5.0
    read: float = 30.0
    call: float = 180.0
    answer: int = 64 * 1024 * 1024


class _TokenAuth(requests.auth.AuthBase):
    """Sets the header of each request."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Coder-Session-Token"] = self._token
        return request


class _Failed(NamedTuple):
    error: CoderApiError
    again: bool = False


class CoderHttp:
    """One deployment's API over a pool of connections, for as many threads."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        ca_file: str | Path | None,
        trusted: str | Path | None,
        sleep: Callable[[float], None],
        attempts: int,
        bounds: Bounds,
    ) -> None:
        """Store URL and token; `ca_file` replaces the system's certificates, `trusted` adds to them.

        Raises:
            ValueError: one of them is invalid. The message does not repeat it.
        """
        if not _is_base_url(url):
            raise ValueError("Coder's URL must be like https://coder.example.com, without user, password, ? or #")
        if not re.fullmatch(r"[\x21-\x7e]+", token):
            raise ValueError("Coder's token must be one word of ASCII characters")
        if ca_file is not None and not Path(ca_file).is_file():
            raise ValueError("there is no such file of CA certificates for Coder")
        self._url = url.rstrip("/")
        self._secret = re.compile(re.escape(token), re.IGNORECASE)
        self._verify = True if ca_file is None else str(ca_file)
        self._sleep, self._attempts, self._bounds = sleep, max(attempts, 1), bounds
        self._session = WebSession(trusted, connections=CONNECTIONS)
        self._session.auth = _TokenAuth(token)
        self._session.headers.update({"User-Agent": "coder-awb-meter", "Accept": "application/json"})
        # Each GET is a copy of this one with another path: preparing it takes requests longer than sending it.
        self._get = self._session.prepare_request(requests.Request("GET", self._url))
        self._options = self._session.merge_environment_settings(self._url, {}, True, self._verify, None)
        # The session would only add cookies and redirects, which are not wanted.
        self._adapter = self._session.get_adapter(self._url)

    @property
    def host(self) -> str:
        return urlsplit(self._url).hostname or ""

    def close(self) -> None:
        self._session.close()

    def read(self, parse: Callable[[bytes], T], path: str, params: Mapping[str, str | int] | None = None) -> T:
        """GET and parse an answer; temporary failures are retried after a while.

        Args:
            parse: pydantic's `model_validate_json` or `validate_json`.
            path: the path from the root of the deployment.
            params: the query parameters.

        Raises:
            CoderApiError: no attempt got an answer, or the answer has another shape than documented.
        """
        return self._read(path, params or {}, lambda response, deadline: parse(self._whole(response, deadline)))

    def read_each(self, parse: Callable[[Any], T], path: str, params: Mapping[str, str | int]) -> list[T]:
        """GET an array and parse its elements as they arrive, so that a long one never is in memory as a whole.

        Args:
            parse: pydantic's `model_validate` or `validate_python`.
            path: as for `read`.
            params: as for `read`.

        Raises:
            CoderApiError: as for `read`.
        """
        most = self._bounds.answer
        return self._read(path, params, lambda response, deadline: elements(response, most, deadline, parse))

    def _read(self, path: str, params: Mapping[str, str | int], take: Callable[[requests.Response, float], T]) -> T:
        try:
            return self._patiently(path, params, take)
        except ValidationError as error:
            wrong = wrong_in(error)
        except ijson.JSONError:
            wrong = "is not the JSON that it should be"
        raise self.failure(Failure.BAD_ANSWER, f"Coder's answer to GET {path} {wrong}")

    def put(self, path: str, body: Mapping[str, Any]) -> None:
        """PUT once: if there is no answer, it is unknown whether the request took effect.

        Raises:
            CoderApiError: Coder refused it, or did not confirm it.
        """
        request = self._session.prepare_request(requests.Request("PUT", self._url + path, json=body))
        outcome = self._attempt(request, path, time.monotonic() + self._bounds.call, self._confirmation)
        if isinstance(outcome, _Failed):
            raise outcome.error

    def failure(self, kind: Failure, text: str, retry_after: float | None = None) -> CoderApiError:
        """Return an error whose text is one line without the token, wherever parts of it come from."""
        return CoderApiError(self._clean(text), kind, retry_after)

    def _clean(self, text: str) -> str:
        return self._secret.sub("***", one_line(text))

    def _whole(self, response: requests.Response, deadline: float) -> bytes:
        return whole(response, self._bounds.answer, deadline)

    def _confirmation(self, response: requests.Response, deadline: float) -> bytes:
        return b"" if response.status_code == HTTPStatus.NOT_MODIFIED else self._whole(response, deadline)

    def _patiently(
        self, path: str, params: Mapping[str, str | int], take: Callable[[requests.Response, float], T]
    ) -> T:
        deadline = time.monotonic() + self._bounds.call
        attempt = 1
        request = self._get.copy()
        request.url = str(self._get.url).rstrip("/") + path + (f"?{urlencode(params)}" if params else "")
        while isinstance(outcome := self._attempt(request, path, deadline, take), _Failed):
            wait = _wait(outcome, attempt)
            if attempt >= self._attempts or wait is None or time.monotonic() + wait >= deadline:
                # Raised outside any handler, because an error of requests contains the request, and with it the token.
                raise outcome.error
            self._sleep(wait)
            attempt += 1
        return outcome

    def _attempt(
        self,
        request: requests.PreparedRequest,
        path: str,
        deadline: float,
        take: Callable[[requests.Response, float], T],
    ) -> T | _Failed:
        call = f"{request.method} {path}"
        left = max(deadline - time.monotonic(), 0.001)
        timeout = (min(self._bounds.connect, left), min(self._bounds.read, left))
        try:
            with self._adapter.send(request, timeout=timeout, **self._options) as response:
                if response.status_code in _DONE:
                    return take(response, deadline)
                if response.status_code == HTTPStatus.NOT_MODIFIED and request.method == "PUT":
                    return take(response, deadline)
                return self._refused(call, response, beginning(response, _LONGEST_COMPLAINT, deadline))
        except TooLargeError:
            return _Failed(self.failure(Failure.BAD_ANSWER, f"Coder's answer to {call} is too large"))
        except (OSError, urllib3.exceptions.HTTPError) as error:  # every error of requests is an OSError
            kind, text = broken(error)
        return _Failed(self.failure(kind, f"{call}: {text}"), again=kind in {Failure.TIMEOUT, Failure.UNREACHABLE})

    def _refused(self, call: str, response: requests.Response, body: bytes) -> _Failed:
        status = response.status_code
        kind, text = meaning(status)
        detail = self._clean(complaint(body))[:_LONGEST_DETAIL]
        if kind is Failure.REDIRECTED:
            text += " " + redirect_target(self._url, response.headers.get("Location", ""))
        elif detail and kind is not Failure.UNAUTHORIZED:
            text += f"; Coder says: {detail}"
        # Coder also answers 500 for temporary errors of its database.
        again = status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        wait = retry_after(response.headers.get("Retry-After")) if again else None
        return _Failed(self.failure(kind, f"{call}: {text}", wait), again)


def _is_base_url(url: str) -> bool:
    if not (is_web_url(url) and is_preparable(url)):
        return False
    return "@" not in urlsplit(url).netloc and "?" not in url and "#" not in url


def _wait(failed: _Failed, attempt: int) -> float | None:
    """Return the seconds until the next attempt, with jitter to spread threads; None if there is none."""
    retry_after = failed.error.retry_after
    if not failed.again or (retry_after is not None and retry_after > _LONGEST_WAIT):
        return None
    jitter = random.uniform(0.5, 1.0)  # noqa: S311 - no secret
    return 2.0 ** (attempt - 1) * jitter if retry_after is None else retry_after + jitter
