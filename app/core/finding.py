"""Findings: the results of checking an installation, with what to do about them."""

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        check: stable id, such as `redis.version`.
        message: what was found.
        hint: what to do; empty if nothing is wrong.
        subject: what it is about, if a check covers several things, such as the name of a queue.
    """

    check: str
    outcome: Result
    message: str
    hint: str = ""
    subject: str = ""
