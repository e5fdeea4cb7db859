"""A training job as a manifest: from a file, from a script and flags, or both."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from footplate.api import crds
from footplate.api.meta import API_VERSION
from footplate.api.resources import DATASET_PATH, MISPLACED
from footplate.client import names
from footplate.errors import BadUsage

Json = dict[str, Any]

#: What runs a script, by its suffix; others must be executable.
INTERPRETERS: dict[str, tuple[str, ...]] = {".py": ("python3",), ".sh": ("bash",)}


@dataclass(frozen=True)
class Source:
    """Code to ship: `root` is the directory, `command` what runs in it."""

    root: Path
    command: tuple[str, ...]
    name: str
    """For a job without a name of its own."""


def from_script(script: Path, root: Path | None) -> Source:
    """`root` None: the script's own directory. Raises BadUsage where there is no such script."""
    if not script.exists():
        near = names.did_you_mean(script.name, _siblings(script))
        raise BadUsage(f"There is no script {script}.", near or f"in {script.absolute().parent}: {_listed(script)}")
    if not script.is_file():
        raise BadUsage(f"{script} is a directory, not a script.", "name the script in it: the directory goes with it")
    base = (root or script.parent).resolve()
    resolved = script.parent.resolve() / script.name
    if not resolved.is_relative_to(base):
        raise BadUsage(f"The script {script} is not in the code directory {root}.", "name a --code that contains it")
    inside = resolved.relative_to(base).as_posix()
    if runner := INTERPRETERS.get(script.suffix):
        command = (*runner, inside)
    elif script.stat().st_mode & 0o100:
        command = (f"./{inside}",)
    else:
        raise BadUsage(
            f"It is not clear what runs {script}: it is neither Python (.py) nor shell (.sh) nor executable.",
            f"make it executable, or give the command after `--`: `-- <program> {inside}`",
        )
    return Source(base, command, names.for_script(script, base.name))


def from_command(command: Sequence[str], root: Path) -> Source:
    """A command of the person's own, run in `root`."""
    if not root.is_dir():
        raise BadUsage(f"The code directory {root} does not exist.")
    return Source(root.resolve(), tuple(command), root.resolve().name)


def _siblings(script: Path) -> list[str]:
    parent = script.absolute().parent
    return [path.name for path in parent.iterdir() if path.is_file()] if parent.is_dir() else []


def _listed(script: Path) -> str:
    scripts = [name for name in _siblings(script) if name.endswith(tuple(INTERPRETERS))]
    return f"{names.listing(scripts, 5)}" if scripts else "no scripts"


def load(text: str, where: str) -> Json:
    """A TrainingJob's manifest. Raises BadUsage where it is something else."""
    from footplate.client.documents import documents  # PyYAML is large, and most commands need none.

    found = documents(text, where)
    if len(found) != 1:
        raise BadUsage(f"{where} has {len(found)} documents; one TrainingJob is expected.")
    (document,) = found
    if not isinstance(document, dict):
        raise BadUsage(f"{where} holds no object but {type(document).__name__}.", _FORM)
    manifest = cast(Json, document)
    if manifest.get("kind") != "TrainingJob" or manifest.get("apiVersion") != API_VERSION:
        found = f"{manifest.get('apiVersion', 'no apiVersion')}, {manifest.get('kind', 'no kind')}"
        raise BadUsage(f"{where} is no TrainingJob of {API_VERSION} ({found}).", _FORM)
    if not isinstance(manifest.get("spec"), dict):
        raise BadUsage(f"{where} has no spec.", _FORM)
    _named(manifest.get("metadata") or {}, where)
    for part in ("metadata", "spec"):
        unknown = unknown_fields(manifest.get(part) or {}, _schema(part))
        if unknown:
            field, near = unknown[0]
            raise BadUsage(f"{where}: there is no field {part}.{field}.", near)
    return {"metadata": manifest.get("metadata") or {}, "spec": manifest["spec"]}


def _named(metadata: object, where: str) -> None:
    if not isinstance(metadata, dict):
        raise BadUsage(f"{where}: metadata must hold fields, not {metadata!r}.", _FORM)
    for field in ("name", "namespace"):
        value = cast(Json, metadata).get(field)
        if value is not None and not isinstance(value, str):
            raise BadUsage(f"{where}: metadata.{field} must be text, not {value!r}.", f'in quotes it is: "{value}"')


_FORM = f"it starts with `apiVersion: {API_VERSION}`, `kind: TrainingJob`, `metadata: {{name: …}}`, `spec:`"


def _schema(part: str) -> Json:
    """`metadata` is Kubernetes' own: the server knows its fields."""
    if part == "metadata":
        return {}
    (definition,) = (d for d in crds.DEFINITIONS if d.kind == "TrainingJob")
    return crds.structural_schema(definition.spec)


def unknown_fields(value: object, schema: Json, path: str = "") -> list[tuple[str, str | None]]:
    """The paths of fields that the schema does not have, with `did you mean`."""
    if isinstance(value, list):
        inner: Json = schema.get("items") or {}
        found: list[tuple[str, str | None]] = []
        for index, item in enumerate(cast(list[object], value)):
            found += unknown_fields(item, inner, f"{path}[{index}]")
        return found
    known: Json | None = schema.get("properties")
    if not isinstance(value, dict) or known is None:
        return []
    found = []
    for key, item in cast(dict[str, object], value).items():
        at = f"{path}.{key}" if path else key
        if key in known:
            found += unknown_fields(item, known[key], at)
        else:
            found.append((at, names.did_you_mean(key, known) or f"there are: {names.listing(known)}"))
    return found


def overlay(base: Mapping[str, Any], changes: Mapping[str, Any]) -> Json:
    """`changes` win; objects are merged, lists replaced."""
    merged: Json = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = overlay(cast(Json, old), cast(Json, value)) if _both_objects(old, value) else value
    return merged


def respecified(spec: Mapping[str, Any], changes: Mapping[str, Any]) -> Json:
    """As `overlay`; and of environment and image, what the changes name stays alone."""
    kept = dict(spec)
    for chosen, other in (("image", "environment"), ("environment", "image")):
        if chosen in changes:
            kept.pop(other, None)
    return overlay(kept, changes)


def _both_objects(old: object, new: object) -> bool:
    return isinstance(old, dict) and isinstance(new, dict)


def pairs(words: Sequence[str], what: str) -> dict[str, str]:
    """`["A=1", "B=x=y"]` → `{"A": "1", "B": "x=y"}`. Raises BadUsage."""
    found: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise BadUsage(f"{what} {word!r} is not of the form NAME=VALUE.")
        found[key] = value
    return found


def datasets(wanted: Mapping[str, str]) -> list[Json]:
    """Name → `s3://bucket/digits` or `s3://bucket/digits:/where/it/appears`. Raises BadUsage."""
    found: list[Json] = []
    paths: dict[str, str] = {}
    for name, rest in wanted.items():
        scheme, separator, place = rest.partition("://")
        address, colon, path = place.rpartition(":/")
        if not separator:
            raise BadUsage(f"Dataset {name}: {rest!r} is no address.", "it starts with s3://, gs:// or pvc://")
        if ":" in (address if colon else place):
            raise BadUsage(
                f"Dataset {name}: what follows a colon in {rest!r} is no absolute path.",
                f"such as {scheme}://bucket/prefix:/data/{name}; an address with a colon in it goes into a manifest (-f)",
            )
        dataset = {"name": name, "uri": f"{scheme}://{address if colon else place}"}
        found.append({**dataset, "path": f"/{path}"} if colon else dataset)
        _placed(name, f"/{path}" if colon else f"/data/{name}", paths)
    return found


def _placed(name: str, path: str, taken: dict[str, str]) -> None:
    wrong = "" if re.search(DATASET_PATH, path) else "is not of the form /data/digits"
    wrong = wrong or next((text for form, text in MISPLACED if re.search(form, path)), "")
    if wrong:
        raise BadUsage(f"Dataset {name}: its path {path} {wrong}.", f"such as /data/{name}")
    if path in taken:
        raise BadUsage(f"Datasets {taken[path]} and {name} have one path, {path}.", "give one of them another")
    taken[path] = name


def resources(cpu: str | None, memory: str | None, gpus: int | None, gpu_type: str | None) -> Json:
    """Of one pod, with what was said only."""
    gpu = {key: value for key, value in (("count", gpus), ("type", gpu_type)) if value is not None}
    said = {"cpu": cpu, "memory": memory, "gpu": gpu or None}
    return {key: value for key, value in said.items() if value is not None}
