"""Other chat and paging services through Apprise, an optional extra.

Apprise support is limited: it returns no message ids, so there are no threads and no updates, and it does not report
why a message failed, so every failure is retried.
"""

import logging
import re
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import requests

from app.core.alert.alert import Notification
from app.core.alert.handle import Handle
from app.core.alert.severity import Severity
from app.core.text.lines import one_line
from app.net.session import WebSession
from app.notifiers.base import SEND_TIMEOUT, FailureReason, Notifier, NotifyError
from app.notifiers.deadline import within
from app.notifiers.plaintext import plain_text, title

if TYPE_CHECKING:
    from apprise import Apprise

# At some levels Apprise logs whole URLs and messages, and urllib3 the paths of requests.
for _name in ("apprise", "urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(_name).disabled = True

#: Services that show messages on the meter's own machine, where nobody sees them; two of them start a program.
LOCAL_SCHEMES: Final = frozenset(
    {"blink1", "dbus", "gio", "glib", "gnome", "kde", "macosx", "qt", "rsyslog", "syslog", "windows"}
)
# Characters with which chats format, link and mention. Apprise does not escape them, and services differ in what they
# escape. The full-width forms look the same and have no meaning in any of them.
_ACTIVE: Final = {ord(sign): ord(sign) + 0xFEE0 for sign in "@<>*`~|[]#\\"}
_EDGES: Final = re.compile(r"(?<!\w)_|_(?!\w)|:(?=[\w+-]+:)|(?<=\w):(?=//)")
#: Discord's limit, the lowest of the common ones; Apprise would split longer texts.
_LONGEST_TEXT, _LONGEST_TITLE = 1900, 200
_TYPES: Final = {Severity.OK: "success", Severity.WARNING: "warning", Severity.CRITICAL: "failure"}


class AppriseNotifier(Notifier):
    """One Apprise URL, which is treated as a secret."""

    threads = False

    def __init__(self, url: str, *, patience: float = SEND_TIMEOUT, trusted: Path | None = None) -> None:
        """Parse the URL.

        Raises:
            ValueError: Apprise is not installed, does not support the service, or may not use it. The message contains
                no more of the URL than its scheme.
        """
        scheme = url.partition("://")[0].lower() if "://" in url else ""
        if not re.fullmatch(r"[a-z0-9+-]{1,30}", scheme):
            raise ValueError("an Apprise URL must look like scheme://…, with commas written as %2C")
        if scheme in LOCAL_SCHEMES:
            raise ValueError(f"{scheme}:// shows messages on the meter's own machine only: choose a service")
        self._service = _service(url, trusted)
        if not self._service:
            raise ValueError(
                f"Apprise cannot use this {scheme}:// URL: compare it with https://appriseit.com/services/"
            )
        self._scheme, self._patience = scheme, patience

    def send(self, notification: Notification, thread: Handle | None = None, *, retry: bool = False) -> None:
        del thread, retry
        try:
            done = within(self._patience, lambda: self._hand_over(notification))
        except Exception as error:  # noqa: BLE001 - plugins raise what they like, and its text may hold the URL
            reason, message = FailureReason.NETWORK, type(error).__name__
        else:
            if done:
                return
            reason, message = FailureReason.SERVER_ERROR, "it was not accepted"
        # Raised outside the handler, so that the plugin's error is not attached as __context__.
        raise NotifyError(
            f"{self._scheme}:// by Apprise: {message}; try `apprise -v` with the same URL to see why",
            reason=reason,
            permanent=False,
        )

    def _hand_over(self, notification: Notification) -> bool:
        return bool(
            self._service.notify(
                body=_cut(plain_text(notification, harmless, columns=False), _LONGEST_TEXT),
                title=_cut(harmless(title(notification.alert)), _LONGEST_TITLE),
                notify_type=_TYPES[notification.alert.severity],
                body_format="text",
            )
        )

    def probe(self) -> None:
        """Do nothing: Apprise can only send, and the URL was already parsed."""


def harmless(text: str) -> str:
    """Make one line that no chat formats, links, or treats as a mention."""
    plain = one_line(text).translate(_ACTIVE)
    return _EDGES.sub(lambda found: chr(ord(found[0]) + 0xFEE0), plain)


def _service(url: str, trusted: Path | None) -> "Apprise":
    """Return Apprise with the service of the URL; empty if it cannot use the URL."""
    if find_spec("apprise") is None:
        raise ValueError("Apprise is not installed; the extra `apprise` installs it (docs/install/pip.md)")
    import apprise  # noqa: PLC0415 - an optional extra, slow to import

    # Apprise's services call requests.post() and similar functions, which open a session by this name. Without ours
    # they would read credentials from .netrc and use their own list of certificates.
    requests.sessions.Session = partial(WebSession, trusted)  # type: ignore[misc, assignment]
    # Nothing is stored on disk, no keys are created, and no redirect is followed; we limit the duration ourselves.
    asset = apprise.AppriseAsset(
        storage_mode="memory",
        async_mode=False,
        http_redirects=False,
        pgp_autogen=False,
        pem_autogen=False,
        service_timeout=0,
    )
    found = apprise.Apprise(asset=asset)
    service = apprise.Apprise.instantiate(url, asset=asset)
    if service is not None:
        service.overflow_mode = apprise.OverflowMode.TRUNCATE
        found.add(service)
    return found


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
