"""The receiver of Coder's Slack example, with its packages from npm and a stub instead of Slack."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from app.simulator.loopback import free_port
from bench.processes import ROOT, ChildError, child, environment, wait_listening
from bench.results import NotMeasuredError

_HERE: Final = ROOT / "bench" / "slack_example"
_INSTALLING: Final = 60.0


def install() -> None:
    """Install the packages into the ignored node_modules, unless they exist.

    Raises:
        NotMeasuredError: Node or npm is not installed, or npm failed.
    """
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            raise NotMeasuredError(f"{tool} is not installed (Debian: apt install nodejs npm)")
    wanted, done = (_HERE / "package.json").read_bytes(), _HERE / "node_modules" / ".installed"
    if done.exists() and done.read_bytes() == wanted:
        return
    command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    try:
        answer = subprocess.run(command, cwd=_HERE, capture_output=True, text=True, timeout=_INSTALLING, check=False)
    except subprocess.TimeoutExpired:
        raise NotMeasuredError(f"npm install took more than {_INSTALLING:.0f} s") from None
    if answer.returncode:
        said = [line for line in answer.stderr.splitlines() if line.startswith("npm error") and " " in line[10:]]
        raise NotMeasuredError(f"npm install failed: {(said or [f'exit code {answer.returncode}'])[0][:150]}")
    done.write_bytes(wanted)


@contextmanager
def running(directory: Path) -> Iterator[str]:
    """Run the example and the stub, and yield the URL to post to.

    Raises:
        NotMeasuredError: it cannot be run here.
    """
    install()
    stub, port, log = free_port(), free_port(), directory / "slack.log"
    settings = {"NODE_ENV": "production", "SLACK_API_URL": f"http://127.0.0.1:{stub}/api/"}
    with ExitStack() as stack:
        try:
            for script, listens in (("slack_stub.mjs", stub), ("server.mjs", port)):
                env = environment(directory, **settings, PORT=str(listens))
                process = stack.enter_context(child(["node", str(_HERE / script)], log, env))
                wait_listening(listens, process, log)
        except (ChildError, OSError) as error:
            raise NotMeasuredError(f"the example: {error}") from None
        yield f"http://127.0.0.1:{port}/v1/webhook"
