"""What of a directory is not shipped: `.footplateignore`, `.gitignore`, then some things that never belong to code.

Both files have git's syntax and may be in any directory. Within a directory `.footplateignore` counts before
`.gitignore`, a directory's own before its parents'; the first that says something about a path decides. As in git,
what is in a directory that is left out cannot be brought back.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

from footplate.errors import BadUsage

#: The later counts first.
FILES = (".gitignore", ".footplateignore")

NEVER = GitIgnoreSpec.from_lines(
    [
        *(".git", ".hg", ".svn", ".venv", "__pycache__", "*.pyc", "node_modules", "*.egg-info"),
        *(".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox", ".nox", ".cache"),
        *(".idea", ".vscode", ".terraform", ".DS_Store", "*.swp"),
        # A script in a home directory: what belongs to the person, and to the machine.
        *(".ssh", ".gnupg", ".aws", ".azure", ".config/gcloud", ".kube", ".docker", ".netrc", ".git-credentials"),
        *(".*_history", ".local", ".jupyter", ".ipython", ".conda", ".npm"),
    ]
)
#: It marks a virtual environment, whatever the directory's name.
ENVIRONMENT_MARK = "pyvenv.cfg"


@dataclass(frozen=True)
class Layer:
    """The rules of one file; they speak of paths relative to the file's own directory."""

    directory: str
    """Relative to the root of the code; `../` and so on for a parent's file, `` for the root's own."""
    spec: GitIgnoreSpec
    beyond: str = ""
    """For a parent's file: the path from its directory to the root, with a final slash."""

    def says(self, path: str) -> bool | None:
        """True: leave it out; False: keep it; None: nothing."""
        local = self.beyond + (path[len(self.directory) + 1 :] if self.directory else path)
        return self.spec.check_file(local).include


Layers = tuple[Layer, ...]
"""The most specific first."""


def ignored(path: str, layers: Layers, *, directory: bool) -> bool:
    """`path`: relative to the root of the code, with slashes."""
    asked = f"{path}/" if directory else path
    for layer in layers:
        said = layer.says(asked)
        if said is not None:
            return said
    return bool(NEVER.check_file(asked).include)


def layers_in(root: Path, directory: str, names: frozenset[str]) -> Layers:
    """Those of the ignore files among `names`, the entries of `directory`."""
    found = [Layer(directory, _read(root / directory / name)) for name in FILES if name in names]
    return tuple(reversed(found))


def layers_above(root: Path) -> Layers:
    """Of the parents, up to the top of the git work tree that `root` is in; none where it is in none."""
    found: list[Layer] = []
    if (root / ".git").exists():
        return ()
    for parent in root.parents:
        beyond = f"{root.relative_to(parent).as_posix()}/"
        found += [Layer("", _read(parent / name), beyond) for name in reversed(FILES) if (parent / name).is_file()]
        if (parent / ".git").exists():
            return tuple(found)
    return ()


def _read(path: Path) -> GitIgnoreSpec:
    try:
        return GitIgnoreSpec.from_lines(path.read_text(errors="replace").splitlines())
    except OSError as error:
        raise BadUsage(f"Cannot read {path}: {error.strerror}.") from error
    except ValueError as error:
        raise BadUsage(f"{path} has a pattern that cannot be read: {error}.", "see `git help ignore`") from error
