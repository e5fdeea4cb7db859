"""The options of `job submit` and `job run` as a manifest and the code that goes with it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from footplate.client import manifests
from footplate.client.manifests import Json
from footplate.client.requests import JobRequest
from footplate.errors import BadUsage


@dataclass(frozen=True)
class Submittable:
    manifest: Json
    root: Path | None
    """The directory of its code."""
    base: str
    """For its name, where it has none."""


def submittable(options: Mapping[str, Any], after_dashes: Sequence[str]) -> Submittable:
    """Raises BadUsage where it is not clear what should run."""
    file: str | None = options["file"]
    if file is None and options["script"] is None and not after_dashes:
        raise BadUsage(
            "What should run?",
            "name a script (`footplate job submit train.py`), a manifest (`-f job.yaml`), or a command after `--`",
        )
    given: Json = _file(file) if file is not None else {"metadata": {}, "spec": {}}
    request = _request(options, after_dashes)
    source = request.source()
    spec = manifests.respecified(given["spec"], request.spec(source))
    metadata: Json = dict(given["metadata"]) | ({"name": request.name} if request.name else {})
    return Submittable(
        {"metadata": metadata, "spec": spec},
        source.root if source is not None else None,
        source.name if source is not None else "job",
    )


def _request(options: Mapping[str, Any], after_dashes: Sequence[str]) -> JobRequest:
    """What follows `--` are arguments, of the script or of the manifest's command; without either, the command."""
    has_program = options["script"] is not None or options["file"] is not None
    said = {field.name: options[field.name] for field in fields(JobRequest) if field.name in options}
    said["datasets"] = manifests.pairs(options["dataset"] or [], "--dataset")
    said["env"] = manifests.pairs(options["env"] or [], "--env")
    said["args" if has_program else "command"] = tuple(after_dashes)
    return JobRequest(**said)


def _file(name: str) -> Json:
    if name == "-":
        return manifests.load(sys.stdin.read(), "standard input")
    try:
        return manifests.load(Path(name).read_text(), name)
    except FileNotFoundError as error:
        raise BadUsage(f"There is no file {name}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadUsage(f"Cannot read {name}: {error}.") from error
