"""Evidence: what deliveries show about one workspace, for one meter.

Evidence only grows by union, so the order, duplicates and copies to several recipients do not affect it.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic import TypeAdapter

from app.core.count.delivery import NIL_UUID, Event
from app.core.count.rules import EvidenceKind, Verdict
from app.core.stored import read

# Creations go to every admin, and status messages can arrive every minute: all count, but only the first are stored.
_CREATIONS_KEPT: Final = 20
_STATUSES_KEPT: Final = 1
FIRST_BUILD: Final = "1"
FAILED_RESUME: Final = "message "
_NAMES: Final = ("workspace", "owner", "template", "organization")
# Stored as well as the names, because `ai_templates` may list a template by its id.
_TEMPLATE_ID: Final = "template_id"


@dataclass(frozen=True, slots=True, order=True)
class Sighting:
    """One delivery as evidence: time of arrival, message id, and the rule that matched it."""

    at: float
    message_id: str
    rule: str


@dataclass(frozen=True, slots=True)
class Folded:
    """Old evidence that is stored only as numbers.

    Attributes:
        resumed, paused, failed_resumes: the number of messages of each kind.
        records: the number of the workspace's first records that stand for it and are no longer derived.
        created: whether the creation is one of them.
    """

    resumed: int = 0
    paused: int = 0
    failed_resumes: int = 0
    records: int = 0
    created: bool = False

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = _FOLDED.dump_python(self, mode="json")
        return found

    @classmethod
    def from_json(cls, stored: str | bytes) -> "Folded":
        """Parse the JSON form of `as_json`, also from other versions.

        Raises:
            ValueError: the text is something else.
        """
        return read(_FOLDED, stored)


_FOLDED: Final = TypeAdapter(Folded)
NOTHING_FOLDED: Final = Folded()


@dataclass(frozen=True, slots=True)
class Evidence:
    """All evidence about one workspace for one meter.

    Attributes:
        task: whether any delivery was of a kind that only tasks have.
        names: the earliest sighting of each name, as (at, message id, name), including the template's id.
        failed: build 1 if it failed, and `message <id>` for each failed resume, with the delivery that reported it.
        weight: the units that one start consumes.
        base: evidence from before the sightings kept here (`fold` in app/core/count/estimate.py).
    """

    created: tuple[Sighting, ...] = ()
    resumed: tuple[Sighting, ...] = ()
    paused: tuple[Sighting, ...] = ()
    seen: tuple[Sighting, ...] = ()
    failed: Mapping[str, Sighting] = field(default_factory=dict)
    task: bool = False
    names: Mapping[str, tuple[int, float, str, str]] = field(default_factory=dict)
    weight: int = 1
    base: Folded = NOTHING_FOLDED

    def with_event(self, event: Event, verdict: Verdict) -> "Evidence":
        """Return the union with one more event; adding the same event again changes nothing."""
        one = Sighting(event.received_at, event.message_id, verdict.rule)
        kind = verdict.evidence
        changed: dict[str, Any] = {
            "task": self.task or kind in _TASK_KINDS,
            "names": _merge_names(self.names, event, kind),
            "weight": max(self.weight, verdict.weight),
        }
        if kind is EvidenceKind.CREATED:
            changed["created"] = _union(self.created, one, _CREATIONS_KEPT)
        elif kind is EvidenceKind.RESUMED:
            changed["resumed"] = _union(self.resumed, one)
        elif kind is EvidenceKind.PAUSED:
            changed["paused"] = _union(self.paused, one)
        elif kind is EvidenceKind.TASK_SEEN:
            changed["seen"] = _union(self.seen, one, _STATUSES_KEPT)
        elif kind is EvidenceKind.FAILED:
            # Manual Build Failed has the build's number; a failed resume is reported only to the owner, without it.
            build = f"{FAILED_RESUME}{event.message_id}" if event.build_number is None else str(event.build_number)
            if build == FIRST_BUILD or event.build_number is None:
                changed["failed"] = {**self.failed, build: min(one, self.failed.get(build, one))}
        return replace(self, **changed)

    def consumed(self) -> "Evidence":
        """Return what is still needed once Coder's API has proved the builds: the names, and whether it has a task."""
        return Evidence(task=self.task, names=self.names, weight=self.weight)

    @property
    def failed_resumes(self) -> list[Sighting]:
        """The failed resumes, oldest first; Coder does not report which resume failed."""
        return sorted(one for build, one in self.failed.items() if build.startswith(FAILED_RESUME))

    @property
    def creation(self) -> Sighting | None:
        """The earliest sighting of a creation, unless it is known to have failed."""
        return self.created[0] if self.created and FIRST_BUILD not in self.failed else None

    def name(self, which: str) -> str:
        return self.names[which][3] if which in self.names else ""

    def as_json(self) -> dict[str, Any]:
        """Return the stored form of the evidence. `T` lists each message once, and all else refers to it by index."""
        messages = {(at, message_id) for _, at, message_id, _ in self.names.values()}
        everything = (*self.created, *self.resumed, *self.paused, *self.seen, *self.failed.values())
        messages |= {(sighting.at, sighting.message_id) for sighting in everything}
        table = sorted(messages)
        place = {message: number for number, message in enumerate(table)}

        def row(sighting: Sighting) -> list[Any]:
            return [place[sighting.at, sighting.message_id], sighting.rule]

        written = {
            "T": [list(message) for message in table],
            "C": [row(s) for s in self.created],
            "R": [row(s) for s in self.resumed],
            "P": [row(s) for s in self.paused],
            "S": [row(s) for s in self.seen],
            "F": {build: row(s) for build, s in sorted(self.failed.items())},
            "N": {
                which: [doubtful, place[at, message_id], name]
                for which, (doubtful, at, message_id, name) in sorted(self.names.items())
            },
            "K": self.task,
            "W": self.weight if self.weight != 1 else None,
        }
        return {key: value for key, value in written.items() if value}

    @classmethod
    def from_json(cls, stored: str | bytes) -> "Evidence":
        """Parse the JSON form of `as_json`, also from other versions; `{}` is empty evidence.

        Raises:
            ValueError: the text is something else.
        """
        found = read(_STORED, stored)
        table = found.T

        def sighting(row: Sequence[Any]) -> Sighting:
            at, message_id = table[row[0]][:2]
            return Sighting(at, message_id, row[1])

        return cls(
            created=tuple(map(sighting, found.C)),
            resumed=tuple(map(sighting, found.R)),
            paused=tuple(map(sighting, found.P)),
            seen=tuple(map(sighting, found.S)),
            failed={build: sighting(row) for build, row in found.F.items()},
            task=found.K,
            names={which: (row[0], *table[row[1]][:2], row[2]) for which, row in found.N.items()},
            weight=found.W,
        )


@dataclass(frozen=True, slots=True)
class _Stored:
    """The stored form of evidence. Rows are read by position: another version may append values to them."""

    T: list[list[Any]] = field(default_factory=list)
    C: list[list[Any]] = field(default_factory=list)
    R: list[list[Any]] = field(default_factory=list)
    P: list[list[Any]] = field(default_factory=list)
    S: list[list[Any]] = field(default_factory=list)
    F: dict[str, list[Any]] = field(default_factory=dict)
    N: dict[str, list[Any]] = field(default_factory=dict)
    K: bool = False
    W: int = 1


_STORED: Final = TypeAdapter(_Stored)
_TASK_KINDS = frozenset({EvidenceKind.RESUMED, EvidenceKind.PAUSED, EvidenceKind.TASK_SEEN})


def _union(sightings: tuple[Sighting, ...], one: Sighting, keep: int | None = None) -> tuple[Sighting, ...]:
    """Add a sighting in order of arrival; for the same message the earliest arrival is kept."""
    for old in sightings:
        if old.message_id == one.message_id:
            if old <= one:
                return sightings
            sightings = tuple(s for s in sightings if s is not old)
            break
    grown = (*sightings, one) if not sightings or sightings[-1] < one else tuple(heapq.merge(sightings, (one,)))
    return grown if keep is None else grown[:keep]


_Names = Mapping[str, tuple[int, float, str, str]]


def _merge_names(names: _Names, event: Event, kind: EvidenceKind | None) -> _Names:
    """Keep the earliest sighting of each name.

    The template's name preferably comes from Workspace Created, because Manual Build Failed has its display name
    (Coder, coderd/provisionerdserver/provisionerdserver.go).
    """
    changed = dict(names)
    doubtful = int(kind is not EvidenceKind.CREATED)
    found = {which: getattr(event, which) for which in _NAMES} | {_TEMPLATE_ID: _coder_template_id(event)}
    for which, name in found.items():
        if name:
            seen = (doubtful if which == "template" else 0, event.received_at, event.message_id, name)
            changed[which] = min(changed.get(which, seen), seen)
    return changed


def _coder_template_id(event: Event) -> str:
    """Return the UUID of the workspace's template; `Event.template_id` is that of the notification template."""
    data = event.payload.get("data")
    template = data.get("template") if isinstance(data, Mapping) else None
    value = template.get("id") if isinstance(template, Mapping) else None
    return value if isinstance(value, str) and value != NIL_UUID else ""
