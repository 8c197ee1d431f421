"""The real helm, kubeconform and API server, built by `make helm-tools`, and the objects that the chart renders."""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import requests
import yaml

from app.simulator.loopback import free_port
from tests.conftest import PATIENCE, wait_until
from tests.deploy.values import CHART

NAMES: Final = ("helm", "kubeconform", "kubectl", "etcd", "kube-apiserver")
_CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
_TOKEN: Final = "admin-of-the-test"
Object = Mapping[str, Any]


def find_tools(names: Sequence[str] = NAMES) -> Path:
    """Return the folder of the programs; if one is missing, the test fails with an instruction."""
    folder = Path(os.environ.get("HELM_TOOLS") or _CACHE / "awb-helm-tools")
    missing = [name for name in names if not os.access(folder / name, os.X_OK)]
    if missing:
        pytest.fail(f"{', '.join(missing)} not found in {folder}; build them with: make helm-tools (needs Go)")
    return folder


def render(tools: Path, values: Mapping[str, Any], *words: str) -> list[Object]:
    """Return the objects that the chart renders for values, as `helm install` would send them."""
    command = [tools / "helm", "template", "awb", CHART, "--namespace", "coder", "--values", "-", *words]
    done = subprocess.run(command, input=yaml.safe_dump(dict(values)), capture_output=True, text=True, check=False)
    if done.returncode:
        raise ChartError(done.stderr)
    return [one for one in yaml.safe_load_all(done.stdout) if one]


class ChartError(Exception):
    """Helm rejects the values."""


def named(objects: Sequence[Object], kind: str, name: str) -> Object:
    (found,) = (one for one in objects if one["kind"] == kind and one["metadata"]["name"] == name)
    return found


def pod_specs(objects: Sequence[Object]) -> Iterator[tuple[str, Object]]:
    """Yield the name of each object that runs pods, and the pods' spec."""
    for one in objects:
        if one["kind"] == "Pod":
            yield one["metadata"]["name"], one["spec"]
        elif "template" in one.get("spec", {}):
            yield one["metadata"]["name"], one["spec"]["template"]["spec"]


class Cluster:
    """An API server with its storage: it validates and stores objects, but runs no pods."""

    def __init__(self, tools: Path, home: Path) -> None:
        self.tools, self.home = tools, home
        self.port = free_port()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "c",
                    "cluster": {
                        "server": self.url,
                        "certificate-authority": str(home / "certificates" / "apiserver.crt"),
                    },
                }
            ],
            "users": [{"name": "u", "user": {"token": _TOKEN}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        (home / "kubeconfig").write_text(yaml.safe_dump(config), encoding="utf-8")

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def ready(self) -> bool:
        try:
            headers = {"Authorization": f"Bearer {_TOKEN}"}
            # Its own certificate, which it creates when it starts.
            authority = self.home / "certificates" / "apiserver.crt"
            return requests.get(self.url + "/readyz", headers=headers, verify=str(authority), timeout=5).ok
        except (OSError, requests.RequestException):
            return False

    def run(self, line: str, folder: Path) -> "subprocess.CompletedProcess[str]":
        """Run a shell command in a folder as a cluster admin."""
        environ = {
            "PATH": f"{self.tools}:/usr/bin:/bin",
            "HOME": str(self.home),
            "KUBECONFIG": str(self.home / "kubeconfig"),
        }
        return subprocess.run(
            ["bash", "-euc", line], cwd=folder, env=environ, capture_output=True, text=True, timeout=300, check=False
        )

    def ok(self, line: str, folder: Path) -> str:
        done = self.run(line, folder)
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        return done.stdout


@contextmanager
def cluster(tools: Path, home: Path) -> Iterator[Cluster]:
    """Run an API server for the block."""
    made = Cluster(tools, home)
    client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    subprocess.run(["openssl", "genrsa", "-out", home / "key", "2048"], check=True, capture_output=True)
    (home / "tokens").write_text(f"{_TOKEN},admin,admin,system:masters\n", encoding="utf-8")
    store = [
        *(tools / "etcd", "--data-dir", home / "etcd", "--unsafe-no-fsync"),
        *("--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer),
        *("--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"),
    ]
    server = [
        *(tools / "kube-apiserver", "--etcd-servers", client, "--cert-dir", home / "certificates"),
        *("--secure-port", str(made.port), "--bind-address", "127.0.0.1", "--authorization-mode", "RBAC"),
        *("--token-auth-file", home / "tokens", "--service-cluster-ip-range", "10.96.0.0/16"),
        *("--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", home / "key"),
        *("--service-account-signing-key-file", home / "key", "--disable-admission-plugins", "ServiceAccount"),
    ]
    with (home / "log").open("wb") as log:
        running = [subprocess.Popen(command, stdout=log, stderr=log) for command in (store, server)]
    try:
        wait_until(made.ready, 120)
        yield made
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(PATIENCE)
