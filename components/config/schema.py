"""The stack's config as typed values. The parts that a cloud answers are in `providers.spec`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from footplate.api import platform
from footplate.api.platform import HomePolicy, IdlePolicy
from providers.spec import (
    Count,
    Days,
    Duration,
    GpuPool,
    Ingress,
    Kubernetes,
    LabelKey,
    LabelValue,
    Name,
    Network,
    Offload,
    Quantity,
    Scratch,
    SharedFilesystem,
    Spec,
    Storage,
)

TeamName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        max_length=40,
        description="lower-case letters, digits and hyphens, 40 characters at most",
    ),
]


class Quota(Spec, frozen=True):
    """Sums over the team's namespace; what is left out is not limited. `gpu_types`: GPUs of each type."""

    cpu: Quantity | None = None
    memory: Quantity | None = None
    gpu: Count | None = None
    gpu_types: dict[str, Count] = {}
    storage: Quantity | None = None
    pods: Count | None = None


class Idle(IdlePolicy, frozen=True, forbid_unknown_fields=True):
    """When workspaces stop by themselves, as in `footplate.api.platform`."""


class Maximum(platform.Maximum, frozen=True, forbid_unknown_fields=True):
    """What one workspace or one node of a job may ask for, as in `footplate.api.platform`."""


class Homes(HomePolicy, frozen=True, forbid_unknown_fields=True):
    """Snapshots of homes, as in `footplate.api.platform`."""


class Team(Spec, frozen=True):
    name: TeamName
    #: User names of the cluster; ``group:<name>`` admits a group.
    members: tuple[Annotated[str, Meta(min_length=1)], ...] = ()
    #: Those who may act for the others. They need not be among the members.
    admins: tuple[Annotated[str, Meta(min_length=1)], ...] = ()
    quota: Quota = Quota()
    idle: Idle = Idle()


class Environment(Spec, frozen=True):
    name: Annotated[
        str,
        Meta(
            pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$",
            max_length=63,
            description="lower-case letters, digits and hyphens, a letter first",
        ),
    ]
    image: Annotated[str, Meta(min_length=1, description="an image's reference")]
    display_name: str = ""
    description: str = ""
    gpu: bool = False
    packages: dict[str, str] = {}


class ObjectStore(Spec, frozen=True):
    #: ``s3://bucket/prefix`` or ``gs://bucket/prefix``; empty: what the provider has.
    uri: Annotated[
        str, Meta(pattern=r"^((s3|gs)://[^/]+(/.*)?)?$", description="s3://bucket/prefix or gs://bucket/prefix")
    ] = ""
    endpoint: str = ""
    region: str = "us-east-1"
    #: Of the store that is made in the cluster where there is no other: its volume, and the gateway's image.
    size: Quantity = "100Gi"
    image: Annotated[str, Meta(min_length=1)] = "docker.io/versity/versitygw:v1.8.0"


class Controllers(Spec, frozen=True):
    replicas: Annotated[int, Meta(ge=1, le=5, description="1 to 5")] = 2
    cpu: Quantity = "100m"
    memory: Quantity = "512Mi"


class Addons(Spec, frozen=True):
    """What is installed beside the platform. What GPU nodes need of drivers and plugins is there with the first pool."""

    kueue: bool = True
    kube_ray: bool = False
    monitoring: bool = True


class Observability(Spec, frozen=True):
    """`retention`, `storage` of metrics. A GPU that does nothing for `idle_gpu_after` is reported."""

    retention: Days = 15
    storage: Quantity = "50Gi"
    idle_gpu_after: Duration = "1h"
    queue_wait_alert: Duration = "4h"


class PlatformConfig(Spec, frozen=True):
    provider: Literal["local", "aws", "gcp"] = "local"
    #: Begins the names of cloud resources; empty: project and stack.
    name: Annotated[str, Meta(pattern=r"^([a-z]([-a-z0-9]*[a-z0-9])?)?$", max_length=30)] = ""
    account: str = ""
    region: str = ""
    zones: tuple[Name, ...] = ()
    labels: dict[LabelKey, LabelValue] = {}
    network: Network | None = None
    kubernetes: Kubernetes | None = None
    gpu_pools: tuple[GpuPool, ...] = ()
    storage: Storage | None = None
    shared_filesystem: SharedFilesystem | None = None
    scratch: Scratch | None = None
    ingress: Ingress | None = None
    addons: Addons | None = None
    observability: Observability = Observability()
    offload: Offload = Offload()
    cluster: Annotated[str, Meta(min_length=1)] = "default"
    context: str = ""
    kubeconfig: str = ""
    teams: tuple[Team, ...] = ()
    environments: tuple[Environment, ...] = ()
    standard_environments: tuple[str, ...] = ()
    allowed_images: tuple[str, ...] = ()
    maximum: Maximum = Maximum()
    platform_image: str = ""
    image_registry: str = ""
    queueing: Literal["auto", "kueue", "native", "none"] = "auto"
    object_store: ObjectStore = ObjectStore()
    controllers: Controllers = Controllers()
    idle: Idle = Idle()
    homes: Homes = Homes()
