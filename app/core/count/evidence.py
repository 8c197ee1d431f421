"""Evidence: what deliveries show of one workspace, for one meter.

Evidence only ever grows by union, so order, duplicates and Coder's fan-out to many recipients cannot change it.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic import TypeAdapter

from app.core.count.delivery import NIL_UUID, Event
from app.core.count.rules import EvidenceKind, Verdict
from app.core.stored import read

# Creations go to every admin and status events come by the minute: of those the first few are named, all are counted.
_SIGHTINGS_KEPT: Final = 20
FIRST_BUILD: Final = "1"
FAILED_RESUME: Final = "message "
_NAMES: Final = ("workspace", "owner", "template", "organization")
# Kept in addition to the names, because `ai_templates` may list a template by its id.
_TEMPLATE_ID: Final = "template_id"


@dataclass(frozen=True, slots=True, order=True)
class Sighting:
    """One delivery that shows something: when it arrived, its message id, and the rule that read it."""

    at: float
    message_id: str
    rule: str


@dataclass(frozen=True, slots=True)
class Folded:
    """Old evidence of which only numbers are left.

    Attributes:
        resumed: resumes, each a message of its own; `paused` and `failed_resumes` likewise.
        records: how many of the workspace's records, the first ones, stand for it and are derived no longer.
        created: the creation stands among them.
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
        """Read the JSON of what `as_json` returned, in this version or another one.

        Raises:
            ValueError: it is something else.
        """
        return read(_FOLDED, stored)


_FOLDED: Final = TypeAdapter(Folded)
NOTHING_FOLDED: Final = Folded()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one workspace for one meter.

    Attributes:
        task: some delivery that only tasks have.
        names: earliest sighting of each name of the workspace, as (at, message id, name); its template's id, too.
        failed: build 1 where it failed, and `message <id>` for each failed resume, with the delivery that told.
        weight: units one start consumes.
        base: what was known before the sightings that are kept here (app/core/count/estimate.py `fold`).
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
        """Return the union with one more event; the same event again changes nothing."""
        one = Sighting(event.received_at, event.message_id, verdict.rule)
        kind = verdict.evidence
        grown = replace(
            self,
            task=self.task or kind in _TASK_KINDS,
            names=_merge_names(self.names, event, kind),
            weight=max(self.weight, verdict.weight),
        )
        if kind is EvidenceKind.CREATED:
            return replace(grown, created=_union(self.created, one, _SIGHTINGS_KEPT))
        if kind is EvidenceKind.RESUMED:
            return replace(grown, resumed=_union(self.resumed, one))
        if kind is EvidenceKind.PAUSED:
            return replace(grown, paused=_union(self.paused, one))
        if kind is EvidenceKind.TASK_SEEN:
            return replace(grown, seen=_union(self.seen, one, _SIGHTINGS_KEPT))
        if kind is EvidenceKind.FAILED:
            # Manual Build Failed has the build's number; a failed resume is reported only to the owner, without it.
            build = f"{FAILED_RESUME}{event.message_id}" if event.build_number is None else str(event.build_number)
            if build == FIRST_BUILD or event.build_number is None:
                return replace(grown, failed={**self.failed, build: min(one, self.failed.get(build, one))})
        return grown

    def consumed(self) -> "Evidence":
        """Return what remains once Coder's API has spoken: the names, and that it is a task's workspace."""
        return Evidence(task=self.task, names=self.names, weight=self.weight)

    @property
    def failed_resumes(self) -> list[Sighting]:
        """The failed resumes, oldest first; Coder does not report which of the resumes failed."""
        return sorted(one for build, one in self.failed.items() if build.startswith(FAILED_RESUME))

    @property
    def creation(self) -> Sighting | None:
        """The earliest word of a creation that is not known to have failed."""
        return self.created[0] if self.created and FIRST_BUILD not in self.failed else None

    def name(self, which: str) -> str:
        return self.names[which][3] if which in self.names else ""

    def as_json(self) -> dict[str, Any]:
        """Return the evidence as the store writes it: each message once, in `T`, and otherwise by its place there."""
        told = {(at, message_id) for _, at, message_id, _ in self.names.values()}
        everything = (*self.created, *self.resumed, *self.paused, *self.seen, *self.failed.values())
        told |= {(sighting.at, sighting.message_id) for sighting in everything}
        table = sorted(told)
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
        """Read the JSON of what `as_json` returned, in this version or another one; `{}` is no evidence.

        Raises:
            ValueError: it is something else.
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
    """Evidence as it is stored. Rows are read by place: another version may write more behind what is known."""

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
    """Add a sighting in order of arrival; of the same message the earliest arrival stands."""
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

    A template's name comes from Workspace Created if it can: Manual Build Failed gives its display name
    (Coder, coderd/provisionerdserver/provisionerdserver.go).
    """
    changed = dict(names)
    doubtful = int(kind is not EvidenceKind.CREATED)
    found = {which: getattr(event, which) for which in _NAMES} | {_TEMPLATE_ID: _coder_template_id(event)}
    for which, name in found.items():
        if name:
            told = (doubtful if which == "template" else 0, event.received_at, event.message_id, name)
            changed[which] = min(changed.get(which, told), told)
    return changed


def _coder_template_id(event: Event) -> str:
    """Return the UUID of the workspace's template; `Event.template_id` is that of the notification's template."""
    data = event.payload.get("data")
    template = data.get("template") if isinstance(data, Mapping) else None
    value = template.get("id") if isinstance(template, Mapping) else None
    return value if isinstance(value, str) and value != NIL_UUID else ""
