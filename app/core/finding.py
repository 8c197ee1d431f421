"""Findings: what a check of an installation found, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        check: stable id, such as `redis.version`.
        hint: what to do; empty when all is well.
        subject: what it is about, if a check covers several things, such as a queue's name.
    """

    check: str
    outcome: Result
    says: str
    hint: str = ""
    subject: str = ""
