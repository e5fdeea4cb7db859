"""What a stack registers on Google Cloud: right by the SDK, private, encrypted, labelled, and scaled by others than us."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.providers.gcp.conftest import LABELS, Built
from tests.unit.stacks.sdk_types import problems


@pytest.mark.parametrize("stack", ["everything", "closed", "inside"])
def test_every_input_is_as_the_installed_sdk_wants_it(stack: str, request: pytest.FixtureRequest) -> None:
    built: Built = request.getfixturevalue(stack)
    found = [
        f"{type_} {name}{problem}"
        for (type_, name), inputs in built.registered.resources.items()
        for problem in problems(type_, inputs)
    ]
    assert found == []


def test_the_cluster_is_private_encrypted_and_logged(closed: Built) -> None:
    (cluster,) = closed.of("container/cluster:Cluster").values()
    assert cluster["privateClusterConfig"] == {"enablePrivateNodes": True, "enablePrivateEndpoint": True}
    assert cluster["databaseEncryption"]["state"] == "ENCRYPTED"
    assert cluster["enableShieldedNodes"] is True
    assert cluster["workloadIdentityConfig"] == {"workloadPool": "acme-ml.svc.id.goog"}
    assert {"APISERVER", "SCHEDULER"} <= set(cluster["loggingConfig"]["enableComponents"])
    assert cluster["masterAuth"]["clientCertificateConfig"] == {"issueClientCertificate": False}
    assert cluster["deletionProtection"] is True


def test_a_public_endpoint_admits_the_named_ranges_and_the_nodes_alone(everything: Built) -> None:
    (cluster,) = everything.of("container/cluster:Cluster").values()
    assert cluster["privateClusterConfig"]["enablePrivateEndpoint"] is False
    blocks = [block["cidrBlock"] for block in cluster["masterAuthorizedNetworksConfig"]["cidrBlocks"]]
    assert blocks == ["10.64.0.0/17", "203.0.113.0/24"]


def test_a_cluster_stays_on_its_minor_version_in_a_channel(everything: Built) -> None:
    (cluster,) = everything.of("container/cluster:Cluster").values()
    assert cluster["minMasterVersion"] == "1.35"
    assert cluster["releaseChannel"] == {"channel": "REGULAR"}
    (exclusion,) = cluster["maintenancePolicy"]["maintenanceExclusions"]
    assert exclusion["exclusionOptions"]["scope"] == "NO_MINOR_UPGRADES"


def node_pools(built: Built) -> dict[str, dict[str, Any]]:
    return built.of(":NodePool")


def test_no_node_has_the_default_identity_an_address_or_legacy_metadata(everything: Built) -> None:
    pools = node_pools(everything)
    assert pools
    for pool in pools.values():
        config = pool["nodeConfig"]
        assert "serviceAccount" in config and "bootDiskKmsKey" in config
        assert config["metadata"]["disable-legacy-endpoints"] == "true"
        assert config["workloadMetadataConfig"] == {"mode": "GKE_METADATA"}
        assert config["shieldedInstanceConfig"]["enableIntegrityMonitoring"] is True
        assert pool["networkConfig"]["enablePrivateNodes"] is True


def test_a_ladder_is_a_node_pool_a_step_and_a_class_that_tries_them_in_order(everything: Built) -> None:
    steps = {name: pool["nodeConfig"] for name, pool in node_pools(everything).items() if name.startswith("h200")}
    names = ["h200-res-6365", "h200-flex", "h200-spot"]
    reserved, flex, spot = (steps[name] for name in names)
    assert reserved["reservationAffinity"]["values"] == ["h200-block"]
    assert flex["flexStart"] is True and flex["maxRunDuration"] == "604800s"
    assert spot["spot"] is True
    order = everything.of(":ComputeClass")["h200"]["spec"]
    assert order["priorities"] == [{"nodepools": [name]} for name in names]
    assert order["autoscalingPolicy"]["consolidationDelayMinutes"] == 10


def test_pools_scale_to_nothing_and_their_size_is_the_autoscalers(everything: Built) -> None:
    pools = node_pools(everything)
    assert pools["h100-spot"]["autoscaling"]["totalMinNodeCount"] == 0
    assert pools["l4-demand"]["autoscaling"] == {
        "totalMinNodeCount": 1,
        "totalMaxNodeCount": 4,
        "locationPolicy": "BALANCED",
    }
    assert all("nodeCount" not in pool and pool["ignoreNodeCountChanges"] for pool in pools.values())


def test_gpus_are_shared_as_gke_does_it_and_nodes_say_so(everything: Built) -> None:
    pools = {name: pool["nodeConfig"] for name, pool in node_pools(everything).items()}
    (sliced,) = pools["l4-demand"]["guestAccelerators"]
    (parts,) = pools["a100-demand"]["guestAccelerators"]
    (served,) = pools["t4-demand"]["guestAccelerators"]
    assert sliced["gpuSharingConfig"] == {"gpuSharingStrategy": "TIME_SHARING", "maxSharedClientsPerGpu": 4}
    assert parts["gpuPartitionSize"] == "1g.5gb"
    assert served["gpuSharingConfig"] == {"gpuSharingStrategy": "MPS", "maxSharedClientsPerGpu": 2}
    shares = {
        name: pools[name]["labels"].get("footplate.dev/gpu-share") for name in ("l4-demand", "a100-demand", "h200-spot")
    }
    assert shares == {"l4-demand": "fraction", "a100-demand": "1g.5gb", "h200-spot": None}


def test_a_fabric_is_further_networks_one_zone_and_close_placement(everything: Built) -> None:
    pools = node_pools(everything)
    tcpxo, rdma = pools["h100-spot"], pools["h200-flex"]
    assert tcpxo["nodeConfig"]["machineType"] == "a3-megagpu-8g"
    assert len(tcpxo["networkConfig"]["additionalNodeNetworkConfigs"]) == 8
    assert tcpxo["placementPolicy"] == rdma["placementPolicy"] == {"type": "COMPACT"}
    assert "placementPolicy" not in pools["h200-res-6365"], "a block of a reservation is close by itself"
    assert len(rdma["networkConfig"]["additionalNodeNetworkConfigs"]) == 9
    assert rdma["nodeLocations"] == ["us-central1-b"]
    roce = everything.of(":Network")["rdma-us-central1-b-roce"]
    assert roce["networkProfile"].endswith("us-central1-b-vpc-roce")
    assert "additionalNodeNetworkConfigs" not in pools["h100-slow-flex"]["networkConfig"]
    access = everything.pools["h200"].fabric
    assert access is not None and (access.gpu, access.gpus) == ("H200", 8)
    interfaces = json.loads(access.annotations["networking.gke.io/interfaces"])
    assert interfaces[0] == {"interfaceName": "eth0", "network": "default"}
    assert [one["network"] for one in interfaces[2:]] == [f"rdma-us-central1-b-roce-{n}" for n in range(8)]
    assert {one["network"] for one in interfaces[1:]} <= everything.of("networking.gke.io/v1:Network").keys()
    assert everything.pools["h100-slow"].fabric is None


def test_the_taints_that_keep_others_off_are_the_pools_own_to_tell(everything: Built) -> None:
    taints = {(taint.key, taint.value) for taint in everything.pools["l4"].taints}
    assert taints == {("nvidia.com/gpu", "present"), ("cloud.google.com/compute-class", "l4")}
    assert everything.pools["l4"].selector == {
        "cloud.google.com/compute-class": "l4",
        "footplate.dev/gpu-share": "fraction",
    }


def test_buckets_keep_versions_and_are_closed_to_the_public(everything: Built) -> None:
    buckets = everything.of(":Bucket")
    assert {bucket["name"] for bucket in buckets.values()} == {"acme-ml-test-state", "acme-ml-test-team-research"}
    for bucket in buckets.values():
        assert bucket["publicAccessPrevention"] == "enforced"
        assert bucket["uniformBucketLevelAccess"] is True
        assert bucket["versioning"] == {"enabled": True}
        assert "defaultKmsKeyName" in bucket["encryption"]
        assert bucket["forceDestroy"] is False


def test_what_has_a_lifetime_is_removed_by_its_prefix(everything: Built) -> None:
    rules = everything.of(":Bucket")["team-research"]["lifecycleRules"]
    by_prefix = {
        rule["condition"]["matchesPrefixes"][0]: (rule["action"]["type"], rule["condition"]["age"])
        for rule in rules
        if "matchesPrefixes" in rule["condition"]
    }
    assert by_prefix == {
        "checkpoints/": ("Delete", 30),
        "outputs/": ("Delete", 90),
        "data/": ("SetStorageClass", 60),
    }
    (expiry,) = (
        rule for rule in everything.of(":Bucket")["state"]["lifecycleRules"] if "matchesPrefixes" in rule["condition"]
    )
    assert (expiry["condition"]["matchesPrefixes"], expiry["condition"]["age"]) == (["jobs/"], 90)


def test_a_closed_network_leads_to_googles_own_addresses_alone(closed: Built) -> None:
    assert closed.of(":RouterNat") == {}
    (route,) = closed.of(":Route").values()
    assert route["destRange"] == "199.36.153.4/30"
    assert closed.of("compute/network:Network")["ml-test"]["deleteDefaultRoutesOnCreate"] is True
    denied = closed.of(":Firewall")["deny-outside"]
    assert (denied["direction"], denied["destinationRanges"]) == ("EGRESS", ["0.0.0.0/0"])
    upstreams = {name for name, one in closed.of(":Repository").items() if one["mode"] == "REMOTE_REPOSITORY"}
    assert {"docker", "nvcr", "kubernetes", "quay", "ghcr"} == upstreams


def test_a_public_ingress_lets_the_named_ranges_in_and_nobody_else(everything: Built) -> None:
    (policy,) = everything.of(":SecurityPolicy").values()
    assert [rule["action"] for rule in policy["rules"]] == ["allow", "deny(403)"]
    assert policy["rules"][0]["match"]["config"]["srcIpRanges"] == ["203.0.113.0/24"]


def test_an_ingress_inside_has_its_load_balancer_in_the_network(inside: Built) -> None:
    assert inside.of(":SecurityPolicy") == {}
    assert inside.of(":Subnetwork")["proxies"]["purpose"] == "REGIONAL_MANAGED_PROXY"
    assert inside.of(":ManagedZone") == {}, "the zone that is there is used"


#: Type → where its labels are. What is billed has them.
LABELLED = {
    "gcp:container/cluster:Cluster": "resourceLabels",
    "gcp:storage/bucket:Bucket": "labels",
    "gcp:kms/cryptoKey:CryptoKey": "labels",
    "gcp:artifactregistry/repository:Repository": "labels",
    "gcp:lustre/instance:Instance": "labels",
    "gcp:gkebackup/backupPlan:BackupPlan": "labels",
    "gcp:dns/managedZone:ManagedZone": "labels",
}


def test_what_costs_money_has_the_stacks_labels(everything: Built) -> None:
    labelled = [
        (name, inputs[LABELLED[type_]])
        for (type_, name), inputs in everything.registered.resources.items()
        if type_ in LABELLED
    ]
    labelled += [(name, pool["nodeConfig"]["resourceLabels"]) for name, pool in node_pools(everything).items()]
    assert len(labelled) > 20
    assert [name for name, found in labelled if not LABELS.items() <= found.items()] == []
