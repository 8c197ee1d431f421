"""Checks of access: request the usage through the public URL and loopback, as a stranger could."""

from collections.abc import Iterator, Mapping
from typing import Final

import requests

from app.config.settings import Settings
from app.core.access.origin import is_public
from app.core.alert.refusal import DOCTOR
from app.core.finding import Finding, Result
from app.net.session import WebSession

_TIMEOUT: Final = 5
_PATH: Final = "/api/v1/usage"
_AS_HERE: Final = {"Host": "localhost"}
_FORWARDED: Final = {
    "Host": "localhost",
    "Forwarded": "for=127.0.0.1;host=localhost",
    "X-Forwarded-For": "127.0.0.1",
    "X-Forwarded-Host": "localhost",
    "X-Real-IP": "127.0.0.1",
}


def examine_access(settings: Settings) -> Iterator[Finding]:
    """Yield what a stranger would get. A service that does not answer is reported by other checks."""
    if is_public(settings.public_url):
        yield from _public(settings)
    yield from _loopback(settings)


def _public(settings: Settings) -> Iterator[Finding]:
    """Send a request from outside without credentials, because a proxy may look like a person on this machine."""
    base, named = settings.public_url, {}
    if settings.proxy_user_header:
        named = {settings.proxy_user_header: next(iter(settings.proxy_admins), "awb-doctor")}
    opened = [_opens(settings, base, headers) for headers in ({}, _AS_HERE, _FORWARDED, *([named] if named else []))]
    if None in opened[:1]:
        return
    if any(opened[:3]):
        text = f"anybody who reaches {base} has full access"
        hint = (
            "set AWB_TRUST_LOOPBACK to auto, list the proxy in AWB_PROXY_ADDRESSES and let it send X-Forwarded-For; "
            "do it now"
        )
    elif any(opened[3:]):
        text = f"everybody who sends {settings.proxy_user_header} to {base} is logged in as the user it names"
        hint = f"let the proxy set or remove {settings.proxy_user_header} on every request; do it now"
    else:
        yield Finding("access.public", Result.OK, f"{base} requires a login")
        return
    yield Finding("access.public", Result.ERROR, text, hint)


def _loopback(settings: Settings) -> Iterator[Finding]:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.bind_host)  # noqa: S104 - only compared
    base = f"http://{host}:{settings.bind_port}" if host else f"http://{settings.bind}"
    here, forwarded = _opens(settings, base, _AS_HERE), _opens(settings, base, _FORWARDED)
    if here is None or forwarded is None:
        return
    check = "access.loopback"
    if forwarded or (here and not settings.loopback_trusted):
        text = f"the service at {base} lets in everybody who comes through a proxy on this machine"
        yield Finding(check, Result.ERROR, text, "restart the service: it runs with other settings than these")
    elif not here:
        yield Finding(check, Result.OK, "this machine needs a login as well")
    elif settings.exposed:
        text = "AWB_TRUST_LOOPBACK lets in everybody who comes through a proxy or forwarder on this machine"
        yield Finding(check, Result.WARNING, text, "set it to auto, unless there is none on this machine")
    elif not settings.on_loopback:
        text = f"no login is needed on this machine, while {settings.bind} can be reached from elsewhere"
        hint = "if a container engine or a forwarder passes connections on, set AWB_TRUST_LOOPBACK=never or a password"
        yield Finding(check, Result.WARNING, text, hint)
    else:
        yield Finding(check, Result.OK, "only this machine has access without a login")


def _opens(settings: Settings, base: str, headers: Mapping[str, str]) -> bool | None:
    """Return whether the usage is shown for these headers; None if there is no answer."""
    with WebSession(settings.ca_file, direct=True) as session:
        try:
            answer = session.get(f"{base}{_PATH}", headers={"User-Agent": DOCTOR, **headers}, timeout=_TIMEOUT)
            shown = answer.json() if answer.status_code == requests.codes.ok else None
        except requests.exceptions.JSONDecodeError:
            return False
        except requests.RequestException:
            return None
    return isinstance(shown, dict) and "used" in shown
