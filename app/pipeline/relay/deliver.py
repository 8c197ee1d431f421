"""Delivering: one attempt to deliver the first message of a lane."""

import json
from dataclasses import dataclass
from typing import Final

from app import clock
from app.config.load import Config
from app.core.relay.letter import letter_of, summary_of
from app.core.relay.original import Original, subject_of
from app.core.relay.target import PERSON, forward_name, target_of
from app.notifiers.relay.forwarder import Forwarder
from app.pipeline.relay.outcome import NotWantedError, PutOffError
from app.pipeline.relay.person import Post, to_person
from app.pipeline.relay.sealing import seal_of
from app.store.relay.people import People
from app.store.relay.relays import Waiting
from app.store.store import Store

#: The maximum number of messages combined into one summary.
_MOST_SUMMED: Final = 200


@dataclass(frozen=True, slots=True)
class Delivered:
    """The result of a delivery.

    Attributes:
        via: `webhook`, `email` or `slack`.
        messages: the ids of the messages; several if they were combined into a summary.
        note: a remark for their history.
    """

    via: str
    messages: tuple[str, ...]
    note: str = ""


def deliver(store: Store, config: Config, lane: str, waiting: Waiting) -> Delivered:
    """Attempt a delivery.

    Raises:
        NotifyError: the target did not accept it.
        PutOffError: it is postponed.
        NotWantedError: its target is no longer configured, or it is no longer relayed.
        SealError: its original cannot be opened.
    """
    original = _open(store, config, waiting.message_id, waiting.sealed or b"")
    if target_of(lane) == PERSON:
        return _to_person(store, config, lane, waiting, original)
    name = forward_name(lane)
    forward = next((one for one in config.settings.forward if one.name == name), None)
    if forward is None:
        raise NotWantedError("The target is no longer configured.")
    Forwarder(forward, seal_of(config).instance, trusted=config.settings.ca_file).send(original)
    return Delivered("webhook", (waiting.message_id,))


def _to_person(store: Store, config: Config, lane: str, waiting: Waiting, original: Original) -> Delivered:
    settings, people = config.settings, People(store.redis, store.deployment)
    subject, key = subject_of(json.loads(original.body)), f"{store.deployment}/{waiting.message_id}"
    letter = letter_of(original.body, settings.coder_url)
    if waiting.passcode:
        return Delivered(to_person(store, config, Post(subject, letter, key, waiting.since)), (waiting.message_id,))
    wait = people.wait_for_limit(lane, settings.relay_limit, clock.now().timestamp())
    if wait:
        raise PutOffError(wait)
    messages: tuple[str, ...] = (waiting.message_id,)
    note = ""
    if people.is_summing(lane):
        found = store.relays.waiting_in(lane, _MOST_SUMMED)
        letters = {
            one: letter_of(_open(store, config, one, sealed).body, settings.coder_url)
            for one, sealed in found
            if sealed
        }
        if len(letters) > 1:
            messages = tuple(letters)
            letter = summary_of(list(letters.values()), settings.relay_limit, settings.relay_limit_minutes)
            key += "/summary"
            note = f"In a summary of {len(letters)}: more than {settings.relay_limit} arrived in a short time."
    via = to_person(store, config, Post(subject, letter, key, waiting.since))
    people.end_summing(lane)
    people.note_sent(lane, settings.relay_limit_minutes * 60, clock.now().timestamp())
    return Delivered(via, messages, note)


def _open(store: Store, config: Config, message_id: str, sealed: bytes) -> Original:
    return Original.unpack(seal_of(config).open(sealed, f"{store.deployment}/{message_id}"))
