"""Directories whose files are uploaded as they are written: artifacts, and what TensorBoard reads.

A file goes to the store once it is complete to all appearance, and again when it has grown by a quarter or has been
different for some minutes: files of events grow for days. What is deleted here stays in the store. What would exceed the
limit is left out, and said.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from footplate.agent.download import size_text
from footplate.agent.store import Store

QUIET = 3.0
"""Seconds after which a file that is no longer written to counts as complete."""
AGAIN = 300.0
"""Seconds after which a file that goes on changing is uploaded again, whatever it has grown by."""
GROWN = 1.25


class Found(NamedTuple):
    size: int
    modified: float


class Sent(NamedTuple):
    found: Found
    at: float


class LeftOut(msgspec.Struct, frozen=True):
    path: str
    size: int


class Tree:
    """``limit``: bytes of all of it. ``say``: takes a sentence for the job's log."""

    def __init__(self, store: Store, root: Path, path: str, limit: int, say: Callable[[str], None]) -> None:
        self._store, self._root, self._path, self._limit, self._say = store, root, path, limit, say
        self._sent: dict[str, Sent] = {}
        self.left_out: dict[str, int] = {}

    def round(self, now: float, *, final: bool) -> bool:
        """True where something was sent. `now`: of the clock of files. Raises StoreAway, AtFault."""
        busy = False
        for name, found in sorted(self._files().items(), key=lambda item: item[1].modified):
            if self._due(name, found, now, final=final) and self._fits(name, found):
                try:
                    self._store.upload(f"{self._path}/{name}", self._root / name, found.size)
                except OSError:  # deleted meanwhile
                    continue
                self._sent[name] = Sent(found, now)
                busy = True
        return busy

    def _files(self) -> dict[str, Found]:
        """Regular files; names that begin with a dot are of what is in the writing."""
        found: dict[str, Found] = {}
        for parent, directories, names in os.walk(self._root):
            directories[:] = [name for name in directories if not name.startswith(".")]
            for name in names:
                path = Path(parent, name)
                try:
                    about = path.lstat()
                except OSError:  # deleted meanwhile
                    continue
                if stat.S_ISREG(about.st_mode) and not name.startswith("."):
                    found[path.relative_to(self._root).as_posix()] = Found(about.st_size, about.st_mtime)
        return found

    def _due(self, name: str, found: Found, now: float, *, final: bool) -> bool:
        before = self._sent.get(name)
        if before is None:
            return final or now - found.modified >= QUIET
        if before.found == found:
            return False
        return final or found.size >= GROWN * before.found.size or now - before.at >= AGAIN

    def _fits(self, name: str, found: Found) -> bool:
        others = sum(sent.found.size for other, sent in self._sent.items() if other != name)
        if others + found.size <= self._limit:
            self.left_out.pop(name, None)
            return True
        if name not in self.left_out:
            self._say(
                f"error: {self._root.name}/{name} ({size_text(found.size)}) is not kept: {size_text(others)} are, "
                f"and the limit is {size_text(self._limit)} a node"
            )
        self.left_out[name] = found.size
        return False
