"""Standard output and standard error: names from payloads cannot control the terminal, whatever prints them.

`main` puts `CleanStream` in front of both streams. Our own control sequences (colours, progress) go through `Out`, the
only console, which cleans texts before adding them.
"""

import sys
from collections.abc import Iterable
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from app.cli.commands import leave_broken_pipe
from app.core.text.terminal import visible


class CleanStream:
    """A text stream that removes control characters except line feed and tab."""

    def __init__(self, raw: TextIO) -> None:
        self.raw = raw

    def write(self, text: str) -> int:
        self.raw.write(visible(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)


class Out(Console):
    """A console that displays control characters in texts instead of executing them."""

    @property
    def file(self) -> Any:
        """The underlying stream of `CleanStream`."""
        return raw(self._file or (sys.stderr if self.stderr else sys.stdout))

    @file.setter
    def file(self, new: Any) -> None:
        self._file = new

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield segment if control else Segment(visible(text), style)

    def on_broken_pipe(self) -> None:
        leave_broken_pipe()


def raw(stream: Any) -> Any:
    """Return a stream without cleaning, for output that is not for people, such as a piped file."""
    return stream.raw if isinstance(stream, CleanStream) else stream


def clean_streams() -> None:
    """Clean standard output and standard error from now on."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, CleanStream):
            setattr(sys, name, CleanStream(stream))
