"""The functions that RQ calls by dotted path. Queued jobs refer to them, so they must never be renamed.

A newer version appends arguments to those of a job; after a rollback they are ignored.
"""

import hashlib
from typing import Any

from rq import Retry
from structlog.contextvars import bound_contextvars

from app.pipeline import passes as coder
from app.pipeline.count import count as counting
from app.pipeline.notify import send as sending
from app.pipeline.relay import work as relaying
from app.pipeline.watch import sweep as sweeping
from app.pipeline.watch.warn import warn
from app.store.store import Store
from workers.runtime import runtime


def classify_delivery(
    deployment: str, message_id: str, received_at: float, payload: dict[str, Any], *_newer: Any
) -> None:
    """Count one delivery; batches use `classify_deliveries`."""
    classify_deliveries([(deployment, message_id, received_at, payload)])


def classify_deliveries(deliveries: list[Any]) -> None:
    connection, config = runtime()
    # Every log line about these deliveries has the id of the first one, including lines about the alert they cause.
    with bound_contextvars(batch=_name_of(deliveries)):
        for deployment, meter in sorted(counting.count(connection, config, deliveries)):
            warn(Store(connection, deployment), config.of(deployment), meter)


def _name_of(deliveries: list[Any]) -> str:
    """Return a short name of a batch for the log, derived from its first message id."""
    return hashlib.blake2s(str(deliveries[0][1]).encode("utf-8", "replace"), digest_size=4).hexdigest()


def send_notification(deployment: str, notification_id: str, *_newer: Any) -> Retry | None:
    """Make one attempt; RQ's scheduler queues the next one, so that no worker sleeps."""
    connection, config = runtime()
    delay = sending.send(Store(connection, deployment), config.of(deployment), notification_id)
    return None if delay is None else Retry(max=10_000, interval=max(1, round(delay)))


def sweep(tick: int, *_newer: Any) -> None:
    del tick
    sweeping.sweep(*runtime())


def verify(deployment: str, *_newer: Any) -> None:
    """Verify what is due. A failure of Coder's API does not fail the job: whatever is due stays due."""
    connection, config = runtime()
    coder.verify(Store(connection, deployment), config.of(deployment))


def reconcile(deployment: str, tick: int, part: int = 1, *_newer: Any) -> None:
    connection, config = runtime()
    coder.reconcile(Store(connection, deployment), config.of(deployment), tick, part)


def work_lane(deployment: str, lane: str, *_newer: Any) -> None:
    """Deliver the messages in a lane; their failures are stored with the lane and do not fail the job."""
    connection, config = runtime()
    relaying.work_lane(Store(connection, deployment), config.of(deployment), lane)


def recount(fingerprint: str, *_newer: Any) -> None:
    sweeping.recount_all(*runtime(), fingerprint)
