"""Delivering: one attempt to bring one message to the target of its lane."""

from app.config.load import Config
from app.core.relay.original import Original
from app.core.relay.target import forward_name
from app.notifiers.relay.forwarder import Forwarder
from app.pipeline.relay.sealing import seal_of
from app.store.store import Store


class NotWantedError(Exception):
    """The target is not configured any more."""


def deliver(store: Store, config: Config, lane: str, original: Original) -> str:
    """Deliver once; return by what it went.

    Raises:
        NotifyError: it was not taken.
        NotWantedError: nobody wants it any more.
    """
    del store
    name = forward_name(lane)
    forward = next((one for one in config.settings.forward if one.name == name), None)
    if forward is None:
        raise NotWantedError("The target is not configured any more.")
    Forwarder(forward, seal_of(config).instance, trusted=config.settings.ca_file).send(original)
    return "webhook"
