"""Secrets known by their value: a value that one place of a payload marks as secret is removed everywhere."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, quote_plus, unquote, unquote_plus

#: Replaces a secret that was removed from a text.
CUT_OUT: Final = "[…]"

# Shorter values are not secrets, and would match inside names.
_SHORTEST: Final = 6
# None of Coder's notifications has this many, and searching for more would take long.
_MOST_FORMS: Final = 500
_MOST: Final = 100
# A simple name under one of these keys is often the workspace's name as well, which is not a secret.
_OFTEN_A_NAME = re.compile(r"prompt|e_?mail")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# In links: `otp=…` in a query or a fragment, and the password in userinfo.
_ASSIGNED = re.compile(r"[?&#;]([^=?&#;\s\0]+)=([^&#;\s\0]+)")
_PASSWORD = re.compile(r"://[^/\s:@\0]*:([^/\s\0]+)@")

#: Returns a key's plain spelling and whether its value is secret, by the same rules as the redaction.
ReadKey = Callable[[str], tuple[str, bool]]


class TooManySecretsError(ValueError):
    """A payload contains or repeats more secrets than any notification of Coder's."""


def without_repeated(payload: Mapping[str, Any], read_key: ReadKey) -> Mapping[str, Any]:
    """Return the payload without its secrets, except in the places that mark them as secret.

    Raises:
        TooManySecretsError: there are too many of them.
        RecursionError: the payload is nested deeper than the interpreter's limit.
    """
    secrets: list[str] = []
    shown: list[str] = []
    _collect(payload, None, read_key, secrets, shown)
    everything = "\0".join(shown)
    if "=" in everything or "://" in everything:
        secrets.extend(_in_links(everything, read_key))
    if not secrets:
        return payload
    everything = everything.lower()
    forms = {form for secret in secrets if len(secret) >= _SHORTEST for form in _forms(secret)}
    if len(forms) > _MOST_FORMS:
        raise TooManySecretsError
    repeated = sorted((form for form in forms if form.lower() in everything), key=len, reverse=True)
    if len(repeated) > _MOST:
        raise TooManySecretsError
    if not repeated:
        return payload
    cut: dict[str, Any] = _cut(payload, re.compile("|".join(map(re.escape, repeated)), re.IGNORECASE))
    return cut


def _collect(value: Any, secret_key: str | None, read_key: ReadKey, secrets: list[str], shown: list[str]) -> None:
    """Collect the texts and numbers under secret keys into `secrets`, and all others including keys into `shown`."""
    if isinstance(value, str):
        if secret_key is None:
            shown.append(value)
        elif not (_OFTEN_A_NAME.search(secret_key) and _NAME.fullmatch(value)):
            secrets.append(value)
    elif isinstance(value, dict):
        # The name of a template parameter shows what its value is.
        named = value.get("name") if "value" in value else None
        parameter, secret_parameter = read_key(named) if isinstance(named, str) else ("", False)
        for key, inner in value.items():
            plain, secret = (parameter, True) if secret_parameter and key == "value" else read_key(key)
            shown.append(key)
            _collect(inner, secret_key or (plain if secret else None), read_key, secrets, shown)
    elif isinstance(value, list):
        for inner in value:
            _collect(inner, secret_key, read_key, secrets, shown)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        (shown if secret_key is None else secrets).append(str(value))


def _in_links(text: str, read_key: ReadKey) -> Iterator[str]:
    if "=" in text:
        yield from (value for name, value in _ASSIGNED.findall(text) if read_key(name)[1])
    yield from _PASSWORD.findall(text)


def _forms(secret: str) -> set[str]:
    """Return the spellings of a secret: as it is, quoted for a link, and unquoted from one."""
    if secret.isalnum():
        return {secret}
    found = {secret, quote(secret, safe="")}
    if " " in secret:
        found.add(quote_plus(secret))
    if "%" in secret or "+" in secret:
        found |= {unquote(secret), unquote_plus(secret)}
    return {form for form in found if len(form) >= _SHORTEST}


def _cut(value: Any, secret: re.Pattern[str]) -> Any:
    if isinstance(value, dict):
        return {secret.sub(CUT_OUT, key): _cut(inner, secret) for key, inner in value.items()}
    if isinstance(value, list):
        return [_cut(inner, secret) for inner in value]
    if isinstance(value, str):
        return secret.sub(CUT_OUT, value)
    if isinstance(value, int | float) and not isinstance(value, bool) and secret.search(str(value)):
        return CUT_OUT
    return value
