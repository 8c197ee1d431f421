"""The command `awb`. Each module adds its commands to the group in `base`."""

from app.cli import coder, health, look, service, settings
from app.cli.base import main

__all__ = ["coder", "health", "look", "main", "service", "settings"]
