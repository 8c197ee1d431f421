"""Proof: usage records from a workspace's builds, as listed by Coder's API."""

from collections.abc import Mapping, Sequence
from typing import Final

from app.core.coder.shapes import Build
from app.core.count.evidence import Evidence, Sighting
from app.core.count.meter import AWB, BUILD, RecordState, UsageRecord

#: The rule in proved records. It is not in the rules file: Coder itself counts this way.
PROVED_RULE: Final = "coder-build"
_DELIVERIES_KEPT: Final = 20


def ended_prefix(builds: Sequence[Build]) -> list[Build]:
    """Return the builds before the first that has not ended, in order of their numbers.

    Coder runs one build of a workspace at a time, so no build after an unfinished one has ended.
    """
    ended: list[Build] = []
    for build in sorted(builds, key=lambda build: build.build_number):
        if not build.ended:
            break
        ended.append(build)
    return ended


def counting(builds: Sequence[Build]) -> list[Build]:
    """Return the builds that count, given that their workspace has or had a task."""
    return [build for build in builds if build.is_awb and build.counted_at is not None]


def proved_records(builds: Sequence[Build], evidence: Evidence, names: Mapping[str, str]) -> tuple[UsageRecord, ...]:
    """Return a record for each build that consumed an Agent Workspace Build.

    Args:
        builds: ended builds of one workspace, ascending.
        evidence: the deliveries about the workspace; each is assigned to the build that it reports.
        names: the workspace's names from Coder: builds contain neither template nor organization.
    """
    counted = counting(builds)
    found = _deliveries_by_build(counted, evidence)
    return tuple(_record(build, evidence, names, found.get(build.id, ())) for build in counted)


def _record(build: Build, evidence: Evidence, names: Mapping[str, str], deliveries: Sequence[str]) -> UsageRecord:
    at = build.counted_at
    assert at is not None  # noqa: S101 - for the type checker
    return UsageRecord(
        key=f"{BUILD}{build.id}",
        meter=AWB,
        state=RecordState.PROVED,
        at=at.timestamp(),
        workspace_id=build.workspace_id,
        workspace=build.workspace_name or evidence.name("workspace"),
        owner=(build.workspace_owner_name or evidence.name("owner")).lower(),
        template=names.get("template") or build.job.metadata.template_name or evidence.name("template"),
        organization=names.get("organization") or evidence.name("organization"),
        rule=PROVED_RULE,
        reason=f"Coder's API shows build {build.build_number} ({build.reason or 'no reason'}): a start that succeeded "
        "while the workspace belonged to a task.",
        deliveries=tuple(deliveries),
        build_id=build.id,
    )


def _deliveries_by_build(builds: Sequence[Build], evidence: Evidence) -> dict[str, list[str]]:
    """Assign each delivery to the last build that began before it arrived, because Coder sends none earlier."""
    found: dict[str, list[str]] = {}
    sightings: list[Sighting] = sorted((*evidence.created, *evidence.resumed, *evidence.seen, *evidence.paused))
    for sighting in sightings if builds else ():
        begun = [build for build in builds if _begun(build) <= sighting.at]
        names = found.setdefault((begun or builds[:1])[-1].id, [])
        if len(names) < _DELIVERIES_KEPT and sighting.message_id not in names:
            names.append(sighting.message_id)
    return found


def _begun(build: Build) -> float:
    at = build.created_at or build.counted_at
    return at.timestamp() if at else 0.0
