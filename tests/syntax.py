"""Python's own syntax trees."""

import ast
import gc


def parse(text: str) -> ast.Module:
    """Return the syntax tree of a module.

    Python 3.11 raises SystemError if something else is parsed meanwhile (pytest-dev/pytest#10763): the traceback of a
    warning needs that, and the garbage collector may warn of a file that an earlier test left open.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(text)
    finally:
        if enabled:
            gc.enable()
