"""How serious an alert is."""

from enum import StrEnum


class Severity(StrEnum):
    """Pages and messages show it by a word or a symbol as well as by colour."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
