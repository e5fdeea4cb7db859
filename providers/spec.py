"""What a stack asks of a cloud, in words that fit every cloud: the parts of its config that providers answer.

A field's `Meta.description` says what is right, and ends the message about a value that is not.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from msgspec import Meta, Struct

from footplate.api import duration, quantity

Quantity = Annotated[str, Meta(pattern=quantity.PATTERN, description="a Kubernetes quantity such as 500m, 4 or 200Gi")]
Duration = Annotated[str, Meta(pattern=duration.PATTERN, description="a duration such as 90s, 30m, 12h or 7d")]
Cidr = Annotated[
    str, Meta(pattern=r"^\d{1,3}(\.\d{1,3}){3}/\d{1,2}$", description="an IPv4 range such as 10.64.0.0/16")
]
Name = Annotated[
    str,
    Meta(
        pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$",
        max_length=30,
        description="lower-case letters, digits and hyphens, a letter first, 30 characters at most",
    ),
]
LabelKey = Annotated[
    str,
    Meta(
        pattern=r"^[a-z]([-_a-z0-9]*[a-z0-9])?$",
        max_length=63,
        description="lower-case letters, digits, - and _, a letter first: what every cloud takes as a label",
    ),
]
LabelValue = Annotated[
    str,
    Meta(
        pattern=r"^[-_a-z0-9]*$",
        max_length=63,
        description="lower-case letters, digits, - and _, 63 characters at most: what every cloud takes as a label",
    ),
]
Count = Annotated[int, Meta(ge=0, description="a whole number, 0 or more")]
Days = Annotated[int, Meta(ge=1, le=3650, description="days, 1 to 3650")]


class Spec(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    pass


class Network(Spec, frozen=True):
    """`egress` closed: no way to the internet; the cloud's own services are reached over private endpoints."""

    cidr: Cidr = "10.64.0.0/16"
    #: Pods have addresses of their own range, so that nodes do not run out of theirs.
    pod_cidr: Cidr = "100.64.0.0/16"
    service_cidr: Cidr = "172.20.0.0/16"
    egress: Literal["nat", "closed"] = "nat"
    #: One NAT gateway a zone: dearer, and the loss of a zone takes no other zone's way out.
    nat_per_zone: bool = False
    flow_logs: bool = True


class Endpoint(Spec, frozen=True):
    """Of the API server. It is always reached from within the network; `cidrs` say who else reaches it."""

    public: bool = False
    cidrs: tuple[Cidr, ...] = ()


class Nodes(Spec, frozen=True):
    """Nodes without GPUs, each with so much CPU and memory at least."""

    cpu: Annotated[int, Meta(ge=2, le=128, description="CPUs of one node, 2 to 128")] = 4
    memory: Quantity = "16Gi"
    disk: Quantity = "100Gi"
    min_nodes: Count = 0
    max_nodes: Annotated[int, Meta(ge=1, le=1000, description="1 to 1000")] = 10
    spot: bool = False


class Kubernetes(Spec, frozen=True):
    """`admins`: the cloud's principals (role ARNs on AWS, group: and user: members on GCP) with all rights in the cluster."""

    version: Annotated[str, Meta(pattern=r"^1\.\d+$", description="major and minor, such as 1.35, in quotes")] = "1.35"
    endpoint: Endpoint = Endpoint()
    admins: tuple[Annotated[str, Meta(min_length=1)], ...] = ()
    audit_log_days: Days = 90
    deletion_protection: bool = True
    #: Where the platform itself runs; no workspace and no job does.
    system_nodes: Nodes = Nodes(min_nodes=2, max_nodes=4)
    #: For workspaces and jobs without GPUs.
    cpu_nodes: Nodes = Nodes(cpu=8, memory="32Gi", max_nodes=20)


class Capacity(Spec, frozen=True):
    """One step of a pool's ladder. `flex`: capacity for a limited time (flex-start on GCP, a capacity block on AWS).

    `reservation`: its id with the cloud. `expires`: the day from which the step counts no more.
    """

    kind: Literal["reservation", "flex", "spot", "on-demand"]
    reservation: str = ""
    expires: date | None = None


class Sharing(Spec, frozen=True):
    """`profile` of MIG; `replicas` a GPU of the others."""

    mode: Literal["mig", "time-slicing", "mps"]
    profile: str = ""
    replicas: Annotated[int, Meta(ge=1, le=48, description="shares of one GPU, 2 to 48")] = 1


class Taint(Spec, frozen=True):
    key: Annotated[str, Meta(min_length=1, max_length=316)]
    value: Annotated[str, Meta(max_length=63)] = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = "NoSchedule"


class GpuPool(Spec, frozen=True):
    """`gpu` × `count` a node, `min_nodes` to `max_nodes` of them, got by the first step of `capacity` that has any."""

    name: Name
    gpu: str
    max_nodes: Annotated[int, Meta(ge=1, le=1000, description="1 to 1000")]
    count: Annotated[int, Meta(ge=1, le=16, description="GPUs of one node, 1 to 16")] = 1
    min_nodes: Count = 0
    #: Of the stack's zones; all of them when empty.
    zones: tuple[str, ...] = ()
    capacity: Annotated[tuple[Capacity, ...], Meta(min_length=1, description="at least one step")] = (
        Capacity("on-demand"),
    )
    #: Nodes of one zone, close to each other, joined by the cloud's fabric (EFA, GPUDirect).
    fabric: bool = False
    sharing: Sharing | None = None
    #: What a node must have beside its GPUs, where machines differ in it.
    cpu: Count = 0
    memory: Quantity = "0"
    boot_disk: Quantity = "200Gi"
    #: The machine's own disks, joined to one, as the nodes' and pods' ephemeral storage.
    local_disks: bool = True
    #: `minimal`: made for containers alone (Bottlerocket, Container-Optimized OS). `general`: AL2023, Ubuntu.
    image: Literal["minimal", "general"] = "minimal"
    #: Who brings the GPU driver: the node's image, or the GPU operator.
    driver: Literal["image", "operator"] = "image"
    scale_down_after: Duration = "10m"
    #: The cloud offers the machine there, whatever the provider's table says, which has its date.
    assume_offered: bool = False
    labels: dict[str, str] = {}
    taints: tuple[Taint, ...] = ()


class Lifecycle(Spec, frozen=True):
    """Of objects in buckets. None: they stay."""

    old_versions: Days = 30
    checkpoints: Days | None = None
    outputs: Days | None = None
    #: Logs, metrics and artifacts of jobs.
    records: Days | None = 90
    #: Moved to a cheaper class that is still read at once.
    cold_data: Days | None = None


class Home(Spec, frozen=True):
    """Of workspaces. `snapshots`: days for which daily ones are kept; 0: none are made."""

    performance: Literal["balanced", "fast"] = "balanced"
    snapshots: Count = 7


class Storage(Spec, frozen=True):
    """Bucket names begin with `bucket_prefix`: they share one namespace with everybody's.

    `encryption` own-key: by a key of this stack, in the cloud's key service. `protect`: no update deletes data.
    """

    bucket_prefix: Annotated[
        str,
        Meta(
            pattern=r"^([a-z0-9][-a-z0-9]*)?$",
            max_length=25,
            description="lower-case letters, digits and hyphens, 25 characters at most, such as acme-ml-prod",
        ),
    ] = ""
    encryption: Literal["own-key", "provider-key"] = "own-key"
    protect: bool = True
    lifecycle: Lifecycle = Lifecycle()
    home: Home = Home()


class SharedFilesystem(Spec, frozen=True):
    """ReadWriteMany volumes (EFS, Filestore). `size`: what is paid for where the cloud does not grow it by itself."""

    size: Quantity = "1Ti"
    performance: Literal["standard", "fast"] = "standard"


class Scratch(Spec, frozen=True):
    """A parallel filesystem beside the GPUs (FSx for Lustre, Managed Lustre); `throughput` in MB/s per TiB."""

    size: Quantity = "1200Gi"
    throughput: Annotated[int, Meta(ge=1, description="MB/s per TiB, such as 125, 250, 500 or 1000")] = 250
    #: Of the stack's zones; the first when empty.
    zone: str = ""


class Ingress(Spec, frozen=True):
    """`dns_zone`: the id of a zone that is there; empty: one is made for `domain`. `cidrs`: who reaches a public one."""

    domain: Annotated[str, Meta(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$", description="a domain such as ml.example.com")]
    dns_zone: str = ""
    public: bool = False
    cidrs: tuple[Cidr, ...] = ()


class Offload(Spec, frozen=True):
    """Jobs on the cloud's training service. `max_runtime` of one."""

    enabled: bool = False
    max_runtime: Duration = "24h"
