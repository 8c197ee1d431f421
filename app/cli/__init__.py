"""The command `awb`. Each module adds its commands to the group in `base` when one of them is used."""

from app.cli.base import main

__all__ = ["main"]
