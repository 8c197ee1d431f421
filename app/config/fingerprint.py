"""What parts on several machines must have alike, as short digests that can be compared and reveal nothing."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from pydantic import SecretStr

from app.config.load import Config

#: What may differ from machine to machine.
_LOCAL: Final = frozenset({
    "bind", "web_processes", "web_threads", "max_connections_per_address", "data_dir", "metrics_bind", "rules",
    "ca_file", "coder_ca_file", "log_format", "log_level", "grace_seconds", "redis_url", "redis_ca_file",
    "redis_cert_file", "redis_key_file", "redis_server_name", "redis_sentinel_user", "redis_sentinel_password",
    "redis_wait_ms",
})  # fmt: skip
#: Not every part has these, for some parts have no use for them.
_MADE: Final = frozenset({"webhook_secret", "session_secret", "relay_secret"})
#: So few that a digest fits any number of secrets: whoever reads it cannot find out which one it is.
_BYTES: Final = 3


def fingerprint(config: Config) -> Mapping[str, str]:
    """Return a digest of each setting, and one of the rules; secrets that this part does not have are left out.

    Raises:
        OSError: the file of the rules is gone.
    """
    values: dict[str, Any] = {key: value for key, value in config.settings if key not in _LOCAL}
    values = {key: value for key, value in values.items() if not (key in _MADE and value is None)}
    return {key: _digest(value) for key, value in {**values, "rules": config.rules_source.read_text("utf-8")}.items()}


def _digest(value: Any) -> str:
    return hashlib.blake2s(repr(_plain(value)).encode(), digest_size=_BYTES).hexdigest()


def _plain(value: Any) -> Any:
    """Return secrets as their texts, at any depth, and sets in an order."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Mapping):
        return sorted((str(key), _plain(one)) for key, one in value.items())
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if hasattr(value, "model_dump"):
        return _plain(dict(value))
    return value
