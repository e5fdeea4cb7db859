"""Names and ids of objects: `name`, or `namespace/name`; generated where the program gives none."""

from __future__ import annotations

import secrets
from typing import Any, cast

from footplate.engine.errors import ResourceFailed
from footplate.engine.state.model import Resource
from footplate.engine.values import Properties, Unknown, plain

AUTONAMED = "pulumi.com/autonamed"


def metadata_of(properties: Properties) -> Properties:
    """Empty where there is none, or where it is not known yet."""
    found = plain(properties.get("metadata"))
    return cast(Properties, found) if isinstance(found, dict) else {}


def annotations_of(properties: Properties) -> dict[str, Any]:
    found = metadata_of(properties).get("annotations")
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}


def is_autonamed(properties: Properties) -> bool:
    return annotations_of(properties).get(AUTONAMED) == "true"


def object_id(name: str, namespace: str | None) -> str:
    return f"{namespace}/{name}" if namespace else name


def split_id(id: str) -> tuple[str | None, str]:
    namespace, _, name = id.rpartition("/")
    return namespace or None, name


def named(inputs: Properties, resource_name: str, old: Resource | None) -> Properties:
    """With `metadata.name`: the program's, that of before where it was generated, or `<resource name>-<8 hex>`."""
    if inputs.get("metadata") is Unknown:
        return inputs
    metadata = metadata_of(inputs)
    if metadata.get("name"):
        return inputs
    if metadata.get("generateName"):
        raise ResourceFailed(
            "metadata.generateName does not go with server-side apply: leave both names out, and a name is generated"
        )
    name = f"{resource_name}-{secrets.token_hex(4)}"
    if old is not None and is_autonamed(old.inputs):
        name = str(metadata_of(old.inputs).get("name"))
    given: Any = inputs.get("metadata") or {}
    kept = cast(Properties, given) if isinstance(given, dict) else metadata
    annotations = kept.get("annotations")
    if annotations is not Unknown:
        annotations = {**annotations_of(inputs), AUTONAMED: "true"}
    return {**inputs, "metadata": {**kept, "name": name, "annotations": annotations}}


def with_namespace(inputs: Properties, namespace: str) -> Properties:
    """`namespace` where the program names none."""
    if inputs.get("metadata") is Unknown or metadata_of(inputs).get("namespace"):
        return inputs
    metadata = inputs.get("metadata")
    kept = cast(Properties, metadata) if isinstance(metadata, dict) else metadata_of(inputs)
    return {**inputs, "metadata": {**kept, "namespace": namespace}}


def without_namespace(inputs: Properties) -> Properties:
    metadata = inputs.get("metadata")
    if not isinstance(metadata, dict) or "namespace" not in metadata:
        return inputs
    kept = {key: value for key, value in cast(Properties, metadata).items() if key != "namespace"}
    return {**inputs, "metadata": kept}
