"""The locations of configuration files: given by name, in a checkout, on this machine, or packaged."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from app.config.environment import PREFIX, value_of, why_unreadable
from app.config.types import in_stray_quotes

#: Read by commands on a machine where systemd runs the meter; systemd passes the same file to the service.
SYSTEM_CONFIG: Final = Path("/etc/awb-meter/awb-meter.toml")
_ROOT: Final = Path(__file__).resolve().parents[2]
_DEFAULTS: Final = Path(__file__).resolve().parents[1] / "defaults"


def is_checkout() -> bool:
    """Return whether the program runs from a checkout, and not from an installed package."""
    return (_ROOT / "config").is_dir()


def packaged(name: str, folder: str = "config") -> Path:
    """Return a file or folder that is part of the program: from the checkout, or else from the installed package."""
    checkout = _ROOT / folder / name
    return checkout if checkout.exists() else _DEFAULTS / name


def find(path: Path | None, environ: Mapping[str, str], problems: list[str]) -> Path | None:
    """Return the configuration file; None if there is none. A named one that cannot be read is a problem."""
    variable = value_of(environ, PREFIX + "CONFIG")
    named = path or (Path(variable) if variable else None)
    if named is None:
        default = packaged(SYSTEM_CONFIG.name)
        if not default.is_relative_to(_ROOT / "config") and os.access(SYSTEM_CONFIG, os.R_OK):
            return SYSTEM_CONFIG
        return default if default.exists() else None
    try:
        is_file = named.is_file()
    except OSError as error:
        problems.append(f"{named}: cannot be read by user {os.getuid()}: {why_unreadable(error)}; check AWB_CONFIG")
        return None
    if not is_file:
        stray = " without the quotation mark" if in_stray_quotes(str(named)) else ""
        problems.append(f"{named}: there is no such file; check AWB_CONFIG or --config{stray}")
        return None
    return named
