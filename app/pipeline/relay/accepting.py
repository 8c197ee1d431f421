"""Accepting: determining the targets of a notification before it is accepted.

The targets and the sealed original are written in the same step that accepts the delivery. So whatever was accepted is
relayed, and relaying costs the receiver no additional round trip to Redis.
"""

import json
from collections.abc import Callable
from typing import Final

import structlog

from app.config.load import Config
from app.core.relay.original import VIA, Original, loops, read_content_type, read_via, subject_of
from app.core.relay.patience import Patience
from app.core.relay.plan import Routes, lanes
from app.core.relay.rule import Way
from app.core.relay.target import Parcel
from app.pipeline.relay.sealing import seal_of
from app.store.relay.relays import NOTHING, Relayed, Relays

log = structlog.get_logger(__name__)
_LONGEST_NAME: Final = 120
_DAY: Final = 86_400


class Relaying:
    """What the receiver relays.

    Raises:
        ConfigError: there is no secret, and none can be created.
    """

    def __init__(self, config: Config) -> None:
        settings = config.settings
        self._routes = routes_of(config)
        self._seal = seal_of(config)
        self._patience = patience_of(config)
        self._keep_seconds = settings.keep_relay_days * _DAY

    @classmethod
    def of(cls, config: Config) -> "Relaying | None":
        """Return None if nothing is relayed."""
        return cls(config) if config.settings.relaying else None

    def relayed(
        self, relays: Relays, message_id: str, received_at: float, body: bytes, header: Callable[[str], str | None]
    ) -> Relayed:
        """Return what accepting this delivery must store for relaying.

        Args:
            relays: the relayed messages of the deployment.
            message_id: the id of the delivery.
            received_at: the time of arrival, in seconds since the epoch.
            body: a notification that `read_delivery` has parsed.
            header: returns a header of the request.
        """
        via = read_via(header(VIA))
        if loops(via, self._seal.instance):
            log.warning("delivery not relayed", deployment=relays.deployment, message_id=message_id, why="it came back")
            return NOTHING
        subject = subject_of(json.loads(body))
        chosen = tuple(lanes(subject, message_id, self._routes, self._seal.alias))
        if not chosen:
            return NOTHING
        content_type = read_content_type(header("Content-Type"))
        original = Original(body, header("X-Message-Id") or message_id, content_type, via)
        parcel = Parcel(
            message_id=message_id,
            template=(subject.name or subject.template_id)[:_LONGEST_NAME],
            lanes=chosen,
            sealed=self._seal.close(original.pack(), f"{relays.deployment}/{message_id}"),
            keep_seconds=max(self._patience.keeps_for(one.target, passcode=subject.passcode) for one in chosen),
            passcode=subject.passcode,
        )
        return relays.accept_parts(parcel, received_at, self._keep_seconds)


def routes_of(config: Config) -> Routes:
    settings = config.settings
    usual = None if settings.relay == "off" else Way(settings.relay)
    return Routes(usual, config.relay_rules, settings.forward)


def patience_of(config: Config) -> Patience:
    settings = config.settings
    return Patience(
        person_seconds=settings.relay_keep_minutes * 60, forward_kept_seconds=settings.forward_keep_hours * 3600
    )
