"""Texts that all notifiers share."""

from typing import Final

from app.core.alert.alert import Alert
from app.core.alert.decision import Reason
from app.core.alert.severity import Severity

#: Symbol and word for each severity; the word is always shown, so that nothing depends on colour or emoji alone.
SIGNS: Final = {
    Severity.OK: ("✅", "OK"),
    Severity.WARNING: ("⚠️", "Warning"),
    Severity.CRITICAL: ("🚨", "Critical"),
}
#: Messages that are not warnings have their own word, whatever the severity of the usage they report.
_WORDS: Final = {Reason.ACKNOWLEDGED: "Acknowledged", Reason.DIGEST: "Report", Reason.TEST: "Test"}


def sign(alert: Alert) -> tuple[str, str]:
    """Return the emoji and the word with which a message begins."""
    emoji, word = SIGNS[alert.severity]
    return emoji, _WORDS.get(alert.reason, word)
