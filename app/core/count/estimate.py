"""Provisional counting: a pure function of the evidence about one workspace.

With C = creation seen, R = resumes, P = pauses, F = failed builds with a number, X = failed resumes, S = the agent was
seen running, and K = the workspace belongs to a task:

    provisional = max([C and 1 not in F] + max(|R| - |X|, 0), |P|, [S])   if K, else 0

Every pause proves a start before it, even if that start was not announced. A failed build with a number above 1
subtracts nothing: Coder also sends Manual Build Failed for stops and deletions, and never for a resume. The result is
an estimate: it misses starts that were not announced, and counts too many if a failure was not announced.

For a workspace with a long history only the newest sightings are kept (`fold`). The older ones become numbers, and
their records are no longer derived. The total is the same as if everything had been kept, because the store recognizes
the folded messages and does not pass any of them a second time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from app.core.count.evidence import FAILED_RESUME, FIRST_BUILD, Evidence, Sighting
from app.core.count.meter import RecordState, UsageRecord

#: Sightings of each kind that are kept: a late report of a failure takes back one of the newest starts.
KEPT: Final = 50


@dataclass(frozen=True, slots=True)
class _Story:
    """One possible explanation of how often the workspace was started.

    Attributes:
        total: starts, including folded ones.
        sightings: the starts that are not folded, oldest first: the first sighting of each, and all of them.
        taken_back: the number of most recent starts that failed.
    """

    total: int
    sightings: Sequence[tuple[Sighting, tuple[Sighting, ...]]]
    taken_back: int = 0


def provisional_records(
    evidence: Evidence,
    meter: str,
    workspace_id: str,
    ai_templates: frozenset[str],
    reason_of: Callable[[str], str],
) -> tuple[UsageRecord, ...]:
    """Return one record for each start that the evidence supports, without folded ones.

    Args:
        evidence: all evidence about the workspace.
        meter: the meter of the records.
        workspace_id: the workspace's id.
        ai_templates: case-folded names or ids of templates whose workspaces are task workspaces.
        reason_of: returns a rule's reason by its name.
    """
    listed = any(evidence.name(which).casefold() in ai_templates for which in ("template", "template_id"))
    if not (evidence.task or listed):
        return ()
    story = _best(evidence)
    settled = min(evidence.base.records, story.total)
    wanted = story.total - settled
    kept = story.sightings[: max(len(story.sightings) - story.taken_back, wanted)]
    return tuple(
        UsageRecord(
            key=record_key(workspace_id, number),
            meter=meter,
            state=RecordState.PROVISIONAL,
            at=first.at,
            workspace_id=workspace_id,
            workspace=evidence.name("workspace"),
            owner=evidence.name("owner"),
            template=evidence.name("template"),
            organization=evidence.name("organization"),
            rule=first.rule,
            reason=reason_of(first.rule),
            deliveries=tuple(sighting.message_id for sighting in sightings),
            weight=evidence.weight,
        )
        for number, (first, sightings) in enumerate(kept[len(kept) - wanted :], settled + 1)
    )


def fold(evidence: Evidence, records: Sequence[UsageRecord], keep: int = KEPT) -> tuple[Evidence, frozenset[str]]:
    """Replace all but the newest sightings by numbers.

    Args:
        evidence: all evidence about the workspace, each message once.
        records: the result of `provisional_records` for it. All of them must be stored, including those of folded
            sightings.
        keep: how many sightings of each kind are kept.

    Returns:
        The evidence to keep, and the ids of the messages that were folded. The caller must not add these messages
        again.
    """
    kinds = (evidence.resumed, evidence.paused, evidence.failed_resumes)
    gone = {one for sightings in kinds for one in sightings[: max(len(sightings) - keep, 0)]}
    total, base = _best(evidence).total, evidence.base
    settled = min(base.records, total)
    if not gone:
        return replace(evidence, base=replace(base, records=settled)), frozenset()
    shorter = replace(
        evidence,
        resumed=evidence.resumed[-keep:],
        paused=evidence.paused[-keep:],
        failed={build: one for build, one in evidence.failed.items() if build == FIRST_BUILD or one not in gone},
    )
    base = replace(
        base,
        resumed=base.resumed + len(evidence.resumed) - len(shorter.resumed),
        paused=base.paused + len(evidence.paused) - len(shorter.paused),
        failed_resumes=base.failed_resumes + len(evidence.failed) - len(shorter.failed),
    )
    base = replace(base, created=base.created or (base.resumed > 0 and evidence.creation is not None))
    shorter = replace(shorter, base=base)
    messages = frozenset(sighting.message_id for sighting in gone)
    # Whichever story is the best one later, it must still have a sighting for each start that is not settled.
    needed = [story.total - len(story.sightings) for story in _stories(shorter)]
    # Where the creation is folded with the resumes, so is its record: none of the later stories names it.
    creation = {one.message_id for one in evidence.created} if base.created else frozenset()
    unnamed = messages | creation
    named = [n for n, record in enumerate(records, settled + 1) if not unnamed.isdisjoint(record.deliveries)]
    return replace(shorter, base=replace(base, records=max(settled, *needed, *named))), messages


def record_key(workspace_id: str, number: int) -> str:
    return f"hint:{workspace_id}:{number}"


def record_number(key: str) -> int:
    """Return the number in a key made by `record_key`."""
    return int(key.rpartition(":")[2])


def record_workspace(key: str) -> str:
    """Return the workspace in a key made by `record_key`."""
    return key.partition(":")[2].rpartition(":")[0]


def settled_keys(evidence: Evidence, workspace_id: str) -> list[str]:
    """Return the keys of the records that are no longer derived."""
    return [record_key(workspace_id, number) for number in range(1, evidence.base.records + 1)]


def _best(evidence: Evidence) -> _Story:
    """Return the story with the most starts; among equals, the one whose sightings are starts."""
    return max(_stories(evidence), key=lambda story: story.total)


def _stories(evidence: Evidence) -> tuple[_Story, ...]:
    base, creation = evidence.base, evidence.creation
    failed = base.failed_resumes + sum(build.startswith(FAILED_RESUME) for build in evidence.failed)
    announced = int(creation is not None) + max(base.resumed + len(evidence.resumed) - failed, 0)
    resumes = [(resume, (resume,)) for resume in evidence.resumed]
    created = [(creation, evidence.created)] if creation and not base.created else []
    seen = [(evidence.seen[0], evidence.seen)] if evidence.seen else []
    return (
        _Story(announced, [*created, *resumes], failed),
        _Story(base.paused + len(evidence.paused), [(pause, (pause,)) for pause in evidence.paused]),
        _Story(len(seen), seen),
    )
