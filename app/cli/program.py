"""The name of `awb` in printed commands, so that they can be run as printed."""

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
#: The program's name followed by one of its commands; not “alert=awb” or “app.awb”.
_MENTION: Final = re.compile(rf"(?<![\w./=-]){NAME}(?= (?:{_COMMANDS})\b)")


@cache
def program() -> str:
    """Return what to type for `awb`: the name if the shell finds this program by it, otherwise its full path."""
    sibling = Path(sys.executable).with_name(NAME)
    ours = Path(sys.argv[0]) if Path(sys.argv[0]).name == NAME else sibling
    if not ours.is_file():
        return shlex.join([sys.executable, "-m", "app.cli"])
    found = shutil.which(NAME)
    if found and Path(found).resolve() == ours.resolve():
        return NAME
    return shlex.quote(str(ours.absolute()))


def runnable(text: str) -> str:
    """Return a text in which each `awb` command can be run as printed."""
    typed = program()
    return text if typed == NAME else _MENTION.sub(lambda _: typed, text)
