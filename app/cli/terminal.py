"""Standard output and standard error: names from payloads cannot steer the terminal, whatever prints them.

`main` puts `CleanStream` before both streams. What is ours to steer (colours, progress) goes by `Out`, the one console,
which cleans texts before it adds to them.
"""

import sys
from collections.abc import Iterable
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from app.cli.commands import leave_broken_pipe
from app.core.text.terminal import visible


class CleanStream:
    """A text stream without control characters but line feed and tab."""

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
    """A console that shows texts and does not carry them out."""

    @property
    def file(self) -> Any:
        """The stream itself, behind `CleanStream`."""
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
    """Return a stream as it is, for what is no text for people, such as a file that is piped elsewhere."""
    return stream.raw if isinstance(stream, CleanStream) else stream


def clean_streams() -> None:
    """Clean standard output and standard error from now on."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, CleanStream):
            setattr(sys, name, CleanStream(stream))
