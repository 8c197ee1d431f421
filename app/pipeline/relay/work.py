"""Working through a lane: its messages are delivered in order, each until the target has it or its time is up.

One worker at a time claims a lane. A message that cannot be delivered now stays first in its lane, and the lane waits.
"""

import random
from datetime import timedelta
from typing import Final

import redis
import structlog
from rq.timeouts import BaseTimeoutException

from app import clock
from app.config.load import Config
from app.core.relay.markup import to_html
from app.core.relay.patience import delay
from app.core.relay.target import target_of
from app.logs import redact_text
from app.net import trust
from app.notifiers.base import FailureReason, NotifyError
from app.pipeline.relay.accepting import patience_of
from app.pipeline.relay.deliver import deliver
from app.pipeline.relay.outcome import NotWantedError, PutOffError
from app.pipeline.relay.sealing import seal_of
from app.store.receive.inbox import deployments
from app.store.relay.relays import FAILED, SENT, Relays, Waiting, lane_job
from app.store.relay.seal import SealError
from app.store.rq.enqueue import enqueue
from app.store.server.connection import unavailable
from app.store.server.lease import Fence
from app.store.store import Store

log = structlog.get_logger(__name__)
#: How long a worker stays with a lane. It claims the lane for longer, so that its last attempt can finish.
_TURN: Final = timedelta(seconds=5)
_HOLD: Final = timedelta(seconds=75)
#: A lane that has been due for this long has lost its job.
_OVERDUE: Final = timedelta(seconds=3)
#: After this many attempts that ended in an error of this program, a message no longer blocks its lane.
_MOST_MISTAKES: Final = 5
_FINAL: Final = frozenset({FailureReason.CLIENT_ERROR, FailureReason.RECIPIENT_REFUSED})
_CHANCE = random.SystemRandom()


def work_lane(store: Store, config: Config, lane: str) -> None:
    """Deliver messages that are waiting in a lane, for a limited time.

    If the process dies here, nothing is lost: the message is delivered again when the claim on the lane ends.
    """
    relays, began = store.relays, clock.now()
    held_until = began + _HOLD
    if not relays.claim(lane, began, held_until):
        return
    wait = 0.0
    while not wait and clock.now() - began < _TURN:
        waiting = relays.first(lane)
        if waiting is None:
            break
        wait = _attempt(store, config, lane, waiting)
    now = clock.now()
    if relays.leave(lane, held_until, now + timedelta(seconds=wait)) and not wait:
        enqueue(store.redis, lane_job(store.deployment, lane, f"{now.timestamp()}"))


def warm_up(config: Config) -> None:
    """Import what the first message needs, so that a passcode does not have to wait for imports.

    Raises:
        ConfigError: there is no secret to open sealed contents, and none can be created.
    """
    seal = seal_of(config)
    seal.open(seal.close(b"", "warm up"), "warm up")
    to_html("*warm*")
    trust.context(config.settings.ca_file)


def enqueue_due(connection: "redis.Redis", config: Config, fence: Fence | None = None) -> None:
    """Queue a job for each lane that is due, or whose worker died."""
    if not config.settings.relaying:
        return
    before = clock.now() - _OVERDUE
    for deployment in deployments(connection):
        relays = Relays(connection, deployment)
        for lane, at in relays.due(before):
            enqueue(connection, lane_job(deployment, lane, f"due {at}"), fence=fence)


def _attempt(store: Store, config: Config, lane: str, waiting: Waiting) -> float:
    """Try one message; return the seconds until the next attempt, or 0 if it has ended."""
    relays, message_id = store.relays, waiting.message_id
    bound = log.bind(deployment=store.deployment, message_id=message_id, target=target_of(lane))
    if waiting.sealed is None:
        _end(relays, lane, waiting, FAILED, "Its original is no longer stored.")
        return 0.0
    try:
        delivered = deliver(store, config, lane, waiting)
    except PutOffError as put_off:
        relays.uncount(lane, message_id)
        return put_off.seconds
    except (NotWantedError, SealError) as error:
        _end(relays, lane, waiting, FAILED, str(error))
        bound.error("message not relayed", why=str(error))
        return 0.0
    except NotifyError as error:
        return _failed(relays, config, lane, waiting, error, bound)
    except BaseTimeoutException:
        raise
    except Exception as error:
        if unavailable(error):
            raise
        return _mistaken(relays, lane, waiting, error, bound)
    now = clock.now()
    for one in delivered.messages:
        relays.end(lane, one, SENT, delivered.note, now, via=delivered.via, replayable=True)
    bound.info("message relayed", via=delivered.via, messages=len(delivered.messages))
    return 0.0


def _failed(
    relays: Relays, config: Config, lane: str, waiting: Waiting, error: NotifyError, bound: structlog.stdlib.BoundLogger
) -> float:
    now, reason = clock.now(), _failure_text(error, passcode=waiting.passcode)
    seconds = patience_of(config).tries_for(target_of(lane), passcode=waiting.passcode)
    relays.note_failure(lane, waiting.message_id, error.reason.value, reason, now)
    # An admin may fix anything else, such as a password, while it is retried.
    final = error.permanent and error.reason in _FINAL
    if final or now.timestamp() - waiting.since > seconds:
        _end(relays, lane, waiting, FAILED, reason)
        bound.error("message not relayed", why=error.reason.value, error=reason)
        return 0.0
    wait = delay(waiting.failures + 1, error.retry_after, passcode=waiting.passcode, chance=_CHANCE.random())
    bound.warning("relaying will be tried again", why=error.reason.value, error=reason, seconds=round(wait))
    return wait


def _failure_text(error: NotifyError, *, passcode: bool) -> str:
    """Return why it was not accepted, without addresses. Servers may repeat what they received, even a passcode."""
    return f"It was not accepted ({error.reason.value})." if passcode else redact_text(str(error))


def _mistaken(
    relays: Relays, lane: str, waiting: Waiting, error: Exception, bound: structlog.stdlib.BoundLogger
) -> float:
    """Record an error of this program by its type only, because its text may contain parts of the message."""
    reason = f"An error in this program: {type(error).__name__}."
    relays.note_failure(lane, waiting.message_id, "mistake", reason, clock.now())
    bound.error("relaying went wrong", error=type(error).__name__)
    if waiting.attempts >= _MOST_MISTAKES:
        _end(relays, lane, waiting, FAILED, reason)
        return 0.0
    return delay(waiting.failures + 1, None, passcode=waiting.passcode)


def _end(relays: Relays, lane: str, waiting: Waiting, state: str, reason: str) -> None:
    relays.end(lane, waiting.message_id, state, reason, clock.now(), replayable=not waiting.passcode)
