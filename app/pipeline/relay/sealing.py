"""The seal of this installation."""

from functools import lru_cache

from app.config.keptsecret import relay_secret
from app.config.load import Config
from app.store.relay.seal import Seal


def seal_of(config: Config) -> Seal:
    """Return the seal by the configured secret, else by the one of the data directory, made where it is missing.

    Raises:
        ConfigError: there is no secret, and none can be created.
    """
    return _seal(relay_secret(config.settings))


@lru_cache(maxsize=4)
def _seal(secret: str) -> Seal:
    return Seal(secret)
