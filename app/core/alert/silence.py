"""Silences: which messages are not sent until when, who decided so, and why."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter

from app.core.stored import Moment, read
from app.core.text.mailbox import receiver_key
from app.core.text.spelling import did_you_mean

#: The labels that a matcher can match (app/core/alert/alert.py).
FIELDS: Final = ("alert", "kind", "meter", "level", "scope", "severity", "reason", "receiver")
_LONGEST_TEXT: Final = 500


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence.

    Attributes:
        matchers: a glob for each label; all of them must match, and there is at least one.
        author: who created it, as identified by the page, API or command used.
        ends_at: the first moment at which it no longer applies.
        ended_by: who ended it early; otherwise empty.
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
        """Return whether all matchers match; the case of e-mail addresses is ignored."""
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
        """Parse the JSON form of `as_json`, also from other versions.

        Raises:
            ValueError: the text is something else, or has no matchers and would silence everything.
        """
        return read(_SILENCE, stored)


_SILENCE: Final = TypeAdapter(Silence)


def silencing(silences: Iterable[Silence], labels: Mapping[str, str], now: datetime) -> Silence | None:
    """Return the silence that matches these labels now and ends last; None if there is none."""
    found = [silence for silence in silences if silence.active(now) and silence.matches(labels)]
    return max(found, key=lambda silence: silence.ends_at, default=None)


def parse_matchers(texts: Sequence[str]) -> dict[str, str]:
    """Parse `level=90%`, `scope=user:ada`, `meter=*`.

    Raises:
        ValueError: with the allowed forms.
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
