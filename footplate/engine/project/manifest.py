"""Pulumi.yaml: the project's name, its program, and the schema of its configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from footplate.engine.errors import ProjectInvalid, Unsupported, cli_remedy
from footplate.engine.project.schema import Field, read_fields

FILES = ("Pulumi.yaml", "Pulumi.yml")


@dataclass(frozen=True)
class Project:
    name: str
    root: Path
    """Where Pulumi.yaml is."""
    program: Path
    """The directory (or file) that is run."""
    stack_dir: Path
    fields: tuple[Field, ...]
    virtualenv: Path | None = None

    def stack_file(self, stack: str) -> Path:
        return self.stack_dir / f"Pulumi.{stack}.yaml"

    def qualified(self, key: str) -> str:
        return key if ":" in key else f"{self.name}:{key}"

    def stacks(self) -> list[str]:
        """Names of the stacks that have a file."""
        names = (path.name.split(".", 1)[1].rsplit(".", 1)[0] for path in self.stack_dir.glob("Pulumi.*.y*ml"))
        return sorted(set(names))


def find_root(start: Path) -> Path:
    """The nearest directory at or above `start` with a Pulumi.yaml."""
    for directory in (start.absolute(), *start.absolute().parents):
        if any((directory / name).is_file() for name in FILES):
            return directory
    raise ProjectInvalid(
        f"there is no Pulumi.yaml in {start.absolute()} or above it", "run in the project, or give --cwd"
    )


def load_project(root: Path) -> Project:
    path = next((root / name for name in FILES if (root / name).is_file()), None)
    if path is None:
        raise ProjectInvalid(f"there is no Pulumi.yaml in {root}")
    document = read_yaml(path)
    name = document.get("name")
    if not isinstance(name, str) or not name:
        raise ProjectInvalid(f"{path} has no name")
    options = _runtime(path, document.get("runtime"))
    main = root / _string(path, document, "main", ".")
    if not main.exists():
        raise ProjectInvalid(f"{path}: main names {main}, which does not exist")
    if main.is_dir() and not (main / "__main__.py").is_file():
        raise ProjectInvalid(f"there is no __main__.py in {main}: it is the program that {path} names")
    config, stack_dir = document.get("config"), document.get("stackConfigDir")
    if isinstance(config, str):
        # The older meaning of `config`.
        config, stack_dir = None, stack_dir or config
    virtualenv = options.get("virtualenv")
    return Project(
        name=name,
        root=root,
        program=main.resolve(),
        stack_dir=root / str(stack_dir or "."),
        fields=read_fields(path, name, config),
        virtualenv=root / virtualenv if isinstance(virtualenv, str) else None,
    )


def read_yaml(path: Path) -> dict[str, Any]:
    try:
        document = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, UnicodeDecodeError) as error:
        raise ProjectInvalid(f"{path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ProjectInvalid(f"{path} is not valid YAML: {error}") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ProjectInvalid(f"{path} is no mapping of keys to values")
    return cast(dict[str, Any], document)


def _runtime(path: Path, runtime: Any) -> dict[str, Any]:
    fields: dict[str, Any] = cast(dict[str, Any], runtime) if isinstance(runtime, dict) else {"name": runtime}
    if fields.get("name") != "python":
        raise Unsupported(
            f"{path}: the runtime is {fields.get('name')!r}; this engine runs python", cli_remedy("footplate up")
        )
    options: Any = fields.get("options") or {}
    if not isinstance(options, dict):
        raise ProjectInvalid(f"{path}: runtime.options is no mapping")
    return cast(dict[str, Any], options)


def _string(path: Path, document: dict[str, Any], key: str, default: str) -> str:
    value = document.get(key, default)
    if not isinstance(value, str):
        raise ProjectInvalid(f"{path}: {key} is no text")
    return value
