"""What all notifiers show alike."""

from typing import Final

from app.core.alert.severity import Severity

#: Sign and word of a severity; the word is always there, so that neither colour nor emoji speaks alone.
SIGNS: Final = {
    Severity.OK: ("✅", "OK"),
    Severity.WARNING: ("⚠️", "Warning"),
    Severity.CRITICAL: ("🚨", "Critical"),
}
