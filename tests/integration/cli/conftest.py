"""The command line on a real API server, called in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.main import get_command

from footplate.cli import exit_codes
from footplate.cli.main import app
from tests.integration.cli.platform import Platform, kubelet, object_store, platform

__all__ = ["kubelet", "object_store", "platform"]


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


Footplate = Callable[..., Result]


@pytest.fixture
def footplate(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Footplate:
    """`footplate("job", "list")`; its data directory is the test's own."""
    for name in ("FOOTPLATE_TEAM", "FOOTPLATE_CONTEXT", "FOOTPLATE_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in platform.environment(tmp_path / "data").items():
        monkeypatch.setenv(name, value)

    def call(*arguments: str) -> Result:
        capfd.readouterr()
        code = exit_codes.run(
            lambda: get_command(app).main(list(arguments), prog_name="footplate", standalone_mode=False)
        )
        shown = capfd.readouterr()
        return Result(code, shown.out, shown.err)

    return call
