"""Which kind of the API a resource type stands for, and how its properties become an object and back."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Final, cast

from footplate.engine.errors import ResourceFailed, Unsupported, cli_remedy
from footplate.engine.values import Properties, Secret, mark_like, plain

READ_ONLY: Final = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)

# CRD schemas have keys that are no identifiers; Pulumi's SDKs spell them with underscores.
_DASHED: Final = {
    f"x_kubernetes_{name.replace('-', '_')}": f"x-kubernetes-{name}"
    for name in (
        "embedded-resource",
        "int-or-string",
        "list-map-keys",
        "list-type",
        "map-type",
        "preserve-unknown-fields",
        "validations",
    )
}
_UNDERSCORED: Final = {dashed: under for under, dashed in _DASHED.items()}

_REFUSED: Final = {
    "kubernetes:yaml:": "a YAML component",
    "kubernetes:kustomize:": "a Kustomize component",
}


@dataclass(frozen=True)
class Kind:
    api_version: str
    kind: str
    patch: bool = False
    """A `…Patch` resource: it owns some fields of an object, not the object."""

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    @property
    def is_crd(self) -> bool:
        return self.group == "apiextensions.k8s.io" and self.kind == "CustomResourceDefinition"

    @property
    def is_namespace(self) -> bool:
        return self.api_version == "v1" and self.kind == "Namespace"

    @property
    def is_secret(self) -> bool:
        return self.api_version == "v1" and self.kind == "Secret"


def kind_of(type: str, inputs: Properties) -> Kind:
    """Raises Unsupported for types that are no single object."""
    for prefix, what in _REFUSED.items():
        if type.startswith(prefix):
            raise Unsupported(f"it is {what} ({type}), which this engine cannot make", cli_remedy("footplate up"))
    _, module, name = type.split(":", 2)
    group, _, version = module.rpartition("/")
    derived = version if group in ("", "core") else f"{group}/{version}"
    api_version, kind = plain(inputs.get("apiVersion")) or derived, plain(inputs.get("kind")) or name
    if not isinstance(api_version, str) or not isinstance(kind, str):
        raise ResourceFailed("its apiVersion and kind must be known before the update")
    if name == f"{kind}List" or (kind == name and kind.endswith("List") and isinstance(inputs.get("items"), list)):
        raise ResourceFailed(f"a {kind} is a list, not an object: declare each of its items")
    return Kind(api_version, kind, patch=name == f"{kind}Patch")


def to_object(inputs: Properties, kind: Kind) -> dict[str, Any]:
    """What is sent to the API server: no secret marks, no read-only fields, `stringData` of a Secret as `data`.

    Always with annotations, if only with none: server-side apply notes as manager of an object only who names a field of
    it, and of an object that is all name (a plain ServiceAccount) nobody would know that it is ours.
    """
    found: dict[str, Any] = _rekeyed(plain(inputs), _DASHED)
    metadata = {key: value for key, value in _mapping(found.get("metadata")).items() if key not in READ_ONLY}
    if not kind.patch:
        metadata.setdefault("annotations", {})
    found = {**found, "apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
    if kind.is_secret and isinstance(found.get("stringData"), dict):
        # Kept as stringData it could never be taken away again: the server merges it and forgets it.
        texts = _mapping(found.pop("stringData"))
        encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in texts.items()}
        found["data"] = {**_mapping(found.get("data")), **encoded}
    return found


def to_outputs(live: dict[str, Any], inputs: Properties, kind: Kind, manager: str, initial: str) -> Properties:
    """What the state and the program get of an object; secret where the inputs are, and all data of a Secret."""
    metadata = {key: value for key, value in _mapping(live.get("metadata")).items() if key != "managedFields"}
    outputs: Properties = _rekeyed({**live, "metadata": metadata}, _UNDERSCORED)
    outputs = marked(mark_like(outputs, inputs), kind)
    return {
        **outputs,
        "__fieldManager": manager,
        "__initialApiVersion": initial,
        "__inputs": {key: value for key, value in inputs.items() if not key.startswith("__")},
    }


def marked(properties: Properties, kind: Kind) -> Properties:
    """With the data of a Secret marked as secret."""
    if not kind.is_secret:
        return properties
    return {
        key: Secret(value) if key in ("data", "stringData") and not isinstance(value, Secret) else value
        for key, value in properties.items()
    }


def live_of(outputs: Properties) -> dict[str, Any]:
    """The object as the state remembers it."""
    remembered = {key: value for key, value in outputs.items() if not key.startswith("__")}
    return _rekeyed(plain(remembered), _DASHED)


def _rekeyed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        fields = cast(dict[str, Any], value)
        return {names.get(key, key): _rekeyed(item, names) for key, item in fields.items()}
    if isinstance(value, list):
        return [_rekeyed(item, names) for item in cast(list[Any], value)]
    return value


def _mapping(value: Any) -> dict[str, Any]:
    return dict(cast(dict[str, Any], value)) if isinstance(value, dict) else {}
