"""`awb` as it can be typed here: what is printed to be run must run as it stands."""

import re
import shlex
import shutil
import sys
from functools import cache
from pathlib import Path
from typing import Final

from app.cli.commands import SECTIONS

NAME: Final = "awb"
_COMMANDS: Final = "|".join(sorted((name for section in SECTIONS.values() for name in section), key=len, reverse=True))
#: The program's name where a command of it follows; “alert=awb” and “app.awb” are something else.
_MENTION: Final = re.compile(rf"(?<![\w./=-]){NAME}(?= (?:{_COMMANDS})\b)")


@cache
def program() -> str:
    """Return what to type for `awb`: its name where the shell finds this very program by it, else its whole path."""
    sibling = Path(sys.executable).with_name(NAME)
    ours = Path(sys.argv[0]) if Path(sys.argv[0]).name == NAME else sibling
    if not ours.is_file():
        return shlex.join([sys.executable, "-m", "app.cli"])
    found = shutil.which(NAME)
    if found and Path(found).resolve() == ours.resolve():
        return NAME
    return shlex.quote(str(ours.absolute()))


def runnable(text: str) -> str:
    """Return a text with each command of `awb` in it written so that it can be run here."""
    typed = program()
    return text if typed == NAME else _MENTION.sub(lambda _: typed, text)
