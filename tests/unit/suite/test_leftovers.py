"""What a killed test run leaves, the next one clears away; what another run uses stays."""

import os
from pathlib import Path

import pytest

from footplate.client.target import data_directory
from tests import leftovers


def test_no_test_has_the_data_directory_of_its_user() -> None:
    assert leftovers.directory() in data_directory().parents


def test_the_next_run_clears_away_what_nobody_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "ROOT", tmp_path / "runs")
    monkeypatch.setenv(leftovers.VARIABLE, "")
    first = leftovers.begin()
    running = leftovers.directory()
    (leftovers.fresh("api") / "clusters" / "test").mkdir(parents=True)
    second = leftovers.begin()
    assert (running.is_dir(), leftovers.directory() != running) == (True, True)
    os.close(first)  # as the end of its process does
    third = leftovers.begin()
    assert not running.exists()
    for lock in (second, third):
        os.close(lock)
