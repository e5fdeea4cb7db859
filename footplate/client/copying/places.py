"""Where a copy comes from and goes to: `NAME:path` is in a workspace, everything else on this machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_REMOTE = re.compile(r"(?P<name>[a-z]([-a-z0-9]*[a-z0-9])?):(?P<path>.*)", re.DOTALL)


@dataclass(frozen=True)
class Remote:
    """`path`: relative to home where it does not begin with a slash."""

    workspace: str
    path: str

    @property
    def inside(self) -> str:
        """As tools in the pod take it, whatever it begins with."""
        path = "." if self.path in ("", "~") else self.path.removeprefix("~/") or "."
        return path if path.startswith(("/", "./")) or path == "." else f"./{path}"


def place(text: str) -> Remote | Path:
    """`./a:b` is a file of this machine."""
    found = _REMOTE.fullmatch(text)
    return Remote(found["name"], found["path"]) if found else Path(text)
