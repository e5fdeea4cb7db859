"""What a person sees while they wait, on stderr: one live line on a terminal, else a line when something changed."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from types import TracebackType
from typing import Self, TextIO

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_TICK = 0.12
#: Seconds before anything is shown: what is done by then needs no progress.
_PATIENCE = 0.5
#: Seconds without any word after which `quiet` is shown.
_QUIET = 2.0
#: Seconds between lines where there is no terminal.
_INTERVAL = 2.0


class Live:
    """`quiet`: what to say when nothing has been reported for a while, such as whom this waits for."""

    def __init__(self, quiet: str, stream: TextIO | None = None) -> None:
        self.farewell: str | None = None
        """What to say when the person breaks off: what goes on without them, and how to come back."""
        self._quiet = quiet
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._text = ""
        self._printed = ""
        self._since = self._began = time.monotonic()
        self._last_line = 0.0
        self._drawn = False
        self._paused = False
        self._ticker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._since = self._began = time.monotonic()
        self._ticker = asyncio.create_task(self._tick())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
        self.clear()

    def __call__(self, text: str) -> None:
        """A Report. Empty: nothing to say."""
        self._text = text

    def clear(self) -> None:
        """Before something else is written to the terminal."""
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._drawn = False

    def pause(self) -> None:
        """The terminal belongs to something else from now on: a log, a shell."""
        self.clear()
        self._paused = True

    def resume(self) -> None:
        self._since = time.monotonic()
        self._paused = False

    def say(self, text: str) -> None:
        """A line that stays."""
        self.clear()
        print(text, file=self._stream, flush=True)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            if not self._paused:
                self._show(time.monotonic())

    def _show(self, now: float) -> None:
        waited = now - self._since
        text = self._text or (self._quiet if waited > _QUIET else "")
        if not text or waited < _PATIENCE:
            return
        if self._terminal:
            frame = _FRAMES[int(now / _TICK) % len(_FRAMES)]
            self._draw(f"{frame} {text} ({now - self._began:.0f}s)")
        elif text != self._printed and now - self._last_line >= _INTERVAL:
            self._printed, self._last_line = text, now
            print(text, file=self._stream, flush=True)

    def _draw(self, line: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        self._stream.write(f"\r\x1b[K{line[:width]}")
        self._stream.flush()
        self._drawn = True
