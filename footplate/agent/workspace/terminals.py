"""When somebody last typed into any terminal of the container.

The kernel dates a terminal's last read in its device's access time, to about 8 seconds: what `w` shows as idle time. It
holds for JupyterLab's and VS Code's terminals, tmux and `kubectl exec` alike. Only that it changed is used, so that a
clock that leaps is no key press.

Source: `tty_update_time` in Linux' drivers/tty/tty_io.c
"""

from __future__ import annotations

from pathlib import Path

DEVICES = Path("/dev/pts")


class Terminals:
    def __init__(self, devices: Path = DEVICES) -> None:
        self._devices = devices
        self._read = self._look()

    def typed(self) -> bool:
        """Whether anybody typed, or opened a terminal, since the last look."""
        before, self._read = self._read, self._look()
        return any(before.get(name) != read for name, read in self._read.items())

    def _look(self) -> dict[str, int]:
        found: dict[str, int] = {}
        try:
            for device in self._devices.iterdir():
                if device.name.isdigit():
                    found[device.name] = device.stat().st_atime_ns
        except OSError:
            pass  # closed meanwhile
        return found
