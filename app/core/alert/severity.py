"""How serious something is."""

from enum import StrEnum


class Severity(StrEnum):
    """How an alert looks; never told by colour alone."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
