"""CSV rows that round-trip unchanged, without cells that a spreadsheet would evaluate."""

import csv
import io
import re
from collections.abc import Iterable
from typing import Any, Final

# What a spreadsheet may take for a formula, after any apostrophes: the signs (including full-width ones) after white
# space, which some programs trim, and leading white space that moves a cell
# (https://owasp.org/www-community/attacks/CSV_Injection).
_EVALUATED: Final = re.compile(r"'*+(?:[\t\r\n]|[\s\x00-\x1f\ufeff]*+[=+\-@＝＋－＠])")


def guarded(cell: Any) -> Any:
    """Return a cell that is not a formula: a text that could be one gets a leading apostrophe."""
    return f"'{cell}" if isinstance(cell, str) and _EVALUATED.match(cell) else cell


def unguarded(cell: str) -> str:
    """Return the original of a text that `guarded` returned."""
    return cell[1:] if cell.startswith("'") and _EVALUATED.match(cell) else cell


def csv_line(cells: Iterable[Any], end: str = "\r\n") -> str:
    """Return a row with its line end. `csv.reader` and `unguarded` restore every text."""
    buffer = io.StringIO()
    # The writer quotes a cell for the characters of its own line end; an unquoted CR would end a row for other readers.
    csv.writer(buffer, lineterminator="\r\n").writerow([guarded(cell) for cell in cells])
    return buffer.getvalue().removesuffix("\r\n") + end
