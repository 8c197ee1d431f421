"""What all notifiers show alike."""

from typing import Final

from app.core.alert.alert import Alert
from app.core.alert.decision import Reason
from app.core.alert.severity import Severity

#: Sign and word of a severity; the word is always there, so that neither colour nor emoji speaks alone.
SIGNS: Final = {
    Severity.OK: ("✅", "OK"),
    Severity.WARNING: ("⚠️", "Warning"),
    Severity.CRITICAL: ("🚨", "Critical"),
}
#: What is no warning is not called one, whatever the severity of the usage that it reports.
_WORDS: Final = {Reason.ACKNOWLEDGED: "Acknowledged", Reason.DIGEST: "Report", Reason.TEST: "Test"}


def sign(alert: Alert) -> tuple[str, str]:
    """Return the emoji and the word that an alert begins with."""
    emoji, word = SIGNS[alert.severity]
    return emoji, _WORDS.get(alert.reason, word)
