"""What VS Code (code-server) leaves in the home of its use: whether a browser is connected, and when something was saved.

Its heartbeat is touched each minute while a tab is open, used or not: it says that somebody is connected, and is no activity.
Its local history gets an entry with each save.

Source: https://coder.com/docs/code-server/FAQ ("What is the heartbeat file?"), vs/workbench/contrib/localHistory of VS Code.
"""

from __future__ import annotations

import time
from pathlib import Path

from footplate.agent.workspace.processes import Process

DATA = Path(".local/share/code-server")
CONNECTED = "VS Code is connected"
SAVES = "somebody saves in VS Code"
#: Seconds: the heartbeat comes each minute.
_BEAT = 120.0
#: Of the programs that belong to it: its own, and its extensions'.
_PROGRAMS = ("/opt/code-server/", f"/{DATA}/extensions/")


class VsCode:
    def __init__(self, home: Path) -> None:
        self._data = home / DATA
        self._saved = self._last_save()

    def connected(self) -> bool:
        return abs(time.time() - _modified(self._data / "heartbeat")) < _BEAT

    def saves(self) -> bool:
        """Whether something was saved since this was last asked, whatever the clocks say."""
        before, self._saved = self._saved, self._last_save()
        return self._saved > before

    def _last_save(self) -> float:
        return max((_modified(path) for path in self._data.glob("User/History/*/entries.json")), default=0.0)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def serves(process: Process, parent: Process | None) -> bool:
    """A server that waits for a person, or what such a one starts for a moment: `git status`, `ps`. A kernel is none."""
    if process.terminal >= 0 or any("ipykernel" in word for word in process.arguments):
        return False
    return _is_part(process) or (parent is not None and _is_part(parent))


def _is_part(process: Process) -> bool:
    return any(part in word for word in process.arguments[:3] for part in _PROGRAMS)
