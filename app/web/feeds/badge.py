"""A badge in the usual style of wikis and READMEs: a label, and the usage on a coloured background."""

from dataclasses import dataclass
from typing import Final

from app.core.alert.severity import Severity
from app.core.count.meter import Usage

#: White text on these is readable (WCAG 2.2, contrast of at least 4.5 to 1).
_COLOURS: Final = {Severity.OK: "#2c6a3f", Severity.WARNING: "#8a5200", Severity.CRITICAL: "#a6231c"}
_GREY: Final = "#55524a"
#: The average width of a character at 11 px; the SVG stretches its text to the resulting width.
_CHARACTER: Final = 6.8
_MARGIN: Final = 12


@dataclass(frozen=True, slots=True)
class Badge:
    """Two texts side by side, with their widths in pixels."""

    label: str
    value: str
    colour: str

    @property
    def label_width(self) -> int:
        return _width(self.label)

    @property
    def value_width(self) -> int:
        return _width(self.value)


def badge_of(usage: Usage, severity: Severity) -> Badge:
    """Return the badge with usage and limit, coloured by severity."""
    if usage.gone:
        return Badge("AWB", "no longer counted", _GREY)
    count = usage.limit.count
    if count is None:
        return Badge("AWB", f"{usage.used:,} used", _COLOURS[severity])
    percent = f" · {usage.percent:g}%" if usage.percent is not None else ""
    return Badge("AWB", f"{usage.used:,} / {count:,}{percent}", _COLOURS[severity])


def _width(text: str) -> int:
    return round(len(text) * _CHARACTER) + _MARGIN
