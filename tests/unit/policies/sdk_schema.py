"""What the installed SDKs know of a resource type: the names of its inputs, all the way down.

Read from their sources: to import one module of a cloud's SDK takes seconds.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

_GETTER = re.compile(
    r'@pulumi\.getter(?:\(name="(\w+)"\))?\s+(?:@_utilities\.deprecated\(.*\)\s+)?def (\w+)\(self\) -> (.*):'
)


class Arguments(NamedTuple):
    """A class of arguments, and the file that has it."""

    file: Path
    name: str


def unknown_inputs(type: str, inputs: Mapping[str, Any]) -> list[str]:
    """Paths of inputs that the SDK's arguments for the type do not have."""
    return list(_unknown(_arguments(type), inputs, ""))


def knows(type: str) -> bool:
    return type in _classes(type.partition(":")[0])


def _unknown(arguments: Arguments | None, value: Any, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _unknown(arguments, item, path)
    elif isinstance(value, dict) and arguments is not None:
        fields = _fields(arguments)
        for name, inner in value.items():
            if name in fields:
                yield from _unknown(fields[name], inner, f"{path}{name}.")
            else:
                yield f"{path}{name}"


@cache
def _fields(arguments: Arguments) -> dict[str, Arguments | None]:
    """Name → the class of what it holds, None where that is no class of the SDK."""
    source = _source(arguments.file)
    begin = re.search(rf"^class {arguments.name}(\(.*)?:", source, re.MULTILINE)
    assert begin is not None, arguments
    end = re.search(r"^(class|@|if) ?", source[begin.end() :], re.MULTILINE)
    body = source[begin.end() : begin.end() + end.start()] if end else source[begin.end() :]
    return {renamed or name: _referred(arguments.file, hint) for renamed, name, hint in _GETTER.findall(body)}


def _referred(file: Path, hint: str) -> Arguments | None:
    found = re.search(r"'([\w.]+Args)'", hint)
    if found is None:
        return None
    module, _, name = found[1].rpartition(".")
    folder = file.parent
    if module:
        while not (folder / "_utilities.py").exists():
            folder = folder.parent
        folder = folder.joinpath(*module.removeprefix("_").split("."))
    return Arguments(folder / "_inputs.py", name)


def _arguments(type: str) -> Arguments:
    folder, name = _classes(type.partition(":")[0])[type]
    leaf = (type.split(":")[1].partition("/")[2] if "kubernetes" not in type else name).lower()
    modules = {path.stem.replace("_", "").lower(): path for path in folder.glob("*.py")}
    file = modules[leaf]
    specific = re.search(rf"^class {name}InitArgs:", _source(file), re.MULTILINE)
    return Arguments(file, f"{name}InitArgs" if specific else f"{name}Args")


@cache
def _source(file: Path) -> str:
    return file.read_text()


@cache
def _classes(package: str) -> dict[str, tuple[Path, str]]:
    """Type → folder and class, as the package registers them with Pulumi."""
    spec = importlib.util.find_spec(f"pulumi_{package}")
    assert spec is not None and spec.origin is not None
    root = Path(spec.origin).parent
    registered = re.search(r'resource_modules="""(.*?)"""', _source(root / "__init__.py"), re.DOTALL)
    assert registered is not None
    return {
        token: (root.joinpath(*module["fqn"].split(".")[1:]), name)
        for module in json.loads(registered[1])
        for token, name in module["classes"].items()
    }
