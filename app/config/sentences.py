"""Pydantic's errors as sentences that name the file or the variable, the key and the remedy."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.config.environment import PREFIX
from app.config.settings import Settings
from app.core.text.spelling import did_you_mean


def sentence(item: Any, source: Path | None, environ: Mapping[str, str]) -> str:
    key = str(item["loc"][0]) if item["loc"] else ""
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "extra_forbidden" and len(item["loc"]) == 1:
        return f"{source}: unknown key “{key}”{did_you_mean(key, list(Settings.model_fields))}; remove or correct it"
    if not key:
        return f"configuration: {message}"
    if item["type"] == "extra_forbidden":
        message = f"unknown key “{item['loc'][-1]}”; remove or correct it"
    variables = (f"{PREFIX}{key.upper()}", f"{PREFIX}{key.upper()}_FILE")
    named = [variable for variable in variables if environ.get(variable)]
    return f"{named[0] if named else f'{source}: {key}'}{_inside(item['loc'][1:])}: {message}"


def _inside(path: Sequence[str | int]) -> str:
    """Return the place inside a setting, counted from one: `[2].levels` is a key of the second table."""
    return "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in path)
