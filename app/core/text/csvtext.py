"""Rows of CSV that come back as they were, with no cell that a spreadsheet evaluates."""

import csv
import io
import re
from collections.abc import Iterable
from typing import Any, Final

# What a spreadsheet may take for a formula, after apostrophes of ours or of the text's own: the signs, wide ones
# included, with white space before them, which some programs trim, and leading white space that moves a cell
# (https://owasp.org/www-community/attacks/CSV_Injection).
_EVALUATED: Final = re.compile(r"'*+(?:[\t\r\n]|[\s\x00-\x1f\ufeff]*+[=+\-@＝＋－＠])")


def guarded(cell: Any) -> Any:
    """Return a cell that is not a formula: a text that might be one gets an apostrophe in front."""
    return f"'{cell}" if isinstance(cell, str) and _EVALUATED.match(cell) else cell


def unguarded(cell: str) -> str:
    """Return the text that `guarded` was given."""
    return cell[1:] if cell.startswith("'") and _EVALUATED.match(cell) else cell


def csv_line(cells: Iterable[Any], end: str = "\r\n") -> str:
    """Return a row with its end. Every text comes back from `csv.reader` and `unguarded` as it was."""
    buffer = io.StringIO()
    # The writer quotes a cell for the characters of its own line end: a bare CR would end a row for every reader.
    csv.writer(buffer, lineterminator="\r\n").writerow([guarded(cell) for cell in cells])
    return buffer.getvalue().removesuffix("\r\n") + end
