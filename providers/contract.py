"""What the components ask of a provider: one typed spec in, one typed result out, the same for each cloud.

    network → cluster → gpu_pool, shared_filesystem, ingress
              object_store, registry → workload_identity → offload_target

What a stack's config says is in a spec as it was read (`providers.spec`); results are what later steps need of earlier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import pulumi
import pulumi_kubernetes as kubernetes

from footplate.api.platform import Fabric
from providers import spec as asked

#: On every node: the pool it is of.
POOL_LABEL = "footplate.dev/pool"
SYSTEM_POOL = "system"
#: Keeps all but the platform's own pods off the system nodes.
SYSTEM_TAINT = "CriticalAddonsOnly"
#: On nodes with GPUs, so that only pods that ask for one are there: they tolerate it by admission.
GPU_TAINT = "nvidia.com/gpu"


class ProviderError(pulumi.RunError):
    """The message names the config key and what to do."""


@dataclass(frozen=True)
class Site:
    """Where a stack is. `name` begins the names of its cloud resources. `account`: of AWS, or a GCP project.

    `labels` are on everything that can cost money.
    """

    name: str
    account: str = ""
    region: str = ""
    zones: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class NetworkSpec:
    """`asked` None: as the provider has it. `fabric`, `offload`: whether anything in the stack uses them."""

    name: str
    asked: asked.Network | None = None
    fabric: bool = False
    offload: bool = False


@dataclass(frozen=True)
class Network:
    """`subnets`, `public_subnets`: by zone. `fabric`: what lets nodes reach each other over the fabric.

    `ready`: what must be there before nodes can start.
    """

    id: pulumi.Input[str] = ""
    cidr: str = ""
    pod_cidr: str = ""
    service_cidr: str = ""
    subnets: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    public_subnets: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    fabric: pulumi.Input[str] | None = None
    closed: bool = False
    ready: Sequence[pulumi.Resource] = ()


@dataclass(frozen=True)
class ClusterSpec:
    """`name`: of the cluster resource in the program. `embedded`, `context`, `kubeconfig`: an existing cluster; empty: the
    provider's choice. The rest is for providers that make one.
    """

    name: str
    embedded: str = "default"
    context: str = ""
    kubeconfig: str = ""
    asked: asked.Kubernetes | None = None
    home: asked.Home | None = None
    network: Network | None = None


@dataclass(frozen=True)
class NodeGroup:
    """Nodes of one kind, as they are paid for. `capacity`: the kinds in the order in which they are tried."""

    name: str
    machine: str
    min_nodes: int
    max_nodes: int
    capacity: Sequence[str] = ("on-demand",)
    gpu: str = ""
    gpus: int = 0
    disk: str = "100Gi"


@dataclass(frozen=True)
class Cluster:
    """`id`: the cloud's name of it. `home_class`: StorageClass of homes; empty: the cluster's default one.

    `name`: of it, known before it is made. `brings`: charts (`providers.charts`) that the cloud has already. `values`: what the charts of others need
    here. `ready`: what must be there before anything is put into the cluster. `metadata_identity`: pods get their own
    identity at the metadata service's address, so it is not closed to them. `gpu_shares`: how nodes tell shares of GPUs
    apart (`footplate.api.platform`).
    """

    kubernetes: kubernetes.Provider
    name: str = ""
    id: pulumi.Input[str] = ""
    home_class: str = ""
    groups: Sequence[NodeGroup] = ()
    brings: frozenset[str] = frozenset()
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    metadata_identity: bool = False
    gpu_shares: Literal["resources", "labels"] = "resources"
    ready: Sequence[pulumi.Resource] = ()


@dataclass(frozen=True)
class GpuPoolSpec:
    """`path`: of the pool in the config, which errors name."""

    pool: asked.GpuPool
    cluster: Cluster
    network: Network
    path: str = "footplate:gpuPools"


@dataclass(frozen=True)
class GpuPool:
    """`labels`, `taints` of its nodes. `resource`: what pods ask for, such as nvidia.com/gpu; `shares` of it a GPU.

    `selector`: labels by which jobs choose it, beside the pool's and the GPU's own. `fabric`: None where it has none.
    """

    group: NodeGroup
    labels: Mapping[str, str]
    taints: Sequence[asked.Taint]
    resource: str = "nvidia.com/gpu"
    shares: int = 1
    selector: Mapping[str, str] = field(default_factory=dict[str, str])
    fabric: Fabric | None = None


@dataclass(frozen=True)
class ObjectStoreSpec:
    """`uri`, `endpoint` and `region` as configured; without `uri` the provider's own store, of `size` where that counts."""

    cluster: ClusterSpec
    teams: Sequence[str]
    uri: str = ""
    endpoint: str = ""
    region: str = "us-east-1"
    size: str = "100Gi"
    image: str = ""
    access_key: pulumi.Output[str] | None = None
    secret_key: pulumi.Output[str] | None = None
    asked: asked.Storage | None = None


@dataclass(frozen=True)
class ObjectStore:
    """`credentials`: environment variables that pods need to reach it; none where their identity suffices.

    `key`: of the cloud's key service, where the objects are encrypted with one of the stack's own. `expires`: it removes
    what is old by rules of its own.
    """

    state_uri: str
    team_uris: Mapping[str, str]
    endpoint: str = ""
    region: str = "us-east-1"
    credentials: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    key: pulumi.Input[str] | None = None
    expires: bool = False


@dataclass(frozen=True)
class SharedFilesystemSpec:
    """`shared`, `scratch`: None where the stack asks for none."""

    cluster: Cluster
    network: Network
    store: ObjectStore
    teams: Sequence[str] = ()
    shared: asked.SharedFilesystem | None = None
    scratch: asked.Scratch | None = None


@dataclass(frozen=True)
class SharedFilesystem:
    """StorageClasses; empty where there is none."""

    shared_class: str = ""
    scratch_class: str = ""


@dataclass(frozen=True)
class RegistrySpec:
    """`platform_image` as configured (empty: the standard one); `prefix` is put before the standard images' names."""

    environments: Sequence[str]
    platform_image: str = ""
    prefix: str = ""


@dataclass(frozen=True)
class StandardImage:
    reference: str
    display_name: str
    description: str
    gpu: bool = False
    packages: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Registry:
    platform_image: str
    environments: Mapping[str, StandardImage]


@dataclass(frozen=True)
class Grant:
    """`uri`: s3://bucket or gs://bucket, with a prefix or without."""

    uri: str
    access: Literal["read", "read-write"] = "read-write"


@dataclass(frozen=True)
class WorkloadIdentitySpec:
    """`name`: of a team, or of a part of the platform. Its service accounts get the grants, and `offload` where given."""

    name: str
    cluster: Cluster
    namespace: str
    service_accounts: Sequence[str]
    grants: Sequence[Grant]
    store: ObjectStore
    offload: OffloadTarget | None = None


@dataclass(frozen=True)
class WorkloadIdentity:
    """`annotations`: that the service accounts need."""

    id: pulumi.Input[str] = ""
    annotations: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])


@dataclass(frozen=True)
class OffloadTargetSpec:
    """`path`: of the config that asks for it."""

    asked: asked.Offload
    teams: Sequence[str]
    network: Network
    store: ObjectStore


@dataclass(frozen=True)
class OffloadTarget:
    """`service`: sagemaker or vertex. `identities`: team → what its jobs run as. `network`: settings that each job needs."""

    service: str
    identities: Mapping[str, pulumi.Input[str]]
    network: Mapping[str, pulumi.Input[Any]]


@dataclass(frozen=True)
class IngressSpec:
    asked: asked.Ingress
    cluster: Cluster
    network: Network


@dataclass(frozen=True)
class Ingress:
    """`ingress_class` and `annotations` of the platform's Ingress objects, which names below `domain` belong to.

    `service_annotations`: of the Services behind them.
    """

    domain: str
    ingress_class: str
    annotations: Mapping[str, pulumi.Input[str]]
    service_annotations: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    name_servers: pulumi.Input[Sequence[str]] = ()


class Provider(Protocol):
    """What cannot be had raises `ProviderError`, at preview."""

    def network(self, spec: NetworkSpec, opts: pulumi.ResourceOptions) -> Network: ...

    def cluster(self, spec: ClusterSpec, opts: pulumi.ResourceOptions) -> Cluster: ...

    def gpu_pool(self, spec: GpuPoolSpec, opts: pulumi.ResourceOptions) -> GpuPool: ...

    def object_store(self, spec: ObjectStoreSpec, opts: pulumi.ResourceOptions) -> ObjectStore: ...

    def shared_filesystem(self, spec: SharedFilesystemSpec, opts: pulumi.ResourceOptions) -> SharedFilesystem: ...

    def registry(self, spec: RegistrySpec, opts: pulumi.ResourceOptions) -> Registry: ...

    def workload_identity(self, spec: WorkloadIdentitySpec, opts: pulumi.ResourceOptions) -> WorkloadIdentity: ...

    def offload_target(self, spec: OffloadTargetSpec, opts: pulumi.ResourceOptions) -> OffloadTarget: ...

    def ingress(self, spec: IngressSpec, opts: pulumi.ResourceOptions) -> Ingress: ...
