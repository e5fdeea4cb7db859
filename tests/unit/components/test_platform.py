import json
from collections.abc import Callable
from datetime import date

import pulumi
import pulumi_kubernetes as kubernetes
import pytest
from pulumi.runtime import rpc

from components.config import parse
from components.foundation import Foundation
from components.platform import Platform
from footplate.api import admission, crds
from footplate.api.platform import from_config_map_data
from providers.contract import (
    Cluster,
    ClusterSpec,
    ObjectStore,
    ObjectStoreSpec,
    Registry,
    RegistrySpec,
    Site,
    StandardImage,
)
from providers.local import LocalProvider
from tests.unit.conftest import Registered

Register = Callable[[Callable[[], object]], Registered]

TODAY = date(2026, 1, 1)

CONFIG = {
    "teams": [
        {"name": "research", "members": ["ada", "group:vision"], "admins": ["grace"], "quota": {"gpu": 8, "cpu": "64"}},
        {"name": "speech", "idle": {"gpuTimeouts": {"H100": "20m"}}},
    ],
    "idle": {"timeout": "3h"},
    "allowedImages": ["registry.example/vision/*"],
    "maximum": {"gpu": 8},
    "environments": [{"name": "own", "image": "registry.example/own@sha256:00"}],
}


class Cloud(LocalProvider):
    """A provider whose answers are fixed."""

    def __init__(self, credentials: dict[str, pulumi.Input[str]]) -> None:
        super().__init__(Site("test"), {})
        self.credentials = credentials

    def cluster(self, spec: ClusterSpec, opts: pulumi.ResourceOptions) -> Cluster:
        return Cluster(kubernetes.Provider(spec.name, opts=opts))

    def object_store(self, spec: ObjectStoreSpec, opts: pulumi.ResourceOptions) -> ObjectStore:
        uris = {team: f"s3://bucket/{team}" for team in spec.teams}
        return ObjectStore("s3://bucket/state", uris, "http://store", credentials=self.credentials)

    def registry(self, spec: RegistrySpec, opts: pulumi.ResourceOptions) -> Registry:
        return Registry("image/platform:1", {"jupyter": StandardImage("image/jupyter:1", "JupyterLab", "Notebooks.")})


def foundation() -> Foundation:
    return Foundation(ClusterSpec("cluster"), Cluster(kubernetes.Provider("cluster")))


@pytest.fixture
def platform(register: Register) -> Registered:
    keys: dict[str, pulumi.Input[str]] = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key"}
    return register(lambda: Platform("platform", parse(CONFIG, TODAY), Cloud(keys), foundation()))


def test_a_team_is_a_closed_namespace(platform: Registered) -> None:
    metadata = platform.of("core/v1:Namespace")["research"]["metadata"]
    assert metadata["name"] == "team-research"
    assert metadata["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    deny = platform.of(":NetworkPolicy")["research-default-deny"]["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    names = platform.of(":NetworkPolicy")["research-allow-names"]["spec"]["egress"][0]
    assert names["to"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}]
    assert {(port["port"], port["protocol"]) for port in names["ports"]} == {(53, "UDP"), (53, "TCP")}


def test_pods_of_teams_reach_the_collector_and_no_metrics(platform: Registered) -> None:
    service = platform.of("core/v1:Service")["footplate-collector"]["spec"]
    assert service == {"ports": [{"name": "http", "port": 8081}]}, "the leader writes its one address"
    policy = platform.of(":NetworkPolicy")["footplate-controllers"]["spec"]
    from_teams, from_others = policy["ingress"]
    team = {"matchExpressions": [{"key": "footplate.dev/team", "operator": "Exists"}]}
    assert from_teams == {"from": [{"namespaceSelector": team}], "ports": [{"port": 8081}]}
    assert from_others["from"][0]["namespaceSelector"]["matchExpressions"][0]["operator"] == "DoesNotExist"
    out = platform.of(":NetworkPolicy")["research-allow-reports"]["spec"]
    assert out["egress"][0]["ports"] == [{"port": 8081}]


def test_thresholds_of_idleness_reach_the_controllers_by_platform_and_team(platform: Registered) -> None:
    data = platform.of("core/v1:ConfigMap")["footplate-platform"]["data"]
    settings = from_config_map_data(data)
    assert settings.idle.timeout == "3h"
    assert {team.name: team.idle.gpu_timeouts for team in settings.teams} == {"research": {}, "speech": {"H100": "20m"}}


def test_members_and_workspaces_have_the_member_role_in_their_team_alone(platform: Registered) -> None:
    subjects = platform.of(":RoleBinding")["research-members"]["subjects"]
    assert [(s["kind"], s["name"]) for s in subjects] == [
        ("ServiceAccount", "workspace"),
        ("User", "ada"),
        ("Group", "vision"),
    ]
    admins = platform.of(":RoleBinding")["research-admins"]
    assert (admins["roleRef"]["name"], [s["name"] for s in admins["subjects"]]) == ("footplate-team-admin", ["grace"])
    assert "speech-admins" not in platform.of(":RoleBinding")
    cluster_wide = platform.of(":ClusterRoleBinding")
    assert all(binding["roleRef"]["name"] != "footplate-member" for binding in cluster_wide.values())


def test_of_secrets_a_member_reads_the_object_store_s_keys_alone(platform: Registered) -> None:
    for role in ("footplate-member", "footplate-team-admin"):
        rules = platform.of(":ClusterRole")[role]["rules"]
        secrets = [rule for rule in rules if "secrets" in rule["resources"]]
        assert [(rule["resourceNames"], rule["verbs"]) for rule in secrets] == [(["footplate-object-store"], ["get"])]


def test_admission_is_by_the_settings_and_in_the_teams_namespaces(platform: Registered) -> None:
    settings = from_config_map_data(platform.of("core/v1:ConfigMap")["footplate-platform"]["data"])
    policies = platform.of(":ValidatingAdmissionPolicy")
    assert settings.maximum.gpu == 8
    for manifest in admission.policies(settings):
        assert policies[manifest["metadata"]["name"]]["spec"] == json.loads(json.dumps(manifest["spec"]))
    bindings = platform.of(":ValidatingAdmissionPolicyBinding")
    assert bindings.keys() == policies.keys()
    for binding in bindings.values():
        assert binding["spec"]["validationActions"] == ["Deny"]
        team = {"key": "footplate.dev/team", "operator": "Exists"}
        assert binding["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"] == [team]


def test_a_quota_counts_what_was_configured_and_no_more(platform: Registered) -> None:
    quotas = platform.of(":ResourceQuota")
    assert quotas.keys() == {"research-quota"}
    assert quotas["research-quota"]["spec"]["hard"] == {"requests.cpu": "64", "requests.nvidia.com/gpu": "8"}


def test_the_kinds_are_those_of_the_wire_types(platform: Registered) -> None:
    registered = platform.of(":CustomResourceDefinition")
    for manifest in crds.manifests():
        ours = json.loads(json.dumps(manifest["spec"]))
        assert registered[manifest["metadata"]["name"]]["spec"] == ours


def test_the_controllers_run_twice_and_restricted(platform: Registered) -> None:
    spec = platform.of(":Deployment")["footplate-controllers"]["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert spec["replicas"] == 2
    assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"livenessProbe", "readinessProbe"} <= container.keys()


def test_settings_hold_what_clients_need_and_no_secret(platform: Registered) -> None:
    data = platform.of(":ConfigMap")["footplate-platform"]["data"]
    settings = from_config_map_data(data)
    assert {team.name: team.data_uri for team in settings.teams} == {
        "research": "s3://bucket/research",
        "speech": "s3://bucket/speech",
    }
    assert settings.object_store.secret_name == "footplate-object-store"
    assert "key" not in json.dumps(data).replace("Key", "")


def test_keys_are_secrets_in_the_teams_namespaces(platform: Registered) -> None:
    secrets = platform.of(":Secret")
    assert secrets.keys() == {"research-object-store", "speech-object-store"}
    for secret in secrets.values():
        assert rpc._special_sig_key in secret["stringData"], "the values must be marked as secret in the state"
        assert secret["stringData"]["value"] == {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key"}


def test_without_keys_there_is_no_secret(register: Register) -> None:
    registered = register(lambda: Platform("platform", parse(CONFIG, TODAY), Cloud({}), foundation()))
    assert registered.of(":Secret") == {}
    settings = from_config_map_data(registered.of(":ConfigMap")["footplate-platform"]["data"])
    assert settings.object_store.secret_name == ""


def test_the_catalogue_has_the_standard_and_the_stacks_own_environments(platform: Registered) -> None:
    catalogue = platform.of(":Environment")
    assert {name: inputs["spec"]["image"] for name, inputs in catalogue.items()} == {
        "jupyter": "image/jupyter:1",
        "own": "registry.example/own@sha256:00",
    }
