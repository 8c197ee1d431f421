"""The certificate files in the settings, checked at the start instead of at the first request."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from app.config.environment import PREFIX
from app.net import trust

_AUTHORITIES: Final = ("ca_file", "coder_ca_file", "redis_ca_file")
_FILES: Final = (*_AUTHORITIES, "redis_cert_file", "redis_key_file")


def unusable_certificates(values: Mapping[str, Any]) -> list[str]:
    """Return which files cannot be read or have the wrong content; empty if all are valid.

    Args:
        values: the settings as read, which may be invalid.
    """
    files = {key: Path(value) for key in _FILES if isinstance(value := values.get(key), str) and value}
    found: dict[str, str | None]
    found = {key: trust.problem(files[key]) for key in _AUTHORITIES if key in files}
    if "redis_cert_file" in files:
        found["redis_cert_file"] = trust.own_problem(files["redis_cert_file"], files.get("redis_key_file"))
    return [f"{PREFIX}{key.upper()}: {wrong}" for key, wrong in found.items() if wrong]
