"""Which version of the service this is, and where its documentation is, as its package says."""

from dataclasses import dataclass
from email.message import Message
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any, Final

from flask import Blueprint, Response, abort

from app.config.settings import Settings

_DISTRIBUTION: Final = "coder-awb-meter"
_DOCS: Final = ("documentation", "homepage", "repository")
_README: Final = "/readme"
UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class About:
    """What the foot of every page names.

    Attributes:
        docs: the project's address of its documentation, or the README of this version; empty where it has neither.
        licences: Coder's own page of licences; empty where the address of Coder is not configured.
    """

    version: str
    docs: str
    licences: str

    @classmethod
    def of(cls, settings: Settings) -> "About":
        base = settings.coder_url.rstrip("/")
        return cls(version(), _docs(_package()), f"{base}/deployment/licenses" if base else "")


def version() -> str:
    """Return the installed version; UNKNOWN when run from a checkout that is not installed."""
    return str(_package().get("Version") or UNKNOWN)


def blueprint() -> Blueprint:
    """Build the route of the README."""
    routes = Blueprint("about", __name__)

    @routes.get(_README)
    def readme() -> Response:
        text = _package().get_payload()
        if not text:
            abort(404, "This version was installed without its README.")
        return Response(str(text), mimetype="text/plain")

    return routes


def _docs(package: Message) -> str:
    urls = [entry.partition(",") for entry in package.get_all("Project-URL") or ()]
    named = {label.strip().lower(): url.strip() for label, _, url in urls}
    found = next((named[label] for label in _DOCS if label in named), "")
    return found or (_README if package.get_payload() else "")


@cache
def _package() -> Message:
    try:
        found: Any = metadata(_DISTRIBUTION)
    except PackageNotFoundError:
        return Message()
    return found if isinstance(found, Message) else Message()
