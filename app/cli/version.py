"""`awb --version`."""

import tomllib
from pathlib import Path
from typing import Final

import click

_DISTRIBUTION: Final = "coder-awb-meter"


def version() -> str:
    """Return the installed version, or that of the checkout."""
    from importlib import metadata  # noqa: PLC0415 - slow to import, and hardly ever asked for

    try:
        return metadata.version(_DISTRIBUTION)
    except metadata.PackageNotFoundError:
        project = Path(__file__).resolve().parents[2] / "pyproject.toml"
        document = tomllib.loads(project.read_text(encoding="utf-8")) if project.exists() else {}
        return f"{document.get('project', {}).get('version', '(unknown)')} (from a checkout, not installed)"


def print_version(context: click.Context, _option: click.Parameter, requested: bool) -> None:
    if requested and not context.resilient_parsing:
        click.echo(f"awb, version {version()}")
        context.exit()
