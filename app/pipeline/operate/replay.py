"""Replay: stored deliveries that no rule matched are classified again by the current rules.

Other deliveries are excluded: their evidence has been counted, and a proof may have replaced it since. A replayed
delivery goes through the queue like a new one, with its own message id and time of arrival, so it counts only once
however often it is replayed. If the process dies, another replay handles the rest.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain

from app.core.count.rules import Outcome
from app.store.receive.kept import Kept, KeptDelivery
from app.store.rq import jobqueue, readyjob
from app.store.store import Store


class Replayed(StrEnum):
    """Result of a request to replay a delivery."""

    QUEUED = "queued"
    UNDER_WAY = "under way"
    UNDERSTOOD = "understood"
    NOT_KEPT = "not kept"
    NOT_KNOWN = "not known"


@dataclass(slots=True)
class Tally:
    """The result of replaying many deliveries: the numbers checked and queued."""

    looked_at: int = 0
    queued: int = 0
    ids: list[str] = field(default_factory=list)


def replay(store: Store, message_id: str, by: str) -> Replayed:
    """Queue one delivery again."""
    kept = store.kept
    found = kept.find(message_id)
    refused = _refusal(found)
    if found is None or refused:
        return refused or Replayed.NOT_KNOWN
    store.audit.write(by, "replay delivery", message_id)
    return Replayed.QUEUED if kept.queue_again(found, _job(store.deployment, found)) else Replayed.UNDER_WAY


def replay_unknown(
    store: Store,
    by: str,
    *,
    since: float = 0.0,
    most: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Tally:
    """Queue every unrecognized delivery again.

    Args:
        store: the deployment's data.
        by: the person who requests it, for the audit trail.
        since: the earliest arrival, in seconds since the epoch.
        most: check at most this many of the newest deliveries.
        progress: called with the number of deliveries checked and the total.
    """
    kept, tally = store.kept, Tally()
    known = kept.count(since)
    total = known if most is None else min(known, most)
    if total:
        store.audit.write(by, "replay deliveries", f"unrecognized, of the newest {total}")
    for page in _pages(kept, since, most):
        for one in page:
            tally.looked_at += 1
            if _refusal(one) is None and kept.queue_again(one, _job(store.deployment, one)):
                tally.queued += 1
                tally.ids.append(one.message_id)
        if progress:
            progress(min(tally.looked_at, total), total)
    return tally


def not_understood(store: Store, *, among: int, most: int) -> list[KeptDelivery]:
    """Return the deliveries that can be replayed among a number of the newest."""
    found = [one for page in _pages(store.kept, 0.0, among) for one in page if _refusal(one) is None]
    return found[:most]


def _pages(kept: Kept, since: float, most: int | None) -> Iterator[list[KeptDelivery]]:
    """Yield pages of deliveries, newest first, packed ones last, up to `most` in total."""
    left = math.inf if most is None else most
    for page in chain(kept.newest(since, most), kept.packed(since)):
        yield page[: int(min(left, len(page)))]
        left -= len(page)
        if left <= 0:
            return


def _refusal(kept: KeptDelivery | None) -> Replayed | None:
    if kept is None:
        return Replayed.NOT_KNOWN
    if kept.outcome == Outcome.EVIDENCE:
        return Replayed.UNDERSTOOD
    return None if isinstance(kept.record.get("payload"), dict) else Replayed.NOT_KEPT


def _job(deployment: str, kept: KeptDelivery) -> readyjob.ReadyJob:
    """Build the job. Deployment names contain no `_`, so no two deliveries share an id."""
    record = kept.record
    args = [deployment, kept.message_id, record["received_at"], record["payload"]]
    description = f"classify delivery {kept.message_id} of {deployment} again"
    job_id = f"replay-{deployment}_{kept.message_id}"
    return readyjob.ready_job(job_id, jobqueue.DELIVERIES, jobqueue.CLASSIFY, args, description)
