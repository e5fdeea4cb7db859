"""`footplate doctor --cloud gcp` with Google's clients, against a fake that speaks their REST."""

from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials

from footplate.client.doctor.cloud import gcp, gcp_leftovers
from footplate.client.doctor.cloud.needs import Need, Needs
from footplate.client.doctor.finding import Finding, Verdict
from footplate.costs.prices import Market
from footplate.errors import Refused
from tests.unit.doctor.wire import GoogleWire, serving

REGION = "us-central1"
READY: dict[str, Any] = {
    ":testIamPermissions": {"permissions": list(gcp.PERMISSIONS)},
    "/services:batchGet": {
        "services": [{"config": {"name": name}, "state": "ENABLED"} for name in gcp.SERVICES],
    },
    f"/regions/{REGION}": {
        "quotas": [
            {"metric": "NVIDIA_L4_GPUS", "limit": 8, "usage": 2},
            {"metric": "PREEMPTIBLE_NVIDIA_H100_GPUS", "limit": 8, "usage": 0},
            {"metric": "CPUS", "limit": 100, "usage": 0},
        ]
    },
    "/aggregated/machineTypes": {
        "items": {
            f"zones/{REGION}-a": {"machineTypes": [{"name": "g2-standard-4"}]},
            "zones/europe-west4-b": {"machineTypes": [{"name": "g2-standard-4"}]},
            f"zones/{REGION}-b": {"warning": {"code": "NO_RESULTS_ON_PAGE"}},
        }
    },
}


def examined(answers: dict[str, Any], *asked: Need, region: str = REGION) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    with serving(GoogleWire(answers)) as address:
        clients = gcp.Clients(AnonymousCredentials(), "ml", address)
        for finding in gcp.examine(clients, Needs(region, [asked] if asked else [])):
            found.setdefault(finding.check, []).append(finding)
    return found


def l4(nodes: float | None) -> Need:
    return Need("g2-standard-4", Market.ON_DEMAND, nodes)


def test_a_ready_project() -> None:
    found = examined(READY, l4(8))
    assert {finding.verdict for findings in found.values() for finding in findings} == {Verdict.OK}
    assert found["identity"][0].detail == "these credentials in project ml"
    assert found["machines"][0].detail == f"g2-standard-4 is offered in {REGION}-a"
    assert found["quotas"][0].detail == "NVIDIA_L4_GPUS: 8, of which 2 are in use; the stack's maximum is 8"


@pytest.mark.parametrize(
    ("need", "verdict", "detail"),
    [
        (l4(9), Verdict.FAILED, "NVIDIA_L4_GPUS: 8, of which 2 are in use; the stack's maximum is 9"),
        (Need("a3-highgpu-8g", Market.SPOT, 1), Verdict.OK, "PREEMPTIBLE_NVIDIA_H100_GPUS: 8"),
        (Need("a3-highgpu-8g", Market.ON_DEMAND, 1), Verdict.WARNING, "NVIDIA_H100_GPUS is not known in us-central1"),
        (Need("a3-ultragpu-8g", Market.ON_DEMAND, 1), Verdict.WARNING, "that of H200 is per GPU family"),
        (Need("e2-standard-16", Market.ON_DEMAND, 7), Verdict.FAILED, "CPUS: 100"),
        (l4(None), Verdict.WARNING, "a pool without limits can ask for more"),
    ],
)
def test_quotas_are_compared_with_what_the_stack_can_come_to(need: Need, verdict: Verdict, detail: str) -> None:
    (finding,) = examined(READY, need)["quotas"]
    assert finding.verdict is verdict
    assert detail in finding.detail


def test_a_machine_that_the_region_does_not_have_says_where_it_is() -> None:
    (finding,) = examined({**READY, "/regions/asia-east1": {}}, l4(1), region="asia-east1")["machines"]
    assert (finding.verdict, finding.detail) == (Verdict.FAILED, "g2-standard-4 is not offered in asia-east1")
    assert "it is in europe-west4-b, us-central1-a" in (finding.remedy or "")


def test_what_is_off_or_not_granted_is_named_with_its_remedy() -> None:
    services = {"services": [{"config": {"name": "container.googleapis.com"}, "state": "DISABLED"}]}
    lacking = {**READY, "/services:batchGet": services, ":testIamPermissions": {"permissions": []}}
    found = examined(lacking, l4(1))
    assert len(found["APIs"]) == len(gcp.SERVICES)
    assert "gcloud services enable container.googleapis.com --project ml" in [f.remedy for f in found["APIs"]]
    assert len(found["permissions"]) == len(gcp.PERMISSIONS)
    assert "container.clusters.create is not granted on ml: the cluster cannot be made" in [
        f.detail for f in found["permissions"]
    ]


def test_a_project_that_refuses_is_said_once() -> None:
    found = examined({":testIamPermissions": 403}, l4(1))
    assert found["identity"][0].verdict is Verdict.FAILED
    assert "Google Cloud refuses it: " in found["identity"][0].detail
    assert {findings[0].verdict for check, findings in found.items() if check != "identity"} == {Verdict.SKIPPED}


def test_what_may_not_be_looked_at_is_said_and_does_not_fail() -> None:
    found = examined({**READY, f"/regions/{REGION}": 403}, l4(1))
    assert found["quotas"][0].verdict is Verdict.WARNING
    assert found["permissions"][0].verdict is Verdict.OK


def test_without_credentials_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(Refused, match="there are no credentials for Google Cloud"):
        gcp.clients_for("ml")


def test_what_is_left_of_a_cluster_is_found_by_label_and_name() -> None:
    claim = '{"kubernetes.io/created-for/pvc/name":"home-ada","kubernetes.io/created-for/pvc/namespace":"team-x"}'
    described = {"items": [{"name": "gke-gone-all"}, {"name": "gke-alive-all"}]}
    wire = GoogleWire(
        {
            "/aggregated/forwardingRules": {
                "items": {"regions/us-central1": {"forwardingRules": [{"name": "hub", "IPAddress": "10.0.0.9"}]}}
            },
            "/aggregated/disks": {
                "items": {
                    "zones/us-central1-a": {
                        "disks": [
                            {"name": "pvc-1", "sizeGb": "200", "description": claim},
                            {"name": "pvc-2", "sizeGb": "1", "users": ["an instance"]},
                        ]
                    }
                }
            },
            "/global/firewalls": described,
            "/aggregated/networkEndpointGroups": {
                "items": {
                    "zones/us-central1-a": {
                        "networkEndpointGroups": [{"name": "neg", "annotations": {"cluster-name": "gone"}}]
                    }
                }
            },
        }
    )
    found: dict[str, list[Finding]] = {}
    with serving(wire) as address:
        for finding in gcp_leftovers.examine(gcp.Clients(AnonymousCredentials(), "ml", address), "gone"):
            found.setdefault(finding.check, []).append(finding)
    assert [f.detail for f in found["disks"]] == ["pvc-1: 200 GiB, of team-x/home-ada"]
    assert "gcloud compute disks delete pvc-1 --zone us-central1-a --project ml" in (found["disks"][0].remedy or "")
    assert [f.detail.partition(":")[0] for f in found["firewall rules"]] == ["gke-gone-all"]
    assert "--region us-central1" in (found["load balancers"][0].remedy or "")
    assert [f.detail.partition(":")[0] for f in found["endpoint groups"]] == ["neg"]
    assert found["snapshots"][0].verdict is Verdict.OK
    asked = [path for path in wire.asked if "forwardingRules" in path or "disks" in path]
    assert all("goog-k8s-cluster-name" in path for path in asked), "the cloud filters by the cluster's label"
