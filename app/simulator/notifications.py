"""The messages that Coder enqueues for each happening: one per recipient, and identical ones only once a day."""

import hashlib
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from app.simulator.drafts import Draft, draft_of
from app.simulator.model import Happening, User
from app.simulator.world import World

BASE_URL: Final = "https://coder.example.com"


@dataclass(frozen=True, slots=True)
class Message:
    """One webhook message.

    Attributes:
        id: `msg_id`, which is the same on every attempt.
        happening: the event that it reports.
    """

    id: str
    name: str
    recipient: User
    body: bytes
    happening: Happening


class Outbox:
    """Coder's `notification_messages` for one world.

    Attributes:
        messages: everything enqueued so far, in order.
        silent: happenings without any message.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng = random.Random(world.id)  # not the world's own: collecting must not change what happens
        self._read = 0
        self._hashes: set[str] = set()
        self.messages: list[Message] = []
        self.silent: list[Happening] = []

    def collect(self) -> list[Message]:
        """Enqueue messages for everything since the last call, and return them."""
        news = self._world.happenings[self._read :]
        self._read += len(news)
        before = len(self.messages)
        for happening in news:
            enqueued = list(self._enqueue(happening))
            self.messages += enqueued
            if not enqueued:
                self.silent.append(happening)
        return self.messages[before:]

    def _enqueue(self, happening: Happening) -> Iterator[Message]:
        draft = draft_of(self._world, happening)
        if draft is None:
            return
        for user in draft.recipients:
            if not self._world.notifies(user, draft.template):
                continue
            payload = _payload(draft, user)
            method = self._world.method_of(draft.template)
            digest = _dedupe_hash(draft, user, method, payload, happening)
            if digest in self._hashes:
                continue
            self._hashes.add(digest)
            if method != "webhook":
                continue
            message_id = str(UUID(int=self._rng.getrandbits(128), version=4))
            body = json.dumps(_envelope(message_id, draft, payload)).encode()
            yield Message(message_id, draft.template.name, user, body, happening)


def _dedupe_hash(draft: Draft, user: User, method: str, payload: Mapping[str, Any], happening: Happening) -> str:
    """Return a hash that is unique within a UTC day (compute_notification_message_dedupe_hash in Coder's database).

    Because of it, nobody is notified of the second resume, pause or failure of a task on one day.
    """
    what = [draft.template.id, user.id, method, payload, list(draft.targets), happening.at.date().isoformat()]
    return hashlib.md5(json.dumps(what, sort_keys=True).encode(), usedforsecurity=False).hexdigest()


def _payload(draft: Draft, user: User) -> dict[str, Any]:
    words = {**draft.labels, "base": BASE_URL, "user_username": user.username}
    return {
        "_version": "1.2",
        "notification_name": draft.template.name,
        "notification_template_id": draft.template.id,
        "user_id": user.id,
        "user_email": user.email,
        "user_name": user.name or user.username,
        "user_username": user.username,
        "actions": [{"label": label, "url": url.format(**words)} for label, url in draft.template.actions],
        "labels": dict(draft.labels),
        "data": draft.data,
        "targets": list(draft.targets),
    }


def _envelope(message_id: str, draft: Draft, payload: dict[str, Any]) -> dict[str, Any]:
    template = draft.template
    title, body = template.title.format(**draft.labels), template.body.format(**draft.labels)
    marked = {key: f"**{value}**" if template.bold else value for key, value in draft.labels.items()}
    return {
        "_version": "1.1",
        "msg_id": message_id,
        "payload": payload,
        "title": title,
        "title_markdown": title,
        "body": body,
        "body_markdown": template.body.format(**marked),
    }
