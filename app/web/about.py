"""The version of the service and the location of its documentation, from its package metadata."""

from dataclasses import dataclass
from email.message import Message
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any, Final

from app.config.settings import Settings
from app.web.docs.library import folder
from app.web.docs.routes import DOCS

_DISTRIBUTION: Final = "coder-awb-meter"
_DOCS: Final = ("documentation", "homepage", "repository")
UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class About:
    """What the footer of every page shows.

    Attributes:
        docs: the URL of the project's documentation, or of this version's; empty if there is neither.
        licences: the URL of Coder's page of licences; empty if Coder's URL is not configured.
    """

    version: str
    docs: str
    licences: str

    @classmethod
    def of(cls, settings: Settings) -> "About":
        base = settings.coder_url.rstrip("/")
        return cls(version(), _docs(_package()), f"{base}/deployment/licenses" if base else "")


def version() -> str:
    """Return the installed version; UNKNOWN if run from a checkout that is not installed."""
    return str(_package().get("Version") or UNKNOWN)


def _docs(package: Message) -> str:
    urls = [entry.partition(",") for entry in package.get_all("Project-URL") or ()]
    named = {label.strip().lower(): url.strip() for label, _, url in urls}
    found = next((named[label] for label in _DOCS if label in named), "")
    return found or (DOCS if folder() else "")


@cache
def _package() -> Message:
    try:
        found: Any = metadata(_DISTRIBUTION)
    except PackageNotFoundError:
        return Message()
    return found if isinstance(found, Message) else Message()
