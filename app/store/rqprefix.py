"""The prefix of RQ's keys, which RQ reads from the environment when it is imported.

Importing this module must not import RQ.
"""

import os
import sys
from importlib import import_module
from typing import Final

#: RQ's variable. Without it, its keys begin with `rq`.
VARIABLE: Final = "RQ_KEY_PREFIX"
_RQ: Final = "rq"


class WrongPrefixError(Exception):
    """This process does not use the keys that `redis_prefix` asks for; the message says what to do."""


def import_rq(prefix: str) -> None:
    """Import RQ such that its keys begin with a prefix; nothing happens if it has been imported.

    The variable is set during the import only, so that no other program started from here inherits it.

    Args:
        prefix: the setting `redis_prefix`.

    Raises:
        WrongPrefixError: the environment has another prefix for RQ.
    """
    if _RQ in sys.modules:
        return
    wanted, given = prefix + _RQ, os.environ.get(VARIABLE)
    if given not in (None, wanted):
        raise WrongPrefixError(
            f"AWB_REDIS_PREFIX is “{prefix}”, but {VARIABLE} is “{given}”, so RQ's keys would be elsewhere; "
            f"unset {VARIABLE}, which the meter sets by itself, or change AWB_REDIS_PREFIX"
        )
    os.environ[VARIABLE] = wanted
    try:
        import_module("rq.defaults")
    finally:
        if given is None:
            del os.environ[VARIABLE]


def check(prefix: str) -> None:
    """Return if RQ in this process uses a prefix.

    Args:
        prefix: the setting `redis_prefix`.

    Raises:
        WrongPrefixError: it uses another one.
    """
    used = str(import_module("rq.defaults").RQ_KEY_PREFIX)
    if used != prefix + _RQ:
        raise WrongPrefixError(
            f"AWB_REDIS_PREFIX is “{prefix}”, but this process was started with keys of RQ that begin with “{used}:”, "
            "so it would not find the other parts of the meter; start the part again, a stock worker of RQ with "
            f"{VARIABLE}={prefix}{_RQ}"
        )
