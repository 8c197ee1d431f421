"""The command `awb`. Each module adds its commands to the group in `base`, when one of them is asked for."""

from app.cli.base import main

__all__ = ["main"]
