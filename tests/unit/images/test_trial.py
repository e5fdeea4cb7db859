"""What is said of an environment's image, by what runs in it and by the scanner at hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from footplate.images import catalogue, trial
from footplate.images.errors import BuildFailed
from footplate.images.index import Built

WELL = {"missing": [], "wrong": {}, "uid": 1000, "writable": False}


class Answers:
    """A builder whose images answer what they are told to."""

    name = "answers"

    def __init__(self, imports: dict[str, Any] | str, cell: str = '"42\\n"') -> None:
        self._imports, self._cell = imports, cell

    def run(self, reference: str, archive: Path, command: Sequence[str], log: Path) -> str:
        if "nbclient" not in command[2]:
            assert list(command[3:]) == list(catalogue.find("jax").packages)
            if isinstance(self._imports, str):
                raise BuildFailed(self._imports)
            return f"a warning\n{json.dumps(self._imports)}\n"
        return f"{self._cell}\n"


def findings(builder: Answers, tmp_path: Path, size: int = 2**20) -> dict[str, trial.Finding]:
    built = Built("footplate.local/jax:1", "sha256:0", str(tmp_path / "jax.tar"), size)
    found = trial.findings(catalogue.find("jax"), built, builder, tmp_path / "log")  # pyright: ignore[reportArgumentType]
    return {finding.check: finding for finding in found}


def scanner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    if name:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_one_that_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scanner(tmp_path, monkeypatch, "trivy", f'[ "$3" = {tmp_path}/jax.tar ]')
    found = findings(Answers(WELL), tmp_path)
    assert [finding.passed for finding in found.values()] == [True] * 5
    assert found["vulnerabilities"].detail == "trivy finds nothing critical that has a fix"
    assert found["size"].detail == "1 MiB to pull"


@pytest.mark.parametrize(
    ("answers", "check", "says"),
    [
        ({**WELL, "missing": ["optax"]}, "packages", "optax is not installed"),
        ({**WELL, "wrong": {"jax": "ImportError: libx"}}, "packages", "jax: ImportError: libx"),
        ({**WELL, "uid": 0}, "user", "it runs as user 0"),
        ({**WELL, "writable": True}, "user", "its user may change the environment itself"),
        ("running python3 failed: no such file", "packages", "no such file"),
    ],
)
def test_what_is_wrong_in_it(answers: dict[str, Any] | str, check: str, says: str, tmp_path: Path) -> None:
    found = findings(Answers(answers), tmp_path)
    assert found[check].passed is False
    assert says in found[check].detail


def test_a_cell_that_answers_something_else_and_an_image_that_is_too_large(tmp_path: Path) -> None:
    found = findings(Answers(WELL, '"41\\n"'), tmp_path, 13 * 2**30)
    assert (found["notebook"].passed, found["size"].passed) == (False, False)


def test_holes_are_told_and_without_a_scanner_nothing_is_said_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanner(tmp_path, monkeypatch, "grype", "echo CVE-2026-1 >&2; exit 2")
    assert findings(Answers(WELL), tmp_path)["vulnerabilities"] == trial.Finding(
        "vulnerabilities", False, "grype failed: CVE-2026-1"
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    assert findings(Answers(WELL), tmp_path)["vulnerabilities"].passed is None
