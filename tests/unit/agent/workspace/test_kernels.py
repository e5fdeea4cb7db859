"""`footplate-kernel` with the real uv, whose packages come from a folder."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
Run = Callable[..., subprocess.CompletedProcess[str]]


def wheel(folder: Path, name: str, files: dict[str, str]) -> None:
    info = f"{name}-1.0.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            record += f"{path},sha256={digest},{len(text)}\n"
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """`run("project")`, in a home of its own."""
    uv = subprocess.run([ROOT / "scripts/uv"], capture_output=True, text=True, check=True).stdout.strip()
    wheels, home = tmp_path / "wheels", tmp_path / "home"
    wheels.mkdir()
    home.mkdir()
    wheel(wheels, "ipykernel", {"ipykernel_launcher.py": "print('a kernel')\n"})
    wheel(wheels, "thing", {"thing.py": "value = 42\n"})
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    (bin_ / "uv").symlink_to(uv)
    environment = {
        "PATH": f"{bin_}:/usr/bin:/bin", "HOME": str(home), "PYTHONPATH": str(ROOT),
        "UV_OFFLINE": "1", "UV_NO_INDEX": "1", "UV_FIND_LINKS": str(wheels), "UV_PYTHON_DOWNLOADS": "never",
    }  # fmt: skip

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "footplate.agent.workspace.kernels", *arguments]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    return call


def kernel(tmp_path: Path, name: str) -> list[str]:
    found = json.loads((tmp_path / "home/.local/share/jupyter/kernels" / name / "kernel.json").read_text())
    return found["argv"]


@pytest.mark.parametrize("form", ["requirements.txt", "pyproject.toml"])
def test_a_project_s_packages_are_a_kernel_of_its_name(run: Run, tmp_path: Path, form: str) -> None:
    project = tmp_path / "My Project"
    project.mkdir()
    text = "thing\n"
    if form == "pyproject.toml":
        text = '[project]\nname = "mine"\nversion = "0"\nrequires-python = ">=3.11"\ndependencies = ["thing"]\n'
    (project / form).write_text(text)
    for _ in range(2):  # again does no harm
        done = run(str(project))
        assert done.returncode == 0, done.stderr
    argv = kernel(tmp_path, "my-project")
    assert argv[0] == str(project / ".venv/bin/python")
    said = subprocess.run(
        [argv[0], "-c", "import thing, ipykernel_launcher; print(thing.value)"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.stdout.splitlines() == ["a kernel", "42"]
    assert (tmp_path / "home/.cache/uv").is_dir(), "the cache is kept with the home"


def test_the_image_s_packages_come_behind_the_project_s_own(run: Run, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("thing\n")
    assert run(".", "--with-image", "--name", "own").returncode == 0
    said = subprocess.run(
        [kernel(tmp_path, "own")[0], "-c", "import msgspec, thing; print(thing.value)"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.stdout == "42\n", said.stderr


def test_what_is_missing_is_said(run: Run, tmp_path: Path) -> None:
    done = run(".")
    assert done.returncode == 2
    assert "has neither a pyproject.toml nor a requirements.txt" in done.stderr
    (tmp_path / "requirements.txt").write_text("no-such-thing\n")
    done = run(".")
    assert done.returncode == 1
    assert "footplate-kernel: uv pip install failed" in done.stderr
    assert not (tmp_path / "home/.local/share/jupyter/kernels").exists()
