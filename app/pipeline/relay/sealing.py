"""The seal of this installation."""

from functools import lru_cache

from app.config.keptsecret import relay_secret
from app.config.load import Config
from app.store.relay.seal import Seal


def seal_of(config: Config) -> Seal:
    """Return the seal for the configured secret, or else for the one in the data directory, created if missing.

    Raises:
        ConfigError: there is no secret, and none can be created.
    """
    return _seal(relay_secret(config.settings))


@lru_cache(maxsize=4)
def _seal(secret: str) -> Seal:
    return Seal(secret)
