"""A whole stack on Google Cloud, registered with Pulumi's mocks: what a preview registers, without an account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec
import pulumi
import pytest

from footplate.engine.values import Unknown
from providers import spec as asked
from providers.contract import (
    ClusterSpec,
    GpuPool,
    GpuPoolSpec,
    Grant,
    IngressSpec,
    NetworkSpec,
    ObjectStoreSpec,
    OffloadTargetSpec,
    RegistrySpec,
    SharedFilesystemSpec,
    Site,
    WorkloadIdentitySpec,
)
from providers.gcp import GcpProvider
from tests.unit.conftest import Registered, event_loop, run_program

TODAY = date(2026, 11, 24)
ZONES = ("us-central1-a", "us-central1-b", "us-central1-c")
TEAMS = ["research"]
LABELS = {"environment": "test", "cost-center": "ml"}


@dataclass
class Built:
    registered: Registered
    pools: dict[str, GpuPool]

    def of(self, type_: str) -> dict[str, dict[str, Any]]:
        return self.registered.of(type_)


def pool(**fields: Any) -> asked.GpuPool:
    return msgspec.convert({"name": "pool", "maxNodes": 4, **fields}, asked.GpuPool)


def site(**changes: Any) -> Site:
    fields: dict[str, Any] = {
        "name": "ml-test",
        "account": "acme-ml",
        "region": "us-central1",
        "zones": ZONES,
        "labels": LABELS,
    }
    return Site(**fields | changes)


def build(
    *,
    pools: Sequence[asked.GpuPool] = (),
    network: Mapping[str, Any] | None = None,
    kubernetes: Mapping[str, Any] | None = None,
    storage: Mapping[str, Any] | None = None,
    shared: Mapping[str, Any] | None = None,
    scratch: Mapping[str, Any] | None = None,
    ingress: Mapping[str, Any] | None = None,
    **place: Any,
) -> Built:
    """Everything that a provider is asked for, in the contract's order; keywords change what is asked."""
    found: dict[str, GpuPool] = {}

    def program() -> None:
        opts = pulumi.ResourceOptions()
        provider = GcpProvider(site(**place), lambda: TODAY)
        net = provider.network(NetworkSpec("network", msgspec.convert(network or {}, asked.Network)), opts)
        wanted = msgspec.convert({"version": "1.35", **(kubernetes or {})}, asked.Kubernetes)
        target = ClusterSpec("cluster", asked=wanted, home=asked.Home(), network=net)
        cluster = provider.cluster(target, opts)
        for index, one in enumerate(pools):
            found[one.name] = provider.gpu_pool(GpuPoolSpec(one, cluster, net, f"footplate:gpuPools[{index}]"), opts)
        stored = msgspec.convert({"bucketPrefix": "acme-ml-test", **(storage or {})}, asked.Storage)
        store = provider.object_store(ObjectStoreSpec(target, TEAMS, asked=stored), opts)
        provider.registry(RegistrySpec(["jupyter"]), opts)
        filesystems = SharedFilesystemSpec(
            cluster,
            net,
            store,
            TEAMS,
            msgspec.convert(shared, asked.SharedFilesystem) if shared is not None else None,
            msgspec.convert(scratch, asked.Scratch) if scratch is not None else None,
        )
        provider.shared_filesystem(filesystems, opts)
        offload = provider.offload_target(OffloadTargetSpec(asked.Offload(True), TEAMS, net, store), opts)
        grants = [Grant(store.team_uris["research"]), Grant(f"{store.state_uri}/code", "read")]
        accounts = ["workspace", "job"]
        identity = WorkloadIdentitySpec("research", cluster, "team-research", accounts, grants, store, offload)
        provider.workload_identity(identity, opts)
        if ingress is not None:
            provider.ingress(IngressSpec(msgspec.convert(ingress, asked.Ingress), cluster, net), opts)

    with event_loop():
        registered = run_program(program, preview=True)
    return Built(Registered({key: _open(inputs) for key, inputs in registered.resources.items()}), found)


def _open(value: Any) -> Any:
    """As the engine has it: what is not known before the cloud has answered, and whole numbers."""
    if isinstance(value, dict):
        return {key: _open(held) for key, held in value.items()}
    if isinstance(value, list):
        return [_open(held) for held in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return Unknown if isinstance(value, pulumi.output.Unknown) else value


EVERYTHING = (
    pool(name="h100", gpu="H100", count=8, fabric=True, capacity=[{"kind": "spot"}, {"kind": "on-demand"}]),
    pool(name="h100-slow", gpu="H100", count=8, zones=["us-central1-b"], capacity=[{"kind": "flex"}]),
    pool(
        name="h200",
        gpu="H200",
        count=8,
        fabric=True,
        zones=["us-central1-b"],
        capacity=[
            {"kind": "reservation", "reservation": "h200-block", "expires": "2027-06-30"},
            {"kind": "flex"},
            {"kind": "spot"},
        ],
    ),
    pool(name="l4", gpu="L4", sharing={"mode": "time-slicing", "replicas": 4}, minNodes=1),
    pool(name="a100", gpu="A100-40GB", sharing={"mode": "mig", "profile": "1g.5gb"}),
    pool(name="t4", gpu="T4", image="general", sharing={"mode": "mps", "replicas": 2}),
)
ADMINS = {"admins": ["group:ml@example.com", "user:ada@example.com"]}


@pytest.fixture(scope="session")
def everything() -> Built:
    """A stack that uses all there is, with a way out to the internet."""
    return build(
        pools=EVERYTHING,
        kubernetes={"endpoint": {"public": True, "cidrs": ["203.0.113.0/24"]}, **ADMINS},
        storage={"lifecycle": {"checkpoints": 30, "outputs": 90, "coldData": 60}},
        shared={},
        scratch={"size": "36000Gi"},
        ingress={"domain": "ml.example.com", "public": True, "cidrs": ["203.0.113.0/24"]},
    )


@pytest.fixture(scope="session")
def closed() -> Built:
    """One that the internet is not reached from."""
    return build(pools=EVERYTHING[3:4], network={"egress": "closed"}, kubernetes=ADMINS, shared={"performance": "fast"})


@pytest.fixture(scope="session")
def inside() -> Built:
    """One whose ingress is within the network, on homes and filesystems of the other kinds."""
    return build(ingress={"domain": "ml.example.com", "dnsZone": "example"})
