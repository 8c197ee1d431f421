"""Containers of rendered pods as processes: with the pod's arguments, variables, files and user, in a separate network.

It takes the place of a kubelet as far as the chart decides what a process gets. Its image is this checkout.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import pytest

from tests.conftest import wait_until
from tests.deploy.helmtools import Object, named
from tests.otheruser import as_somebody_else

_CONTAINERFILE: Final = Path(__file__).parents[2] / "deploy/container/Containerfile"
_SECRETS: Final = Path("/run/secrets/awb-meter")


class Node:
    """A separate network and root file system, in which containers run."""

    def __init__(self, folder: Path, objects: Sequence[Object], secret: Mapping[str, str], service: str) -> None:
        """Make it.

        Args:
            folder: for files.
            objects: what the chart rendered.
            secret: the keys of the Secret that it names.
            service: the name by which pods reach the receivers.
        """
        if os.getuid() != 0:
            pytest.fail("running pods needs namespaces of their own; run this test as root")
        self.objects, self.folder = objects, folder
        for name, text in secret.items():
            (folder / name).write_text(text, encoding="utf-8")
        (folder / "data").mkdir()
        (folder / "data").chmod(0o777)
        (folder / "hosts").write_text(f"127.0.0.1 localhost {service}\n", encoding="utf-8")
        setup = (
            f"ip link set lo up; mount --bind {folder}/hosts /etc/hosts; "
            f"mount -t tmpfs tmpfs /run; mkdir -p {_SECRETS};"
            + "".join(f"cp {folder}/{name} {_SECRETS}/;" for name in secret)
            + "touch /run/ready; exec sleep infinity"
        )
        # It ends with the test, even if that is killed.
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "sh", "-euc", setup]
        self._holder = subprocess.Popen(command)
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        wait_until(lambda: Path("/proc", str(self._holder.pid), "root", "run", "ready").exists())
        return self

    def __exit__(self, *_: object) -> None:
        for process in [*self.running.values(), self._holder]:
            process.kill()
            process.wait()

    def run(self, *command: str, **how: Any) -> "subprocess.CompletedProcess[str]":
        """Run a program of the host in this network."""
        return subprocess.run(self._inside(command), capture_output=True, text=True, timeout=120, check=False, **how)

    def start(self, name: str, command: Sequence[str], environ: Mapping[str, str] | None = None) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self.running[name] = subprocess.Popen(self._inside(command), env=environ, stdout=log, stderr=log)

    def start_pod(self, name: str, kind: str = "Deployment") -> None:
        """Start what a pod runs."""
        container = self._container(kind, name)
        self.start(name, [*as_somebody_else(), _awb(), *container["args"]], self._environ(container))

    def probe(self, name: str) -> int:
        """Run the command of a pod's liveness probe, and return its exit code."""
        container = self._container("Deployment", name)
        program, *words = container["livenessProbe"]["exec"]["command"]
        assert program == "awb"
        command = [*as_somebody_else(), _awb(), *words]
        return self.run(*command, env=self._environ(container)).returncode

    def finish_pod(self, name: str, kind: str) -> "subprocess.CompletedProcess[str]":
        """Run a pod to its end."""
        container = self._container(kind, name)
        return self.run(*as_somebody_else(), _awb(), *container["args"], env=self._environ(container))

    def stop(self, name: str) -> int:
        """Stop a pod's process as a kubelet does, and return its exit code."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(60)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(encoding="utf-8")

    def _inside(self, command: Sequence[str]) -> list[str]:
        # Without a fork: signals reach the program itself.
        return ["nsenter", "--target", str(self._holder.pid), "--net", "--mount", f"--wd={self.folder}", "--", *command]

    def _container(self, kind: str, name: str) -> Any:
        found = named(self.objects, kind, name)["spec"]
        pod = found if kind == "Pod" else found["template"]["spec"]
        (container,) = pod["containers"]
        return container

    def _environ(self, container: Object) -> dict[str, str]:
        (source,) = container["envFrom"]
        of_image = _CONTAINERFILE.read_text(encoding="utf-8")
        fixed = dict(re.findall(r"\b(AWB_\w+)=(\S+)", of_image.partition("\nENV PATH=")[2].partition("\nUSER")[0]))
        assert fixed["AWB_DATA_DIR"] == "/data"
        return {
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            **fixed,
            "AWB_DATA_DIR": str(self.folder / "data"),
            **named(self.objects, "ConfigMap", source["configMapRef"]["name"])["data"],
            **{one["name"]: one["value"] for one in container["env"]},
        }


def _awb() -> str:
    return str(Path(sys.executable).with_name("awb"))
