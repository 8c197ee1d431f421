"""Secrets that are generated once and stored in the data directory."""

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

from pydantic import SecretStr

from app.config.datadir import holds, prepare
from app.config.environment import why_unreadable
from app.config.load import ConfigError
from app.config.settings import Settings
from app.config.types import SHORTEST_SECRET


def kept_secret(data_dir: Path, name: str, variable: str) -> str:
    """Return the secret in a file of the data directory, readable only by its owner; the first call generates it.

    Args:
        data_dir: the directory, which is created if missing.
        name: the name of the file.
        variable: the setting that can replace it, for the remedy.

    Raises:
        ConfigError: the secret can neither be read nor written.
    """
    file = data_dir / name
    if not holds(data_dir, name):
        prepare(data_dir, variable)
    try:
        if not file.exists():
            # Written to another file and linked, so that two concurrent first starts agree on one complete secret.
            # NamedTemporaryFile creates it with mode 0600 and a unique name.
            with tempfile.NamedTemporaryFile("w", dir=data_dir, prefix=f".{name}.") as draft:
                draft.write(secrets.token_hex(24) + "\n")
                draft.flush()
                with contextlib.suppress(FileExistsError):
                    os.link(draft.name, file)
        secret = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{file}: {why_unreadable(error)}; set {variable} or make AWB_DATA_DIR writable"]) from None
    if len(secret) < SHORTEST_SECRET:
        raise ConfigError(
            [f"{file}: holds no secret of at least {SHORTEST_SECRET} characters; delete it for a new one"]
        )
    return secret


def ensure_session_secret(settings: Settings) -> Settings:
    """Return settings with a session secret: the configured one, or else that of the data directory.

    Raises:
        ConfigError: the secret can neither be read nor written.
    """
    if settings.session_secret:
        return settings
    secret = kept_secret(settings.data_dir, "session-secret", "AWB_SESSION_SECRET")
    return settings.model_copy(update={"session_secret": SecretStr(secret)})


def relay_secret(settings: Settings) -> str:
    """Return the secret that seals what is relayed: the configured one, or else that of the data directory.

    Raises:
        ConfigError: the secret can neither be read nor written.
    """
    if settings.relay_secret:
        return settings.relay_secret.get_secret_value()
    return kept_secret(settings.data_dir, "relay-secret", "AWB_RELAY_SECRET")
