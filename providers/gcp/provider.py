"""The provider `gcp`: the whole contract on Google Cloud."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pulumi

from footplate.version import VERSION
from providers import spec as asked
from providers.contract import (
    Cluster,
    ClusterSpec,
    GpuPool,
    GpuPoolSpec,
    Ingress,
    IngressSpec,
    Network,
    NetworkSpec,
    ObjectStore,
    ObjectStoreSpec,
    OffloadTarget,
    OffloadTargetSpec,
    ProviderError,
    Registry,
    RegistrySpec,
    SharedFilesystem,
    SharedFilesystemSpec,
    Site,
    WorkloadIdentity,
    WorkloadIdentitySpec,
)
from providers.gcp import choosing, cluster, gpu_pools, home, network, ranges
from providers.gcp.buckets import Buckets
from providers.gcp.fabric import FabricNetworks
from providers.gcp.filesystems import Filesystems
from providers.gcp.foundation import Foundation
from providers.gcp.identity import Identities
from providers.gcp.ingress import DnsIngress
from providers.gcp.machines import Fabric
from providers.gcp.offload import Vertex
from providers.gcp.registry import Repositories
from providers.gcp.zones import REGIONS
from providers.standard_images import offered

#: Beside GKE's driver, device plugin and partitions: the operator's telemetry, and what it needs of the node.
#: Source: https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/latest/google-gke.html
GPU_OPERATOR: dict[str, Any] = {
    "driver": {"enabled": False},
    "devicePlugin": {"enabled": False},
    "migManager": {"enabled": False},
    "hostPaths": {"driverInstallDir": "/home/kubernetes/bin/nvidia"},
    "toolkit": {"installDir": "/home/kubernetes/bin/nvidia"},
    "cdi": {"enabled": True, "default": True},
}


def _today() -> date:
    return datetime.now(UTC).date()


class GcpProvider:
    """Methods are called in the contract's order; what later ones need of earlier, beyond their results, is kept here."""

    def __init__(self, site: Site, today: Callable[[], date] = _today) -> None:
        _check(site)
        self._foundation = Foundation(site)
        self._identities = Identities(self._foundation)
        self._today = today
        self._network: network.Network | None = None
        self._cluster: cluster.Cluster | None = None
        self._buckets: Buckets | None = None
        self._protect = True
        self._fabrics: dict[tuple[Fabric, str], FabricNetworks] = {}
        self._pods: list[tuple[int, int]] = []
        self._pod_cidr = ""

    @property
    def _site(self) -> Site:
        return self._foundation.site

    @property
    def _made_network(self) -> network.Network:
        assert self._network is not None, "network() comes first"
        return self._network

    def network(self, spec: NetworkSpec, opts: pulumi.ResourceOptions) -> Network:
        wanted = spec.asked or asked.Network()
        ranges.check(wanted)
        self._pod_cidr = wanted.pod_cidr
        self._network = made = network.Network(self._foundation, wanted, opts)
        return Network(
            made.vpc.id,
            wanted.cidr,
            wanted.pod_cidr,
            wanted.service_cidr,
            subnets=dict.fromkeys(self._site.zones, made.subnet.id),
            closed=made.closed,
            ready=made.ready,
        )

    def cluster(self, spec: ClusterSpec, opts: pulumi.ResourceOptions) -> Cluster:
        wanted = spec.asked or asked.Kubernetes()
        self._protect = wanted.deletion_protection
        self._take_pods(wanted.system_nodes.max_nodes, ranges.PODS)
        self._take_pods(wanted.cpu_nodes.max_nodes, ranges.PODS)
        self._cluster = made = cluster.Cluster(
            self._foundation, self._identities, wanted, self._made_network, self._today(), opts
        )
        home.Homes(self._foundation, made, spec.home or asked.Home(), opts)
        return Cluster(
            made.kubernetes,
            self._site.name,
            made.cluster.name,
            home_class=home.CLASS,
            groups=made.groups,
            values={"gpu-operator": GPU_OPERATOR},
            metadata_identity=True,
            gpu_shares="labels",
            ready=made.ready,
        )

    def gpu_pool(self, spec: GpuPoolSpec, opts: pulumi.ResourceOptions) -> GpuPool:
        assert self._cluster is not None, "the cluster comes before its pools"
        pool, path = spec.pool, spec.path
        machine = choosing.machine_for(pool, self._site.zones, path)
        zones = choosing.zones_for(pool, machine, self._site.zones, path)
        gpu_pools.check(pool, machine, zones, path)
        self._take_pods(pool.max_nodes * len(pool.capacity), ranges.GPU_PODS)
        if not machine.attaches_homes:
            pulumi.log.warn(
                f"{path}: {machine.type} takes no Persistent Disk, so workspaces with a home do not start on pool "
                f"{pool.name!r}: it is for jobs"
            )
        fabric = self._fabric(machine.fabric, zones[0], spec, opts) if pool.fabric and machine.fabric else None
        return gpu_pools.Pool(self._foundation, self._cluster.place, spec, machine, zones, fabric, opts).result

    def _fabric(self, fabric: Fabric, zone: str, spec: GpuPoolSpec, opts: pulumi.ResourceOptions) -> FabricNetworks:
        key = (fabric, zone if fabric is Fabric.RDMA else "")
        if key not in self._fabrics:
            self._fabrics[key] = FabricNetworks(self._foundation, fabric, zone, spec.cluster.kubernetes, opts)
        return self._fabrics[key]

    def _take_pods(self, nodes: int, pods: int) -> None:
        self._pods.append((nodes, pods))
        ranges.check_room(self._pod_cidr, self._pods)

    def object_store(self, spec: ObjectStoreSpec, opts: pulumi.ResourceOptions) -> ObjectStore:
        if spec.uri:
            base = spec.uri.rstrip("/")
            teams = {team: f"{base}/teams/{team}" for team in spec.teams}
            return ObjectStore(f"{base}/state", teams, spec.endpoint, spec.region, _keys(spec))
        wanted = spec.asked or asked.Storage()
        if not wanted.bucket_prefix:
            raise ProviderError(
                "footplate:storage.bucketPrefix: is missing: buckets share one namespace worldwide; such as acme-ml-prod"
            )
        self._buckets = made = Buckets(self._foundation, wanted, spec.teams, opts)
        return ObjectStore(
            f"gs://{made.name_of('state')}",
            {team: f"gs://{made.name_of(f'team-{team}')}" for team in spec.teams},
            region=self._site.region,
            key=made.key.id if made.key else None,
            expires=True,
        )

    def shared_filesystem(self, spec: SharedFilesystemSpec, opts: pulumi.ResourceOptions) -> SharedFilesystem:
        if spec.shared is None and spec.scratch is None:
            return SharedFilesystem()
        return Filesystems(self._foundation, self._made_network, spec, self._protect, opts).result

    def registry(self, spec: RegistrySpec, opts: pulumi.ResourceOptions) -> Registry:
        made = Repositories(
            self._foundation,
            self._identities,
            self._cluster.node_account.member if self._cluster else None,
            copies=self._network is not None and self._network.closed,
            protect=self._protect,
            opts=opts,
        )
        prefix = spec.prefix.rstrip("/") or made.prefix()
        return offered(spec, lambda name: f"{prefix}/{name}:{VERSION}")

    def workload_identity(self, spec: WorkloadIdentitySpec, opts: pulumi.ResourceOptions) -> WorkloadIdentity:
        described = f"Pods of {', '.join(spec.service_accounts)} in namespace {spec.namespace}."
        account = self._identities.account(spec.name, described, opts)
        self._identities.link(account, spec.namespace, spec.service_accounts, spec.name, opts)
        made = self._buckets.by_name if self._buckets else {}
        for grant in spec.grants:
            if grant.uri.startswith("gs://"):
                self._identities.on_bucket(grant, account.member, spec.name, made, opts)
        team = spec.name.removeprefix("team-")
        if spec.offload is not None and team in spec.offload.identities:
            self._identities.in_project("offload-submit", account.member, f"{spec.name}-submit", opts)
            self._identities.act_as(spec.offload.identities[team], account.member, spec.name, opts)
        return WorkloadIdentity(account.email, {"iam.gke.io/gcp-service-account": account.email})

    def offload_target(self, spec: OffloadTargetSpec, opts: pulumi.ResourceOptions) -> OffloadTarget:
        made = Vertex(self._foundation, self._identities, spec, self._made_network, self._buckets, opts)
        return OffloadTarget(
            "vertex",
            {team: account.email for team, account in made.accounts.items()},
            {"networkAttachment": made.attachment.id, "region": self._site.region},
        )

    def ingress(self, spec: IngressSpec, opts: pulumi.ResourceOptions) -> Ingress:
        return DnsIngress(self._foundation, self._identities, self._made_network, spec, opts).result


def _check(site: Site) -> None:
    if not re.fullmatch(r"([a-z0-9.-]+:)?[a-z][-a-z0-9]{4,28}[a-z0-9]", site.account):
        raise ProviderError(
            f"footplate:account: {site.account!r} is no project of Google Cloud: its id, such as acme-ml-prod, not its number"
        )
    if site.region not in REGIONS:
        raise ProviderError(
            f"footplate:region: Google Cloud has no region {site.region!r} with GPUs; it has {', '.join(sorted(REGIONS))}"
        )
    if not re.fullmatch(r"[a-z]([-a-z0-9]{0,28}[a-z0-9])?", site.name):
        raise ProviderError(
            f"footplate:name: {site.name!r} is no name for Google Cloud: lower-case letters, digits and hyphens, 30 at most"
        )


def _keys(spec: ObjectStoreSpec) -> dict[str, pulumi.Input[str]]:
    if spec.access_key is None or spec.secret_key is None:
        return {}
    return {
        "AWS_ACCESS_KEY_ID": pulumi.Output.secret(spec.access_key),
        "AWS_SECRET_ACCESS_KEY": pulumi.Output.secret(spec.secret_key),
    }
