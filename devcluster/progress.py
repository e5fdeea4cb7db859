"""Progress for people: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status
from rich.text import Text

PLAIN_INTERVAL = 20.0  # seconds between lines of detail where there is no terminal


class ConsoleProgress:
    def __init__(self, console: Console, plain_interval: float = PLAIN_INTERVAL) -> None:
        """`plain_interval`: seconds between lines of detail where there is no terminal; 0 prints them all."""
        self._console: Console = console
        self._plain_interval: float = plain_interval
        self._title: str = ""
        self._status: Status | None = None
        self._last_line: float = 0.0
        self._said: str = ""

    def begin(self, title: str) -> None:
        self._title, self._said = title, ""
        self._last_line = time.monotonic()
        if self._console.is_terminal:
            self._stop()
            self._status = self._console.status(Text(title))
            self._status.start()
        else:
            self._console.print(title, markup=False, highlight=False, soft_wrap=True)

    def detail(self, text: str) -> None:
        if self._status is not None:
            self._status.update(Text(f"{self._title}: {text}"))
        elif text != self._said and time.monotonic() - self._last_line >= self._plain_interval:
            self._last_line, self._said = time.monotonic(), text
            self._console.print(f"{self._title}: {text}", markup=False, highlight=False, soft_wrap=True)

    def done(self, text: str) -> None:
        self._stop()
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """A live line must be taken away before an error is printed."""
        self._stop()

    def _stop(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None
