"""VS Code, connected and not: what it leaves in the home."""

import os
import time
from pathlib import Path

from footplate.agent.workspace import vscode
from footplate.agent.workspace.vscode import VsCode


def heartbeat(home: Path, ago: float) -> None:
    file = home / vscode.DATA / "heartbeat"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    os.utime(file, (time.time() - ago, time.time() - ago))


def test_a_heartbeat_says_that_somebody_is_connected(tmp_path: Path) -> None:
    code = VsCode(tmp_path)
    assert not code.connected()
    heartbeat(tmp_path, 30)
    assert code.connected()
    heartbeat(tmp_path, 600)
    assert not code.connected()


def test_a_save_is_seen_once_whatever_the_clock_says(tmp_path: Path) -> None:
    entry = tmp_path / vscode.DATA / "User/History/1a2b/entries.json"
    entry.parent.mkdir(parents=True)
    entry.write_text("{}")
    code = VsCode(tmp_path)
    assert not code.saves(), "of before the start"
    os.utime(entry, (time.time() + 3600, time.time() + 3600))
    assert code.saves()
    assert not code.saves()
