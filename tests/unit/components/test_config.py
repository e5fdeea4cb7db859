"""Every wrong config is refused by a sentence that names path, value and remedy."""

import re
from datetime import date
from typing import Any

import pytest

from components.config import ConfigError, parse

TODAY = date(2026, 1, 1)


def pool(**fields: Any) -> dict[str, Any]:
    return {"gpuPools": [{"name": "train", "gpu": "H100", "maxNodes": 4, "count": 8, **fields}]}


def team(**quota: Any) -> dict[str, Any]:
    return {"teams": [{"name": "a", "quota": quota}]}


CLOUD: dict[str, Any] = {
    "provider": "aws",
    "account": "111122223333",
    "region": "us-east-2",
    "zones": ["us-east-2a", "us-east-2b"],
    "storage": {"bucketPrefix": "acme"},
}

LOCAL = [
    ({"teams": [{"name": "a", "qouta": {}}]}, "teams[0]: there is no field 'qouta'; did you mean 'quota'?"),
    (team(gpus=1), "teams[0].quota: there is no field 'gpus'; did you mean 'gpu'?"),
    ({"teams": [{"name": "A team"}]}, "teams[0].name: expected lower-case letters, .*, not 'A team'"),
    ({"teams": [{}]}, "teams[0]: 'name' is missing: add it"),
    ({"teams": {"name": "a"}}, "teams: expected a list, not a mapping"),
    ({"teams": [{"name": "a", "members": [""]}]}, "teams[0].members[0]: expected .*, not ''"),
    ({"teams": [{"name": "a"}, {"name": "a"}]}, "teams: two teams are named a: rename or remove one"),
    (team(cpu="many"), "teams[0].quota.cpu: expected a Kubernetes quantity such as .*, not 'many'"),
    (team(pods=-1), "teams[0].quota.pods: expected a whole number, 0 or more, not -1"),
    (team(gpuTypes={"H10": 1}), "teams[0].quota.gpuTypes: there is no GPU 'H10'; did you mean 'H100'?"),
    (team(gpuTypes={"H100": -1}), "teams[0].quota.gpuTypes.H100: expected a whole number, 0 or more, not -1"),
    ({"queueing": "kueu"}, "queueing: there is no 'kueu'; did you mean 'kueue'?"),
    ({"provider": "azure"}, "provider: there is no 'azure'; known are local, aws, gcp"),
    ({"controllers": {"replicas": 0}}, "controllers.replicas: expected 1 to 5, not 0"),
    ({"controllers": {"replicas": "2"}}, "controllers.replicas: expected a whole number, not '2'"),
    ({"objectStore": {"uri": "ftp://x"}}, "objectStore.uri: expected s3://bucket/prefix or gs://.*, not 'ftp://x'"),
    (
        {"environments": [{"name": "a", "image": "i"}, {"name": "a", "image": "j"}]},
        "environments: two environments are named a",
    ),
    ({"gpuPool": []}, "footplate: there is no field 'gpuPool'; did you mean 'gpuPools'?"),
]

IN_A_CLOUD = [
    ({"account": ""}, "account: is missing: provider aws needs it"),
    ({"region": ""}, "region: is missing: provider aws needs it, such as us-east-2"),
    ({"zones": []}, "zones: is empty: list the zones"),
    ({"zones": ["us-east-1a"]}, "zones[0]: 'us-east-1a' is no zone of region 'us-east-2': correct either"),
    ({"zones": ["us-east-2a", "us-east-2a"]}, "zones: two zones are named us-east-2a"),
    ({"zones": "us-east-2a"}, "zones: expected a list, not 'us-east-2a'"),
    ({"name": "Prod"}, "name: expected .*, not 'Prod'"),
    ({"labels": {"Team": "a"}}, "labels: expected lower-case letters, .* takes as a label, not 'Team'"),
    ({"labels": {"team": "A b"}}, "labels.team: expected lower-case letters, .*, not 'A b'"),
    ({"labels": {"team": 3}}, "labels.team: expected text (in quotes .*), not 3"),
    ({"network": {"cidr": "10.0.0.0"}}, "network.cidr: expected an IPv4 range such as .*, not '10.0.0.0'"),
    ({"network": {"cidr": "10.64.0.1/16"}}, "network.cidr: '10.64.0.1/16' is no network (.*): write its first address"),
    ({"network": {"cidr": "10.64.0.0/26"}}, "network.cidr: '10.64.0.0/26' is too small for a cluster: a /22 at least"),
    (
        {"network": {"cidr": "10.0.0.0/16", "serviceCidr": "10.0.128.0/20"}},
        "network.serviceCidr: '10.0.128.0/20' overlaps network.cidr (10.0.0.0/16): choose another",
    ),
    ({"network": {"podCidr": "10.64.0.0/16"}}, "network.podCidr: '10.64.0.0/16' overlaps network.cidr"),
    ({"network": {"egress": "none"}}, "network.egress: there is no 'none'; known are nat, closed"),
    ({"kubernetes": {"version": 1.34}}, "kubernetes.version: expected text (in quotes .*), not 1.34"),
    ({"kubernetes": {"version": "v1.34"}}, "kubernetes.version: expected major and minor, .*, not 'v1.34'"),
    (
        {"kubernetes": {"endpoint": {"public": True}}},
        "kubernetes.endpoint.cidrs: is empty: name who reaches the public endpoint",
    ),
    (
        {"kubernetes": {"endpoint": {"public": True, "cidrs": ["0.0.0.0/0"]}}},
        "kubernetes.endpoint.cidrs[0]: '0.0.0.0/0' admits everybody: name the ranges",
    ),
    (
        {"kubernetes": {"endpoint": {"cidrs": ["192.0.2.0/24"]}}},
        "kubernetes.endpoint.public: is false, so endpoint.cidrs admit nobody",
    ),
    (
        {"kubernetes": {"systemNodes": {"minNodes": 5, "maxNodes": 2}}},
        "kubernetes.systemNodes.minNodes: 5 is more than maxNodes, 2: lower it or raise that",
    ),
    (
        {"kubernetes": {"systemNodes": {"minNodes": 0}}},
        "kubernetes.systemNodes.minNodes: is 0: the platform itself needs 1",
    ),
    (
        {"kubernetes": {"cpuNodes": {"memroy": "1Gi"}}},
        "kubernetes.cpuNodes: there is no field 'memroy'; did you mean 'memory'?",
    ),
    (pool(gpu="H10"), "gpuPools[0].gpu: there is no GPU 'H10'; did you mean 'H100'?"),
    (pool(gpu="TPU"), "gpuPools[0].gpu: there is no GPU 'TPU'; known are T4"),
    (pool(name="Train"), "gpuPools[0].name: expected lower-case letters, .*, not 'Train'"),
    (pool(count=0), "gpuPools[0].count: expected GPUs of one node, 1 to 16, not 0"),
    (pool(count="8"), "gpuPools[0].count: expected a whole number, not '8'"),
    (pool(minNodes=5), "gpuPools[0].minNodes: 5 is more than maxNodes, 4: lower it or raise that"),
    (pool(maxNodes=0), "gpuPools[0].maxNodes: expected 1 to 1000, not 0"),
    (
        pool(zones=["us-east-2c"]),
        "gpuPools[0].zones[0]: 'us-east-2c' is none of footplate:zones (us-east-2a, us-east-2b)",
    ),
    (pool(capacity=[]), "gpuPools[0].capacity: expected at least one step, not a list"),
    (pool(capacity=[{"kind": "spt"}]), "gpuPools[0].capacity[0].kind: there is no 'spt'; did you mean 'spot'?"),
    (
        pool(capacity=[{"kind": "reservation", "expires": "2027-01-01"}]),
        "gpuPools[0].capacity[0].reservation: is missing: name the reservation",
    ),
    (
        pool(capacity=[{"kind": "reservation", "reservation": "cr-1"}]),
        "gpuPools[0].capacity[0].expires: is missing: the day on which",
    ),
    (
        pool(capacity=[{"kind": "reservation", "reservation": "cr-1", "expires": "2025-06-30"}]),
        "gpuPools[0].capacity[0].expires: 2025-06-30 is past: remove the step, or renew",
    ),
    (
        pool(capacity=[{"kind": "flex", "expires": "soon"}]),
        "gpuPools[0].capacity[0].expires: expected a date such as 2027-06-30, not 'soon'",
    ),
    (
        pool(capacity=[{"kind": "spot", "reservation": "cr-1"}]),
        "gpuPools[0].capacity[0].kind: 'spot' has no reservation and does not expire",
    ),
    (pool(capacity=[{"kind": "spot"}, {"kind": "spot"}]), "gpuPools[0].capacity: has a step twice"),
    (pool(labels={"kubernetes.io/arch": "x"}), "gpuPools[0].labels: 'kubernetes.io/arch' is not the stack's to set"),
    (pool(taints=[{"key": "a", "effect": "Never"}]), "gpuPools[0].taints[0].effect: there is no 'Never'; known are"),
    (pool(sharing={"mode": "mps"}), "gpuPools[0].sharing.replicas: 1 shares nothing: 2 at least"),
    (
        pool(sharing={"mode": "mps", "replicas": 2, "profile": "1g.10gb"}),
        "gpuPools[0].sharing.profile: is for mig: remove it",
    ),
    (
        pool(sharing={"mode": "mig", "profile": "1g.10g"}),
        "gpuPools[0].sharing.profile: H100 has no MIG profile '1g.10g'; did you mean '1g.10gb'?",
    ),
    (
        pool(sharing={"mode": "mig", "profile": "1g.10gb", "replicas": 2}),
        "gpuPools[0].sharing.replicas: is for time-slicing and mps",
    ),
    (
        pool(gpu="L4", sharing={"mode": "mig", "profile": "1g.10gb"}),
        "gpuPools[0].sharing.mode: L4 has no MIG: use time-slicing or mps",
    ),
    (
        pool(fabric=True, sharing={"mode": "mps", "replicas": 2}),
        "gpuPools[0].fabric: a fabric joins whole GPUs: remove",
    ),
    ({"idle": {"timeout": "soon"}}, "idle.timeout: expected a duration such as .*, not 'soon'"),
    (
        {"idle": {"gpuTimeout": "1h", "warnbefore": "5m"}},
        "idle: there is no field 'warnbefore'; did you mean 'warnBefore'?",
    ),
    (
        {"teams": [{"name": "a", "idle": {"gpuTimeouts": {"H100": 30}}}]},
        "teams[0].idle.gpuTimeouts.H100: expected text .*, not 30",
    ),
    (pool(scaleDownAfter="soon"), "gpuPools[0].scaleDownAfter: expected a duration such as .*, not 'soon'"),
    (pool(bootDisk="big"), "gpuPools[0].bootDisk: expected a Kubernetes quantity .*, not 'big'"),
    (
        {"gpuPools": [pool()["gpuPools"][0], pool()["gpuPools"][0]]},
        "gpuPools: two pools are named train: rename or remove one",
    ),
    (pool() | team(gpu=33), "teams[0].quota.gpu: 33 is more than the pools have at most, 32: lower it"),
    (pool() | team(gpuTypes={"L4": 1}), "teams[0].quota.gpuTypes.L4: 1 is more than the pools have at most, 0"),
    ({"storage": {}}, "storage.bucketPrefix: is missing: buckets share one namespace"),
    ({"storage": {"bucketPrefix": "Acme"}}, "storage.bucketPrefix: expected lower-case letters, .*, not 'Acme'"),
    (
        {"storage": {"bucketPrefix": "acme", "lifecycle": {"checkpoints": 0}}},
        "storage.lifecycle.checkpoints: expected days, 1 to 3650, not 0",
    ),
    ({"scratch": {"zone": "us-east-2f"}}, "scratch.zone: 'us-east-2f' is none of footplate:zones"),
    ({"scratch": {"size": "1200"}}, "scratch.size: '1200' is less than 1Gi: give the size with its unit"),
    ({"sharedFilesystem": {"size": "lots"}}, "sharedFilesystem.size: expected a Kubernetes quantity .*, not 'lots'"),
    ({"ingress": {"public": True}}, "ingress: 'domain' is missing: add it"),
    ({"ingress": {"domain": "ml"}}, "ingress.domain: expected a domain such as ml.example.com, not 'ml'"),
    ({"ingress": {"domain": "ml.example.com", "public": True}}, "ingress.cidrs: is empty: name who reaches"),
    ({"offload": {"enabled": "yes"}}, "offload.enabled: expected true or false, not 'yes'"),
    ({"observability": {"retention": 0}}, "observability.retention: expected days, 1 to 3650, not 0"),
    ({"addons": {"kubeRai": True}}, "addons: there is no field 'kubeRai'; did you mean 'kubeRay'?"),
]


def refused(raw: dict[str, Any], message: str) -> None:
    pattern = re.escape(message).replace(r"\.\*", ".*")
    if not message.startswith("footplate"):
        pattern = f"footplate:{pattern}"
    with pytest.raises(ConfigError, match=f"(?m)^{pattern}"):
        parse(raw, TODAY)


@pytest.mark.parametrize(("raw", "message"), LOCAL)
def test_a_wrong_config_names_path_value_and_remedy(raw: dict[str, Any], message: str) -> None:
    refused(raw, message)


@pytest.mark.parametrize(("raw", "message"), IN_A_CLOUD)
def test_a_wrong_config_of_a_cloud_does_too(raw: dict[str, Any], message: str) -> None:
    refused({**CLOUD, **raw}, message)


def test_what_relates_wrongly_is_told_at_once() -> None:
    raw = {**CLOUD, **pool(minNodes=9, zones=["us-east-2c"]), "ingress": {"domain": "a.example", "public": True}}
    with pytest.raises(ConfigError) as error:
        parse(raw, TODAY)
    assert [line.partition(": ")[0] for line in str(error.value).splitlines()] == [
        "footplate:gpuPools[0].minNodes",
        "footplate:gpuPools[0].zones[0]",
        "footplate:ingress.cidrs",
    ]


def test_an_empty_config_is_a_platform_without_teams() -> None:
    config = parse({}, TODAY)
    assert config.provider == "local"
    assert config.teams == ()
    assert config.controllers.replicas == 2
    assert config.network is None


def test_a_reservation_counts_until_its_day() -> None:
    raw = {**CLOUD, **pool(capacity=[{"kind": "reservation", "reservation": "cr-1", "expires": "2026-01-02"}])}
    assert parse(raw, TODAY).gpu_pools[0].capacity[0].expires == date(2026, 1, 2)
    with pytest.raises(ConfigError, match="is past"):
        parse(raw, date(2026, 1, 2))
