from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from footplate.api import (
    Environment,
    EnvironmentSpec,
    ObjectMeta,
    TrainingJob,
    TrainingJobSpec,
    Workspace,
    WorkspaceSpec,
    crds,
)
from footplate.api.trainingjob import Cause, CauseClass

MANIFESTS = {manifest["spec"]["names"]["kind"]: manifest for manifest in crds.manifests()}


def schema(kind: str) -> dict[str, Any]:
    return MANIFESTS[kind]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in (node.get("properties") or {}).values():
        yield from nodes(child)
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from nodes(node[key])


@pytest.mark.parametrize("kind", MANIFESTS)
def test_a_schema_is_structural(kind: str) -> None:
    for node in nodes(schema(kind)):
        assert isinstance(node["type"], str)
        assert not {"$ref", "anyOf", "title"} & node.keys()


def test_kinds_have_their_short_names_and_scopes() -> None:
    assert {kind: m["spec"]["names"]["shortNames"] for kind, m in MANIFESTS.items()} == {
        "Workspace": ["ws"],
        "TrainingJob": ["tj"],
        "Environment": ["env"],
    }
    assert {kind: m["spec"]["scope"] for kind, m in MANIFESTS.items()}["Environment"] == "Cluster"


def test_defaults_of_a_spec_reach_the_schema_and_status_has_none() -> None:
    properties = schema("Workspace")["properties"]
    assert properties["spec"]["properties"]["desiredState"]["default"] == "Running"
    assert properties["spec"]["properties"]["home"]["properties"]["size"]["default"] == "10Gi"
    assert not any("default" in node for node in nodes(properties["status"]))


def test_a_cross_field_rule_asks_for_environment_or_image() -> None:
    rules = [rule["rule"] for rule in schema("TrainingJob")["properties"]["spec"]["x-kubernetes-validations"]]
    assert "has(self.environment) != has(self.image)" in rules


def test_the_cause_of_an_attempt_travels_as_class() -> None:
    assert msgspec.to_builtins(Cause(class_=CauseClass.INFRA)) == {"class": "Infra"}


@pytest.mark.parametrize(
    "value",
    [
        Workspace(metadata=ObjectMeta(name="a"), spec=WorkspaceSpec(environment="jupyter")),
        TrainingJob(metadata=ObjectMeta(name="a"), spec=TrainingJobSpec(environment="pytorch", command=("true",))),
        Environment(metadata=ObjectMeta(name="a"), spec=EnvironmentSpec(image="registry/image:1")),
    ],
)
def test_an_object_survives_the_wire_and_names_its_kind(value: Workspace | TrainingJob | Environment) -> None:
    wire = msgspec.json.encode(value)
    assert msgspec.json.decode(wire, type=type(value)) == value
    assert msgspec.json.decode(wire)["kind"] == type(value).__name__


def test_processes_default_to_the_gpus_of_a_node() -> None:
    spec = msgspec.convert({"command": ["true"], "resources": {"gpu": {"count": 8}}}, TrainingJobSpec)
    assert spec.processes == 8
    assert msgspec.structs.replace(spec, processes_per_node=2).processes == 2
