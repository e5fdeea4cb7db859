"""`footplate-kernel [DIRECTORY]`: a project's own packages as a Jupyter kernel, in the home.

Installs what the project's pyproject.toml (with its uv.lock) or requirements.txt names into `.venv` beside it, by uv, whose
cache lies in the home as well: it is quick the second time, and all of it outlives restarts.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

PTH = "footplate-image.pth"


class NoProjectError(Exception):
    """The message says what is missing."""


def environment_of(project: Path) -> Path:
    return project / ".venv"


def commands(project: Path) -> list[list[str]]:
    """What installs the project, one after the other. Raises NoProjectError."""
    venv = environment_of(project)
    python = str(venv / "bin" / "python")
    kernel = ["uv", "pip", "install", "--python", python, "ipykernel"]
    if (project / "pyproject.toml").is_file():
        # Inexact: what the lock does not name stays, such as the kernel's own packages.
        return [["uv", "sync", "--inexact", "--project", str(project)], kernel]
    if (requirements := project / "requirements.txt").is_file():
        make = ["uv", "venv", "--allow-existing", "--python", sys.executable, str(venv)]
        return [make, ["uv", "pip", "install", "--python", python, "-r", str(requirements)], kernel]
    raise NoProjectError(
        f"{project} has neither a pyproject.toml nor a requirements.txt: write one, or name another directory"
    )


def name_of(project: Path) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", project.name.lower()).strip("-") or "project"


def specification(project: Path) -> dict[str, object]:
    python = str(environment_of(project) / "bin" / "python")
    return {
        "argv": [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": f"Python ({project.name})",
        "language": "python",
        "metadata": {"debugger": True},
    }


def kernels(home: Path) -> Path:
    return home / ".local/share/jupyter/kernels"


def register(project: Path, home: Path, name: str) -> Path:
    folder = kernels(home) / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kernel.json").write_text(json.dumps(specification(project), indent=1) + "\n")
    return folder


def share_image(project: Path, packages: str) -> None:
    """The image's packages too, behind the project's own: torch need not be installed twice."""
    for site in environment_of(project).glob("lib/python*/site-packages"):
        (site / PTH).write_text(f"{packages}\n")


def main() -> int:
    parser = argparse.ArgumentParser(prog="footplate-kernel", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("directory", nargs="?", default=".", help="the project's; default: this one")
    parser.add_argument("--name", help="of the kernel; default: the directory's")
    parser.add_argument("--with-image", action="store_true", help="the environment's own packages can be imported too")
    options = parser.parse_args()
    project = Path(options.directory).resolve()
    try:
        for command in commands(project):
            subprocess.run(command, check=True)
    except NoProjectError as error:
        print(f"footplate-kernel: {error}", file=sys.stderr)
        return 2
    except FileNotFoundError as error:
        print(f"footplate-kernel: there is no program {error.filename} in this environment", file=sys.stderr)
        return 127
    except subprocess.CalledProcessError as error:
        print(f"footplate-kernel: {' '.join(error.cmd[:3])} failed", file=sys.stderr)
        return 1
    if options.with_image:
        share_image(project, sysconfig.get_path("purelib"))
    folder = register(project, Path.home(), options.name or name_of(project))
    print(f"Kernel {folder.name} is there: reload JupyterLab's page to see it.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
