"""Progress: one changing line on a terminal, plain lines elsewhere. On standard error, separate from the results."""

from types import TracebackType
from typing import Self

from rich.console import Console


class Progress:
    """Shows steps as they begin."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._status = self._console.status("starting") if self._console.is_terminal else None

    def __enter__(self) -> Self:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        if self._status:
            self._status.stop()

    def step(self, text: str) -> None:
        if self._status:
            self._status.update(text)
        else:
            self._console.print(text, markup=False, soft_wrap=True)
