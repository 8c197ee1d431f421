"""A supervisor whose parts record what they inherited, and end slowly; run with the path of a file for the records."""

import json
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.config.load import Config, load
from app.web import server
from workers.keeping import follow_parent
from workers.supervisor import Supervisor

#: How long a part other than the receiver takes to end, in seconds.
ENDING = 0.5


class Program:
    """Parts that do nothing but note what is asked for."""

    def __init__(self, notes: Path) -> None:
        self.notes = notes

    def listen(self, host: str, port: int) -> socket.socket:
        return server.listen(host, port)

    def prepare(self, command: str) -> None:
        """Begin a row of numbers, as an import might."""
        del command
        random.seed(1)

    def run(self, words: Sequence[str], config: Config | None) -> None:
        del config
        follow_parent()
        name = " ".join(words[:2]) if words[0] == "worker" else words[0]
        signal.signal(signal.SIGTERM, signal.SIG_IGN if name == "web" else self._end(name))
        self.note(name, event="started", draw=random.random(), files=files(), pid=os.getpid(), environ=list(os.environ))
        while True:
            time.sleep(0.05)

    def note(self, name: str, **more: Any) -> None:
        with self.notes.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"name": name, **more}) + "\n")

    def _end(self, name: str) -> Any:
        def end(*_: object) -> None:
            time.sleep(ENDING)
            self.note(name, event="ended")
            raise SystemExit

        return end


def files() -> list[str]:
    """Return what this process has open, by the names of the kernel, less its standard streams."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        if int(link.name) > 2:
            try:
                found.append(str(link.readlink()))
            except FileNotFoundError:  # that of the listing itself
                continue
    return found


if __name__ == "__main__":
    sys.exit(Supervisor(load(), Program(Path(sys.argv[1])), lambda: (load(), [])).run(lambda: True))
