"""Intake: from the body of a POST to a queued job, or to the quarantine. A 2xx is sent only once it is stored."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from app import clock
from app.core.count.delivery import InvalidDeliveryError, read_delivery
from app.core.count.redaction import may_hold_secret
from app.pipeline.relay.accepting import Relaying
from app.store.receive.inbox import Inbox
from app.store.relay.relays import NOTHING, Relays
from app.store.rq import readyjob


def _no_header(_name: str) -> None:
    return None


class IntakeOutcome(StrEnum):
    """Outcome of a POST to the webhook."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Receipt:
    outcome: IntakeOutcome
    message_id: str
    reason: str = ""


def take(
    inbox: Inbox,
    body: bytes,
    header_message_id: str | None,
    relaying: Relaying | None = None,
    header: Callable[[str], str | None] = _no_header,
) -> Receipt:
    """Accept a body, together with what is relayed of it.

    Args:
        inbox: the inbox of the deployment.
        body: the request's body.
        header_message_id: the request's `X-Message-Id`.
        relaying: what to relay; None for nothing.
        header: returns a header of the request, for relaying.

    Raises:
        redis.exceptions.RedisError: the body may not have been stored; Coder must send it again.
    """
    received_at = round(clock.now().timestamp(), 3)
    try:
        delivery = read_delivery(body, header_message_id)
    except InvalidDeliveryError as error:
        inbox.quarantine(error.message_id, received_at, error.reason, body, keep=not may_hold_secret(body))
        return Receipt(IntakeOutcome.QUARANTINED, error.message_id, error.reason)
    job = readyjob.delivery_job(inbox.deployment, delivery.message_id, received_at, delivery.payload)
    relayed = NOTHING
    if relaying:
        relays = Relays(inbox.connection, inbox.deployment)
        relayed = relaying.relayed(relays, delivery.message_id, received_at, body, header)
    new = inbox.accept(job, delivery.message_id, received_at, relayed)
    return Receipt(IntakeOutcome.ACCEPTED if new else IntakeOutcome.DUPLICATE, delivery.message_id)
