"""The options of `job submit` and `job run` as a manifest and the code that goes with it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from footplate.client import manifests
from footplate.client.manifests import Json, Source
from footplate.errors import BadUsage


@dataclass(frozen=True)
class Request:
    manifest: Json
    root: Path | None
    base: str


def request(options: Mapping[str, Any], after_dashes: Sequence[str]) -> Request:
    """Raises BadUsage where it is not clear what should run."""
    file: str | None = options["file"]
    given: Json = _file(file) if file is not None else {"metadata": {}, "spec": {}}
    source = _source(options, after_dashes, has_file=file is not None)
    changes = _spec(options, source, after_dashes)
    spec = manifests.respecified(given["spec"], changes)
    metadata: Json = dict(given["metadata"])
    if options["name"]:
        metadata["name"] = options["name"]
    base = source.name if source is not None else "job"
    return Request({"metadata": metadata, "spec": spec}, source.root if source is not None else None, base)


def _file(name: str) -> Json:
    if name == "-":
        return manifests.load(sys.stdin.read(), "standard input")
    path = Path(name)
    try:
        return manifests.load(path.read_text(), name)
    except FileNotFoundError as error:
        raise BadUsage(f"There is no file {name}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadUsage(f"Cannot read {name}: {error}.") from error


def _source(options: Mapping[str, Any], after_dashes: Sequence[str], *, has_file: bool) -> Source | None:
    script: Path | None = options["script"]
    code: Path | None = options["code"]
    if script is not None:
        return manifests.from_script(script, code)
    if code is not None:
        return manifests.from_command(() if has_file else after_dashes, code)
    if has_file or after_dashes:
        return None
    raise BadUsage(
        "What should run?",
        "name a script (`footplate job submit train.py`), a manifest (`-f job.yaml`), or a command after `--`",
    )


def _spec(options: Mapping[str, Any], source: Source | None, after_dashes: Sequence[str]) -> Json:
    """What was said only: defaults are the server's."""
    command, args = _words(options, source, after_dashes)
    retries, checkpoints = options["retries"], options["checkpoints"]
    said: Json = {
        "command": command,
        "args": args,
        "environment": options["environment"],
        "image": options["image"],
        "nodes": options["nodes"],
        "processesPerNode": options["processes_per_node"],
        "launcher": options["launcher"],
        "resources": manifests.resources(options["cpu"], options["memory"], options["gpus"], options["gpu_type"])
        or None,
        "env": manifests.pairs(options["env"] or [], "--env") or None,
        "datasets": manifests.datasets(options["dataset"] or []) or None,
        "checkpoint": {"uri": checkpoints} if checkpoints is not None else None,
        "retries": {"app": retries} if retries is not None else None,
        "deadline": options["deadline"],
        "ttlAfterFinished": options["ttl"],
        "queue": options["queue"],
        "priority": options["priority"],
    }
    return {key: value for key, value in said.items() if value is not None}


def _words(
    options: Mapping[str, Any], source: Source | None, after_dashes: Sequence[str]
) -> tuple[list[str] | None, list[str] | None]:
    """Command and arguments, None where the manifest's stay."""
    if options["script"] is not None and source is not None:
        return list(source.command), list(after_dashes) or None
    if options["file"] is not None:
        return None, list(after_dashes) or None
    return list(source.command if source is not None else after_dashes), None
