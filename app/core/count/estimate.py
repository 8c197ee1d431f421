"""Provisional counting: a pure function of what deliveries show of one workspace.

With C = creation seen, R = resumes, P = pauses, F = failed builds with a number, X = failed resumes, S = the agent was
seen to run, and K = it belongs to a task:

    provisional = max([C and 1 not in F] + max(|R| - |X|, 0), |P|, [S])   if K, else 0

Every pause proves a start before it, even one that nobody announced. A failed build with a number above 1 takes nothing
back: Coder sends Manual Build Failed for stops and deletions as well, and for no resume. The result is an estimate: it
misses every start that nobody announced, and counts too much where a failure was announced to nobody.

Of a workspace with a long history only the newest sightings are kept (`fold`). The older ones are numbers, and the
records that stand for them are derived no longer: the sum is the same as if everything had been kept, for the store
knows the folded messages and gives none of them a second time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from app.core.count.evidence import FAILED_RESUME, FIRST_BUILD, Evidence, Sighting
from app.core.count.meter import RecordState, UsageRecord

#: Sightings of each kind that are kept: a late word of a failure takes back one of the newest starts.
KEPT: Final = 50


@dataclass(frozen=True, slots=True)
class _Story:
    """One way to explain how often the workspace was started.

    Attributes:
        total: starts, those with it that were folded.
        sightings: what is left to name, oldest first: the first sighting of each start, and all of them.
        taken_back: how many of the last ones did not succeed.
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
    """Return one record for each start that the evidence supports, without those that were folded.

    Args:
        evidence: everything known of the workspace.
        meter: the meter that the records belong to.
        workspace_id: identity of the workspace.
        ai_templates: case-folded names or ids of templates whose workspaces are task workspaces.
        reason_of: the reason that a rule gives, by the rule's name.
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
    """Turn all but the newest sightings into numbers.

    Args:
        evidence: everything known of the workspace, no message twice.
        records: what `provisional_records` returned for it. They must be stored, those of the folded sightings too.
        keep: how many sightings of each kind are kept.

    Returns:
        The evidence to keep, and the messages that it knows no longer: whoever gives one again must leave it out.
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
    # Whichever story turns out to be the best one later, it must be able to name all starts that do not stand yet.
    needed = [story.total - len(story.sightings) for story in _stories(shorter)]
    # Where the creation is folded with the resumes, so is its record: none of the later stories names it.
    creation = {one.message_id for one in evidence.created} if base.created else frozenset()
    unnamed = messages | creation
    named = [n for n, record in enumerate(records, settled + 1) if not unnamed.isdisjoint(record.deliveries)]
    return replace(shorter, base=replace(base, records=max(settled, *needed, *named))), messages


def record_key(workspace_id: str, number: int) -> str:
    return f"hint:{workspace_id}:{number}"


def record_number(key: str) -> int:
    """Return the number in a key that `record_key` made."""
    return int(key.rpartition(":")[2])


def settled_keys(evidence: Evidence, workspace_id: str) -> list[str]:
    """Return the keys of the records that are derived no longer."""
    return [record_key(workspace_id, number) for number in range(1, evidence.base.records + 1)]


def _best(evidence: Evidence) -> _Story:
    """Return the longest explanation; of equals, the one that mentions starts themselves."""
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
