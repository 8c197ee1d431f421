"""Silences: until when which messages are not sent, who said so, and why."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter

from app.core.stored import Moment, read
from app.core.text.mailbox import receiver_key
from app.core.text.spelling import did_you_mean

#: What a matcher can match: the labels of a notification (app/core/alert/alert.py).
FIELDS: Final = ("alert", "kind", "meter", "level", "scope", "severity", "reason", "receiver")
_LONGEST_TEXT: Final = 500


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence.

    Attributes:
        matchers: glob by label; all of them must match, and there is at least one.
        author: who made it, as they were known to the surface that they used.
        ends_at: the first moment at which it holds no longer.
        ended_by: who ended it early; empty when it ran out or still runs.
    """

    id: str
    matchers: Annotated[Mapping[str, str], Field(min_length=1)]
    author: Annotated[str, Field(default="")]
    comment: Annotated[str, Field(default="")]
    starts_at: Moment
    ends_at: Moment
    ended_by: str = ""

    def active(self, now: datetime) -> bool:
        return self.starts_at <= now < self.ends_at

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether every label is matched; the spelling of an e-mail address does not matter."""
        return all(
            fnmatchcase(receiver_key(labels.get(field, "")), receiver_key(glob))
            if field == "receiver"
            else fnmatchcase(labels.get(field, ""), glob)
            for field, glob in self.matchers.items()
        )

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = _SILENCE.dump_python(self, mode="json")
        return found

    @classmethod
    def from_json(cls, stored: str | bytes) -> "Silence":
        """Read the JSON of what `as_json` returned, in this version or another one.

        Raises:
            ValueError: it is something else; without matchers it would silence everything, so it is none.
        """
        return read(_SILENCE, stored)


_SILENCE: Final = TypeAdapter(Silence)


def silencing(silences: Iterable[Silence], labels: Mapping[str, str], now: datetime) -> Silence | None:
    """Return the silence that holds these labels now and ends last; None when none does."""
    found = [silence for silence in silences if silence.active(now) and silence.matches(labels)]
    return max(found, key=lambda silence: silence.ends_at, default=None)


def parse_matchers(texts: Sequence[str]) -> dict[str, str]:
    """Read `level=90%`, `scope=user:ada`, `meter=*`.

    Raises:
        ValueError: with what is allowed.
    """
    found: dict[str, str] = {}
    for text in texts:
        field, separator, glob = (part.strip() for part in text.partition("="))
        if not separator or not glob or len(glob) > _LONGEST_TEXT:
            raise ValueError(f"“{text[:80]}” is no matcher: write FIELD=GLOB, such as level=90% or scope=user:ada")
        if field not in FIELDS:
            hint = did_you_mean(field, list(FIELDS))
            raise ValueError(f"there is no field “{field[:80]}”{hint}; fields are {', '.join(FIELDS)}")
        if field in found:
            raise ValueError(f"{field} is given twice; make two silences, or one glob")
        found[field] = glob
    if not found:
        raise ValueError("a silence needs at least one matcher, such as alert=awb or level=90%")
    return found
