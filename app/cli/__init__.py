"""The command `awb`. Each module adds its commands to the group when one of them is used."""

from app.cli.group import main

__all__ = ["main"]
