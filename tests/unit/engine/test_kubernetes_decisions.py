import asyncio
import base64
from pathlib import Path
from typing import Any

import msgspec
import pytest

from footplate.engine import paths
from footplate.engine.changes import compare, forcing
from footplate.engine.deployment.refresh import observed
from footplate.engine.deployment.registry import Registry, default_name, forcing_keys, provider_inputs
from footplate.engine.errors import ResourceFailed, Unsupported
from footplate.engine.providers.kubernetes import compare as objects
from footplate.engine.providers.kubernetes import fixed, naming
from footplate.engine.providers.kubernetes.kinds import Kind, kind_of, live_of, to_object, to_outputs
from footplate.engine.providers.kubernetes.settings import settings_of
from footplate.engine.state.model import Resource
from footplate.engine.values import Secret, Unknown

CONFIG_MAP, SECRET = Kind("v1", "ConfigMap"), Kind("v1", "Secret")


@pytest.mark.parametrize(
    ("type", "inputs", "kind"),
    [
        ("kubernetes:core/v1:Namespace", {}, Kind("v1", "Namespace")),
        (
            "kubernetes:apps/v1:Deployment",
            {"apiVersion": "apps/v1", "kind": "Deployment"},
            Kind("apps/v1", "Deployment"),
        ),
        ("kubernetes:rbac.authorization.k8s.io/v1:Role", {}, Kind("rbac.authorization.k8s.io/v1", "Role")),
        ("kubernetes:footplate.dev/v1alpha1:Environment", {}, Kind("footplate.dev/v1alpha1", "Environment")),
        ("kubernetes:core/v1:NamespacePatch", {"kind": "Namespace"}, Kind("v1", "Namespace", patch=True)),
        ("kubernetes:x.dev/v1:FooPatch", {"apiVersion": "x.dev/v1", "kind": "FooPatch"}, Kind("x.dev/v1", "FooPatch")),
    ],
)
def test_a_type_token_names_a_kind(type: str, inputs: dict[str, Any], kind: Kind) -> None:
    assert kind_of(type, inputs) == kind


def test_what_is_no_single_object_is_refused_by_name() -> None:
    with pytest.raises(Unsupported, match="YAML component"):
        kind_of("kubernetes:yaml:ConfigFile", {})
    with pytest.raises(ResourceFailed, match="is a list"):
        kind_of("kubernetes:core/v1:ConfigMapList", {"kind": "ConfigMapList", "items": []})


def test_a_name_is_given_kept_and_marked() -> None:
    first = naming.named({"metadata": {"labels": {"a": "b"}}}, "web", None)
    name = first["metadata"]["name"]
    assert name.startswith("web-")
    assert len(name) == len("web-") + 8
    assert first["metadata"]["annotations"] == {naming.AUTONAMED: "true"}
    old = Resource("u", True, "t", id=name, inputs=first)
    assert naming.named({"metadata": {}}, "web", old)["metadata"]["name"] == name
    # A name of the program's own before is no reason to keep it.
    named = Resource("u", True, "t", id="mine", inputs={"metadata": {"name": "mine"}})
    assert naming.named({}, "web", named)["metadata"]["name"] != "mine"
    assert naming.named({"metadata": {"name": "given"}}, "web", None) == {"metadata": {"name": "given"}}
    with pytest.raises(ResourceFailed, match="generateName"):
        naming.named({"metadata": {"generateName": "x-"}}, "web", None)


def test_schemas_of_custom_resources_get_their_dashes_back() -> None:
    inputs = {"spec": {"x_kubernetes_preserve_unknown_fields": True, "x_kubernetes_validations": [{"rule": "r"}]}}
    crd = Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    sent = to_object(inputs, crd)
    assert sent["spec"] == {"x-kubernetes-preserve-unknown-fields": True, "x-kubernetes-validations": [{"rule": "r"}]}
    outputs = to_outputs(sent, inputs, crd, "footplate", crd.api_version)
    assert outputs["spec"] == inputs["spec"]
    assert live_of(outputs)["spec"] == sent["spec"]


def test_string_data_is_sent_as_data_so_that_it_can_be_taken_away() -> None:
    sent = to_object({"stringData": Secret({"a": "x"}), "data": {"b": "eQ=="}, "metadata": {"uid": "1"}}, SECRET)
    assert sent["data"] == {"a": base64.b64encode(b"x").decode(), "b": "eQ=="}
    assert "stringData" not in sent
    assert sent["metadata"] == {"annotations": {}}


def test_all_data_of_a_secret_is_secret_in_the_state() -> None:
    live = {
        "apiVersion": "v1",
        "kind": "Secret",
        "data": {"a": "eA=="},
        "metadata": {"name": "s", "managedFields": [1]},
    }
    outputs = to_outputs(live, {"stringData": {"a": "x"}}, SECRET, "footplate", "v1")
    assert outputs["data"] == Secret({"a": "eA=="})
    assert outputs["metadata"] == {"name": "s"}
    assert (outputs["__fieldManager"], outputs["__initialApiVersion"]) == ("footplate", "v1")


@pytest.mark.parametrize(
    ("kind", "old", "new", "replaces"),
    [
        (Kind("apps/v1", "Deployment"), {"spec": {"replicas": 1}}, {"spec": {"replicas": 2}}, False),
        (Kind("apps/v1", "Deployment"), {"spec": {"selector": {"a": 1}}}, {"spec": {"selector": {"a": 2}}}, True),
        (Kind("batch/v1", "Job"), {"spec": {"template": {"x": 1}}}, {"spec": {"template": {"x": 2}}}, True),
        (Kind("batch/v1", "Job"), {"spec": {"suspend": True}}, {"spec": {"suspend": False}}, False),
        (
            Kind("v1", "Pod"),
            {"spec": {"containers": [{"name": "a", "image": "1"}]}},
            {"spec": {"containers": [{"name": "a", "image": "2"}]}},
            True,
        ),
        (Kind("v1", "Pod"), {"metadata": {"labels": {"a": "1"}}}, {"metadata": {"labels": {"a": "2"}}}, False),
        (
            Kind("rbac.authorization.k8s.io/v1", "RoleBinding"),
            {"roleRef": {"name": "a"}},
            {"roleRef": {"name": "b"}},
            True,
        ),
        (CONFIG_MAP, {"data": {"a": "1"}}, {"data": {"a": "2"}}, True),
        (CONFIG_MAP, {"metadata": {"namespace": "a"}}, {"metadata": {"namespace": "b"}}, True),
        (
            Kind("v1", "Namespace", patch=True),
            {"metadata": {"labels": {}}},
            {"metadata": {"labels": {"a": "b"}}},
            False,
        ),
    ],
)
def test_which_changes_cannot_be_made_in_place(kind: Kind, old: Any, new: Any, replaces: bool) -> None:
    changes = compare(old, new)
    patterns = fixed.fixed_fields(kind, mutable_config_map=False, mutable_secret=False, frozen=False)
    patterns += [c.path for c in changes if fixed.is_fixed(kind, c.path)]
    assert any(c.forces_replacement for c in forcing(changes, patterns)) is replaces


def test_config_maps_change_in_place_where_the_provider_says_so_unless_they_are_frozen() -> None:
    data = paths.parse("data")
    assert data not in fixed.fixed_fields(CONFIG_MAP, mutable_config_map=True, mutable_secret=False, frozen=False)
    assert data in fixed.fixed_fields(CONFIG_MAP, mutable_config_map=True, mutable_secret=False, frozen=True)
    assert data not in fixed.fixed_fields(SECRET, mutable_config_map=False, mutable_secret=True, frozen=False)


@pytest.mark.parametrize(
    ("message", "immutable"),
    [
        ('Service "x" is invalid: spec.clusterIP: Invalid value: "None": field is immutable', True),
        (
            "PersistentVolumeClaim is invalid: spec: Forbidden: spec is immutable after creation except resources.requests",
            True,
        ),
        (
            "StatefulSet is invalid: spec: Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden",
            True,
        ),
        ("RoleBinding is invalid: roleRef: Invalid value: cannot change roleRef", True),
        (
            "Pod is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`",
            True,
        ),
        ("Deployment is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0", False),
    ],
)
def test_the_servers_words_for_what_cannot_change(message: str, immutable: bool) -> None:
    assert fixed.immutable(message) is immutable


LIVE: dict[str, Any] = {
    "kind": "Deployment",
    "metadata": {
        "name": "web",
        "uid": "1",
        "resourceVersion": "7",
        "managedFields": [
            {
                "manager": "footplate",
                "operation": "Apply",
                "time": "1",
                "fieldsV1": {
                    "f:spec": {
                        "f:paused": {},
                        "f:template": {"f:containers": {'k:{"name":"main"}': {".": {}, "f:image": {}}}},
                    }
                },
            },
            {"manager": "kubectl", "operation": "Update", "time": "3", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
            {"manager": "hpa", "operation": "Update", "time": "2", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        ],
    },
    "spec": {"replicas": 5, "paused": False, "template": {"containers": [{"name": "main", "image": "a"}]}},
    "status": {"replicas": 5},
}


def test_who_changed_a_field_is_known() -> None:
    assert objects.other_owner(LIVE, ("spec", "replicas"), "footplate") == "kubectl"
    assert objects.owns(LIVE, ("spec", "template", "containers", 0, "image"), "footplate")
    assert not objects.owns(LIVE, ("spec", "replicas"), "footplate")
    assert objects.applied_by(LIVE, "footplate")
    assert not objects.applied_by(LIVE, "kubectl")


def test_bookkeeping_and_status_are_no_drift() -> None:
    later = {**LIVE, "status": {}, "metadata": {"name": "web", "uid": "2", "resourceVersion": "9", "generation": 3}}
    assert objects.same(LIVE, later)
    assert not objects.same(LIVE, {**later, "spec": {}})


def test_drift_is_told_from_what_the_program_asks() -> None:
    wanted = {**LIVE, "spec": {**LIVE["spec"], "replicas": 2, "paused": True}}
    changes = objects.changes_between(
        LIVE, wanted, old_inputs={"spec": {"paused": False}}, new_inputs={"spec": {"paused": True}}, manager="footplate"
    )
    assert {c.path: c.note for c in changes} == {
        ("spec", "replicas"): "changed in the cluster by kubectl",
        ("spec", "paused"): "",
    }


def test_ignored_fields_stay_as_they_are_and_with_whom_they_are() -> None:
    wanted = {"spec": {"replicas": 1, "paused": True}}
    ignored = [paths.parse("spec.replicas"), paths.parse("spec.paused")]
    # Somebody else's is left out; our own keeps the value it has.
    assert objects.keep_ignored(wanted, LIVE, ignored, "footplate") == {"spec": {"paused": False}}


def test_changes_of_secret_data_are_masked() -> None:
    changes = compare({"data": {"a": "x"}, "type": "Opaque"}, {"data": {"a": "y"}, "type": "Other"})
    shown = {c.path: (c.old, c.new) for c in objects.masked_changes(changes, True, {}, {})}
    assert shown[("data", "a")] == (Secret("x"), Secret("y"))
    assert shown[("type",)] == ("Opaque", "Other")
    env = compare({"env": "x"}, {"env": "y"})
    (change,) = objects.masked_changes(env, False, {"env": Secret("x")}, {"env": Secret("y")})
    assert change.new == Secret("y")


def test_refresh_takes_drift_into_the_inputs_and_leaves_normal_forms_alone() -> None:
    inputs = {"spec": {"cpu": "1000m", "replicas": 2, "gone": "x", "token": Secret("a")}}
    before = {"spec": {"cpu": "1", "replicas": 2, "gone": "x", "token": "a", "default": True}}
    now = {"spec": {"cpu": "1", "replicas": 7, "token": "b", "default": False}}
    assert observed(inputs, before, now) == {"spec": {"cpu": "1000m", "replicas": 7, "token": Secret("b")}}


def kubeconfig(server: str, ca: str = "x") -> str:
    return f"""
apiVersion: v1
current-context: dev
clusters: [{{name: c, cluster: {{server: "{server}", certificate-authority-data: {ca}}}}}]
contexts: [{{name: dev, context: {{cluster: c, user: u}}}}]
users: [{{name: u, user: {{token: t}}}}]
"""


def test_another_cluster_makes_another_provider(tmp_path: Path) -> None:
    one, two = {"kubeconfig": kubeconfig("https://a")}, {"kubeconfig": kubeconfig("https://b")}
    assert forcing_keys("kubernetes", one, two) == ["kubeconfig"]
    # Other credentials for the same cluster do not.
    assert forcing_keys("kubernetes", one, {"kubeconfig": one["kubeconfig"].replace("token: t", "token: new")}) == []
    path = tmp_path / "kubeconfig"
    path.write_text(one["kubeconfig"])
    assert forcing_keys("kubernetes", one, {"kubeconfig": str(path)}) == []
    assert forcing_keys("kubernetes", one, {"kubeconfig": Unknown}) == ["kubeconfig"]
    same = {"clusterIdentifier": "prod"}
    assert forcing_keys("kubernetes", {**one, **same}, {**two, **same}) == []
    assert forcing_keys("kubernetes", {**one, **same}, {**one, "clusterIdentifier": "dev"}) == ["clusterIdentifier"]


def test_a_clouds_provider_is_another_one_in_another_place_alone() -> None:
    one = {"region": "us-east-2", "defaultTags": '{"tags": {"owner": "a"}}'}
    assert forcing_keys("aws", one, {**one, "defaultTags": '{"tags": {"owner": "b"}}'}) == []
    assert forcing_keys("aws", one, {**one, "region": "eu-west-1"}) == ["region"]
    assert forcing_keys("gcp", {"project": "a"}, {"project": "b", "zone": "c"}) == ["project"]
    assert forcing_keys("random", {"a": 1}, {"a": 2}) == ["a"]


def test_the_provider_is_configured_by_arguments_then_environment() -> None:
    settings = settings_of(
        {"enableConfigMapMutable": "true", "namespace": "team"}, {"PULUMI_K8S_ENABLE_SECRET_MUTABLE": "1"}
    )
    assert settings is not None
    assert (settings.mutable_config_maps, settings.mutable_secrets, settings.upsert) == (True, True, False)
    assert settings_of({"kubeconfig": Unknown}) is None
    with pytest.raises(Unsupported, match="renderYamlToDirectory"):
        settings_of({"renderYamlToDirectory": "out"}, {})
    with pytest.raises(Unsupported, match="enableServerSideApply"):
        settings_of({"enableServerSideApply": "false"}, {})


async def test_a_newer_default_provider_takes_over_what_the_older_one_made() -> None:
    prefix = "urn:pulumi:d::p::pulumi:providers:kubernetes::default"
    old = Resource(f"{prefix}_4_33_0", True, "pulumi:providers:kubernetes", id="1", inputs={"version": "4.33.0"})
    new = Resource(f"{prefix}_4_34_2", True, "pulumi:providers:kubernetes", id="2", inputs={"version": "4.34.2"})
    registry = Registry([old], asyncio.Event())
    registry.register(new)
    assert not registry.changed(f"{old.urn}::1", f"{new.urn}::2")
    moved = Resource(new.urn, True, new.type, id="2", inputs={"clusterIdentifier": "b"})
    registry.register(moved)
    elsewhere = Registry([msgspec.structs.replace(old, inputs={"clusterIdentifier": "a"})], asyncio.Event())
    elsewhere.register(moved)
    assert elsewhere.changed(f"{old.urn}::1", f"{moved.urn}::2")


def test_default_providers_are_named_as_pulumi_names_them() -> None:
    assert default_name("4.34.2") == "default_4_34_2"
    assert default_name("1.0.0-alpha.1") == "default_1_0_0_alpha_1"
    assert default_name("") == "default"
    assert provider_inputs({"context": "x"}, "4.34.2") == {"context": "x", "__internal": {}, "version": "4.34.2"}
