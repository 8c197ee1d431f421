"""Operations that change something; each is recorded in the audit trail of its deployment."""

from datetime import UTC
from typing import Final

from app import clock
from app.answers.alerts import Acknowledged, Silence
from app.answers.queues import Queued
from app.answers.relays import Replayed
from app.core.text.mailbox import receiver_key
from app.notifiers.receivers import receivers as configured_receivers
from app.pipeline.operate.acknowledge import StaleError, acknowledge, end
from app.pipeline.operate.silence import SilenceError, create_silence
from app.pipeline.operate.trial import queue_test
from app.pipeline.relay.replay import Again, replay
from app.store.receive.inbox import deployments
from app.store.rq import plainjob
from app.store.rq.enqueue import enqueue
from app.web.api import requests
from app.web.api.call import Call, operation
from app.web.errors import Problem

_MINUTE: Final = 60


@operation(
    "POST",
    "/alerts/{name}/acknowledge",
    "Acknowledge an alert: it is neither repeated nor escalated until its level changes.",
    body=requests.AcknowledgeBody,
    body_required=False,
    problems={404: "The alert has never been announced.", 409: "The level no longer applies."},
)
def acknowledge_alert(call: Call) -> Acknowledged:
    name = call.path["name"]
    if call.store.alerts.last(name) is None:
        raise Problem(404, "No alert with this name has been announced; /alerts lists them.")
    level = call.body.level if call.body else ""
    try:
        new = acknowledge(call.store, call.config, name, level, call.actor)
    except StaleError as error:
        raise Problem(409, str(error)) from error
    _version, state = call.store.alerts.state(name)
    _note(call, "acknowledge alert", f"{name} {state.level}")
    return Acknowledged(alert=name, level=state.level, new=new)


@operation(
    "POST",
    "/silences",
    "Create a silence that applies from now on.",
    body=requests.SilenceBody,
    status=201,
    problems={404: "The deployment has never posted."},
)
def add_silence(call: Call) -> Silence:
    _known(call)
    body = call.body
    try:
        silence = create_silence(
            call.store,
            body.matchers,
            body.until.astimezone(UTC),
            call.actor,
            body.comment,
            body.key,
        )
    except (SilenceError, OverflowError) as error:
        raise Problem(422, f"The silence cannot be created: {error}.") from error
    _note(call, "add silence", f"{silence.id} until {silence.ends_at.isoformat()}")
    return Silence.of(silence)


@operation(
    "DELETE",
    "/silences/{id}",
    "End a silence now; repeating it changes nothing.",
    problems={404: "The silence does not exist."},
)
def end_silence(call: Call) -> Silence:
    found = end(call.store, call.config, call.path["id"], call.actor)
    if found is None:
        raise Problem(404, "There is no silence with this id; /silences lists them.")
    _note(call, "end silence", found.id)
    return Silence.of(found)


@operation(
    "POST",
    "/notifications/test",
    "Send a test message to a receiver; /notifications shows its state.",
    body=requests.NotifyTestBody,
    status=202,
    problems={404: "The deployment has never posted."},
)
def send_test(call: Call) -> Queued:
    """Queue a test message; /notifications shows its result."""
    _known(call)
    receiver = receiver_key(call.body.receiver)
    if receiver not in configured_receivers(call.config.settings):
        raise Problem(422, "No receiver with this name is configured; /receivers lists them.")
    queued = queue_test(call.store, call.config, [receiver])
    _note(call, "send test message", receiver)
    return Queued(queued=queued[0])


@operation(
    "POST",
    "/reconcile",
    "Queue a pass over Coder's API now.",
    status=202,
    problems={409: "Coder's API is not configured.", 429: "A pass has already been queued within this minute."},
)
def start_reconcile(call: Call) -> Queued:
    """Queue a pass now, at most one per minute."""
    if not call.config.verifying(call.store.deployment):
        raise Problem(409, "Coder's API is not configured for this deployment: set AWB_CODER_URL and AWB_CODER_TOKEN.")
    seconds = int(clock.now().timestamp())
    job = plainjob.reconcile_job(call.store.deployment, seconds // _MINUTE)
    if not enqueue(call.store.redis, job, once=True):
        wait = _MINUTE - seconds % _MINUTE
        raise Problem(429, "A pass has already been queued within this minute.", headers={"Retry-After": str(wait)})
    _note(call, "reconcile", job.id)
    return Queued(queued=job.id)


@operation(
    "POST",
    "/relays/{message_id}/replay",
    "Retry a message that failed for a target.",
    body=requests.ReplayBody,
    status=202,
    problems={404: "It is unknown, or did not fail there.", 409: "Its content is no longer stored."},
)
def replay_relay(call: Call) -> Replayed:
    message_id, target = call.path["message_id"], call.body.target
    again = replay(call.store, message_id, target, call.actor)
    if again is Again.NOT_FAILED:
        raise Problem(404, "No message with this id failed for this target; /relays lists them.")
    if again is Again.NOT_KEPT:
        raise Problem(409, "Its content is no longer stored, so it cannot be retried.")
    return Replayed(message_id=message_id, target=target, outcome=again.value)


def _known(call: Call) -> None:
    """Refuse to write data for an unknown deployment."""
    configured = (call.config.main or call.config).settings.configured_deployments
    if call.store.deployment not in {*configured, *deployments(call.store.redis)}:
        raise Problem(404, "No deployment with this name has ever posted.")


def _note(call: Call, action: str, detail: str) -> None:
    call.store.audit.write(call.actor, action, detail)
