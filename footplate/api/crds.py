"""CustomResourceDefinitions generated from the wire types."""

from dataclasses import dataclass
from typing import Any

import msgspec

from footplate.api.environment import EnvironmentSpec
from footplate.api.meta import GROUP, VERSION
from footplate.api.trainingjob import TrainingJobSpec, TrainingJobStatus
from footplate.api.workspace import WorkspaceSpec, WorkspaceStatus

Json = dict[str, Any]
Rule = tuple[str, str]

#: Room for the suffixes of children's names: `-<attempt>-<index>-xxxxx` of a job's pods, `-home` of a workspace's claim.
JOB_NAME_MAX = 45
WORKSPACE_NAME_MAX = 50

_IMAGE_RULE = ("has(self.environment) != has(self.image)", "set either environment or image, not both and not neither")
_DNS_LABEL = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"


@dataclass(frozen=True)
class Definition:
    kind: str
    plural: str
    short_names: tuple[str, ...]
    namespaced: bool
    spec: type[msgspec.Struct]
    spec_rules: tuple[Rule, ...]
    columns: tuple[tuple[str, str, str], ...]
    name_max: int
    status: type[msgspec.Struct] | None = None


DEFINITIONS = (
    Definition(
        kind="Workspace",
        plural="workspaces",
        short_names=("ws",),
        namespaced=True,
        spec=WorkspaceSpec,
        status=WorkspaceStatus,
        spec_rules=(
            _IMAGE_RULE,
            (
                "(has(self.owner) ? self.owner : '') == (has(oldSelf.owner) ? oldSelf.owner : '')",
                "owner cannot be changed",
            ),
        ),
        columns=(
            ("Phase", "string", ".status.phase"),
            ("Owner", "string", ".spec.owner"),
            ("Environment", "string", ".spec.environment"),
            ("GPU", "integer", ".spec.resources.gpu.count"),
            ("Node", "string", ".status.nodeName"),
            ("Message", "string", ".status.message"),
            ("Age", "date", ".metadata.creationTimestamp"),
        ),
        name_max=WORKSPACE_NAME_MAX,
    ),
    Definition(
        kind="TrainingJob",
        plural="trainingjobs",
        short_names=("tj",),
        namespaced=True,
        spec=TrainingJobSpec,
        status=TrainingJobStatus,
        spec_rules=(
            _IMAGE_RULE,
            ("!oldSelf.cancelled || self.cancelled", "cancelled cannot be taken back: submit a new job"),
            ("self.retry >= oldSelf.retry", "retry cannot be lowered"),
            *(
                (
                    f"(has(self.{name}) ? self.{name} : {empty}) == (has(oldSelf.{name}) ? oldSelf.{name} : {empty})",
                    f"{name} cannot be changed after submission: submit a new job",
                )
                for name, empty in (
                    ("image", "''"),
                    ("environment", "''"),
                    ("nodes", "1"),
                    ("command", "[]"),
                    ("args", "[]"),
                )
            ),
        ),
        columns=(
            ("Phase", "string", ".status.phase"),
            ("Nodes", "integer", ".spec.nodes"),
            ("GPU", "integer", ".spec.resources.gpu.count"),
            ("Step", "integer", ".status.progress.step"),
            ("Message", "string", ".status.message"),
            ("Age", "date", ".metadata.creationTimestamp"),
        ),
        name_max=JOB_NAME_MAX,
    ),
    Definition(
        kind="Environment",
        plural="environments",
        short_names=("env",),
        namespaced=False,
        spec=EnvironmentSpec,
        spec_rules=(),
        columns=(
            ("Display name", "string", ".spec.displayName"),
            ("Image", "string", ".spec.image"),
            ("GPU", "boolean", ".spec.gpu"),
            ("Age", "date", ".metadata.creationTimestamp"),
        ),
        name_max=63,
    ),
)


def manifests() -> list[Json]:
    """One CustomResourceDefinition a kind, in the order of ``DEFINITIONS``."""
    return [manifest(definition) for definition in DEFINITIONS]


def manifest(definition: Definition) -> Json:
    spec = structural_schema(definition.spec)
    if definition.spec_rules:
        spec["x-kubernetes-validations"] = [_rule(rule) for rule in definition.spec_rules]
    properties: Json = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
        "spec": spec,
    }
    if definition.status:
        properties["status"] = structural_schema(definition.status, defaults=False)
    schema = {
        "type": "object",
        "required": ["spec"],
        "properties": properties,
        "x-kubernetes-validations": [
            _rule(
                (
                    f"size(self.metadata.name) <= {definition.name_max}",
                    f"metadata.name can be at most {definition.name_max} characters long, to leave room for its children's names",
                )
            ),
            _rule(
                (
                    f"self.metadata.name.matches('{_DNS_LABEL}')",
                    "metadata.name must be lower-case letters, digits and '-', starting with a letter and ending with a letter or digit",
                )
            ),
        ],
    }
    version: Json = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "additionalPrinterColumns": [
            {"name": name, "type": kind, "jsonPath": path} for name, kind, path in definition.columns
        ],
    }
    if definition.status:
        version["subresources"] = {"status": {}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{definition.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced" if definition.namespaced else "Cluster",
            "names": {
                "kind": definition.kind,
                "listKind": f"{definition.kind}List",
                "plural": definition.plural,
                "singular": definition.kind.lower(),
                "shortNames": list(definition.short_names),
                "categories": ["footplate"],
            },
            "versions": [version],
        },
    }


def structural_schema(type_: type[msgspec.Struct], *, defaults: bool = True) -> Json:
    """The type's JSON Schema in the subset that Kubernetes takes: references inlined, null and titles gone, defaults kept.

    Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
    """
    (root,), components = msgspec.json.schema_components([type_], ref_template="{name}")
    return _inline(root, components, defaults)


_PASSED = (
    "description", "format", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems",
    "minProperties", "maxProperties", "enum", "required",
    "x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys",
)  # fmt: skip


def _inline(node: Json, components: Json, defaults: bool) -> Json:
    if "anyOf" in node:  # X | None: a field that may be left out
        (variant,) = (option for option in node["anyOf"] if option.get("type") != "null")
        node = {**variant, **{key: value for key, value in node.items() if key not in ("anyOf", "default")}}
    if "$ref" in node:
        target = components[node["$ref"]]
        node = {**target, **{key: value for key, value in node.items() if key != "$ref"}, "title": target["title"]}
    schema: Json = {"type": node.get("type") or "string"}
    for key in _PASSED:
        if key in node:
            schema[key] = node[key]
    # An enum's docstring is Python's business; a field's own description stays.
    if "enum" in node and "title" in node:
        schema.pop("description", None)
    if "required" in schema and not schema["required"]:
        del schema["required"]
    if isinstance(node.get("properties"), dict):
        schema["properties"] = {name: _field(child, components, defaults) for name, child in node["properties"].items()}
    if isinstance(node.get("additionalProperties"), dict):
        schema["additionalProperties"] = _inline(node["additionalProperties"], components, defaults)
    if isinstance(node.get("items"), dict):
        schema["items"] = _inline(node["items"], components, defaults)
    return schema


def _field(node: Json, components: Json, defaults: bool) -> Json:
    schema = _inline(node, components, defaults)
    default = node.get("default")
    empty = isinstance(default, str | list | tuple | dict) and not default  # says nothing
    if not defaults or default is None or (empty and "properties" not in schema):
        return schema
    return {**schema, "default": _filled(schema, default)}


def _filled(schema: Json, default: Any) -> Any:
    """With the defaults of its own fields: the API server holds a default against the field's rules as it stands."""
    own: Json = {name: child["default"] for name, child in schema.get("properties", {}).items() if "default" in child}
    return {**own, **default} if own else default


def _rule(rule: Rule) -> Json:
    return {"rule": rule[0], "message": rule[1]}
