"""The command that installs the systemd units, for machines with the wheel but without a checkout."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from app.cli.base import fail, main
from app.cli.program import NAME
from app.config.environment import why_unreadable
from app.config.places import SYSTEM_CONFIG, packaged

_UNITS: Final = Path("/etc/systemd/system")
#: The program's path in the stored units.
_PROGRAM: Final = "/opt/awb-meter/bin/awb"
_SUFFIXES: Final = (".service", ".target", ".conf")
#: Directories that ProtectHome= and PrivateTmp= hide from the service.
_HIDDEN: Final = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - names, not files


@main.command("systemd-units")
@click.option(
    "--root", type=click.Path(path_type=Path), default=Path("/"), help="Install below this directory instead of /."
)
def systemd_units(root: Path) -> None:
    """Install the systemd units, and a configuration file that only root can read, unless it exists.

    Run it again after an upgrade. Your own changes belong in `systemctl edit awb-meter`, which it does not touch.
    """
    program = Path(sys.executable).absolute().with_name(NAME)
    hidden = next((folder for folder in _HIDDEN if program.is_relative_to(folder)), None)
    if hidden and root == Path("/"):
        fail(f"{program}: services do not see {hidden}; install the wheel elsewhere: python3 -m venv /opt/awb-meter")
    try:
        for file, text in _units(program):
            _write(_below(root, _UNITS / file), text)
        _install_config(_below(root, SYSTEM_CONFIG))
    except OSError as error:
        hint = "; run it with sudo" if isinstance(error, PermissionError) else ""
        fail(f"{error.filename}: {why_unreadable(error)}{hint}")
    click.echo("Start it with: systemctl daemon-reload && systemctl enable --now awb-meter")


def _units(program: Path) -> Iterator[tuple[Path, str]]:
    """Yield each unit and drop-in file by its path below the directory of units, with this program's own path."""
    folder = packaged("systemd", folder="deploy")
    for file in sorted(path for path in folder.rglob("*") if path.suffix in _SUFFIXES):
        yield file.relative_to(folder), file.read_text(encoding="utf-8").replace(_PROGRAM, str(program))


def _install_config(file: Path) -> None:
    if file.exists():
        click.echo(f"kept     {file}")
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.parent.chmod(0o700)
    file.touch(mode=0o600)
    _write(file, (packaged("systemd", folder="deploy") / file.name).read_text(encoding="utf-8"))


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    click.echo(f"written  {file}")


def _below(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")
