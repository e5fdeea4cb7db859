"""Rules for Google Cloud: type of resource → what it is charged as. Types that cost nothing, or by use, are tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

from footplate.costs.charges import UNKNOWN_YET, Charge, Finding, Gap, Option, Rule, fee, span, storage
from footplate.costs.machines import GCP_ACCELERATORS, gpu_machines, gpus
from footplate.costs.planned import UNKNOWN, Plan, Planned
from footplate.costs.prices import Market, PriceTable

CLUSTER: Final = "gcp:container/cluster:Cluster"
LOCAL_SSD: Final = 375
"""GiB of one."""
DEFAULT_ZONES: Final = 3
"""Of a region, where no zones are named (https://cloud.google.com/kubernetes-engine/docs/concepts/regional-clusters)."""
_APART: Final = ("T4", "V100", "P100", "P4")
"""GPUs that are attached to N1 machines, and priced apart from them."""


def _cluster(resource: Planned, plan: Plan, table: PriceTable) -> Iterable[Finding]:
    yield fee("gcp", "GKE control plane", resource, plan, "gke-cluster")
    if resource.get("enableAutopilot") is True:
        yield Gap("Autopilot pods", "by what pods ask for")
    elif resource.get("removeDefaultNodePool") is not True and not resource.get("nodePools"):
        zones = _zones(resource, None)
        count = resource.number("initialNodeCount", default=1)
        size = None if count is None or zones is None else count * zones
        yield from _nodes(resource, plan, _block(resource.get("nodeConfig")), size, size)
    if resource.get("clusterAutoscaling", "enabled") is True:
        yield from _provisioned(resource, plan, table)


def _provisioned(resource: Planned, plan: Plan, table: PriceTable) -> Iterator[Finding]:
    """What node auto-provisioning may make, by its limits."""
    limits = resource.get("clusterAutoscaling", "resourceLimits")
    for limit in cast(list[Any], limits) if isinstance(limits, list) else []:
        kind, maximum = _block(limit).get("resourceType"), _block(limit).get("maximum")
        gpu = GCP_ACCELERATORS.get(str(kind))
        if kind in ("cpu", "memory"):
            if kind == "cpu":
                what = f"CPU nodes of node auto-provisioning, up to {maximum} vCPUs with all pools"
                yield Gap(what, "GKE chooses their machine types")
        elif gpu is None or not isinstance(maximum, int | float):
            yield Gap(f"nodes of auto-provisioning with {kind}", "the number of GPUs is not known")
        else:
            yield _accelerators(resource, plan, table, str(kind), gpu, float(maximum))


def _accelerators(resource: Planned, plan: Plan, table: PriceTable, kind: str, gpu: str, maximum: float) -> Charge:
    region = plan.region(resource)
    if gpu in _APART:
        options = [Option(f"gpu:{kind}", Market.ON_DEMAND, 0, maximum)]
        note = "the N1 machines that carry them are counted with the CPU nodes"
    else:
        known = [m for m in gpu_machines("gcp", gpu) if table.find("gcp", region, m, Market.ON_DEMAND)]
        options = [
            Option(m, Market.ON_DEMAND, 0, maximum // found.number)
            for m in known or gpu_machines("gcp", gpu)
            if (found := gpus("gcp", m)) is not None
        ]
        note = ""
    return Charge(f"auto-provisioned nodes with up to {maximum:g} {gpu}", "gcp", region, options, True, note)


def _node_pool(resource: Planned, plan: Plan, table: PriceTable) -> Iterable[Finding]:
    cluster = plan.behind(resource, "cluster", CLUSTER)
    zones = _zones(resource, cluster)
    low, high = _sizes(resource, zones)
    region = plan.region(resource) or (plan.region(cluster) if cluster is not None else "")
    yield from _nodes(resource, plan, _block(resource.get("nodeConfig")), low, high, region, _queued(resource))


def _queued(resource: Planned) -> bool:
    return resource.get("queuedProvisioning", "enabled") is True


def _sizes(resource: Planned, zones: float | None) -> tuple[float | None, float | None]:
    scaling = resource.get("autoscaling")
    if scaling is UNKNOWN:
        return None, None
    if scaling is None:
        count = resource.number("nodeCount", default=resource.number("initialNodeCount", default=1) or 1)
        return _times(count, zones), _times(count, zones)
    if resource.get("autoscaling", "totalMaxNodeCount") is not None:
        return resource.number("autoscaling", "totalMinNodeCount"), resource.number("autoscaling", "totalMaxNodeCount")
    low, high = resource.number("autoscaling", "minNodeCount"), resource.number("autoscaling", "maxNodeCount")
    return _times(low, zones), _times(high, zones)


def _times(count: float | None, zones: float | None) -> float | None:
    return None if count is None or zones is None else count * zones


def _zones(resource: Planned, cluster: Planned | None) -> float | None:
    """In how many zones each node of a per-zone count stands; None: not known."""
    for holder in (resource, cluster):
        named = holder.get("nodeLocations") if holder is not None else None
        if named is UNKNOWN:
            return None
        if isinstance(named, list):
            return len(cast(list[Any], named))
    location = resource.get("location") or (cluster.get("location") if cluster is not None else None)
    if location is UNKNOWN:
        return None
    zonal = isinstance(location, str) and location.count("-") == 2
    return 1 if zonal else DEFAULT_ZONES


def _nodes(
    resource: Planned,
    plan: Plan,
    config: Mapping[str, Any],
    low: float | None,
    high: float | None,
    region: str = "",
    queued: bool = False,
) -> Iterator[Finding]:
    region = region or plan.region(resource)
    machine = config.get("machineType") or "e2-medium"
    if low is None or high is None or not isinstance(machine, str):
        yield Gap("nodes", f"their machine type or number is {UNKNOWN_YET}")
        return
    market = _market(config, queued)
    attached = [_block(a) for a in cast(list[Any], config.get("guestAccelerators") or [])]
    apart = [a for a in attached if GCP_ACCELERATORS.get(str(a.get("type"))) in _APART]
    gpu = gpus("gcp", machine) is not None or bool(attached)
    what = f"{span(low, high)} × {machine}, {market}"
    yield Charge(what, "gcp", region, [Option(machine, market, low, high)], gpu)
    for accelerator in apart:
        count = float(accelerator.get("count") or 1)
        option = Option(f"gpu:{accelerator['type']}", market, low * count, high * count)
        yield Charge(f"{count:g} × {accelerator['type']} a node, {market}", "gcp", region, [option], True)
    yield from _disks(config, region, market, low, high)


def _market(config: Mapping[str, Any], queued: bool) -> Market:
    if config.get("flexStart") is True or queued:
        return Market.FLEX_START
    if config.get("spot") is True or config.get("preemptible") is True:
        return Market.SPOT
    if _block(config.get("reservationAffinity")).get("consumeReservationType") == "SPECIFIC_RESERVATION":
        return Market.RESERVED
    return Market.ON_DEMAND


def _disks(config: Mapping[str, Any], region: str, market: Market, low: float, high: float) -> Iterator[Finding]:
    boot = _block(config.get("bootDisk"))
    size = boot.get("sizeGb") or config.get("diskSizeGb") or 100
    kind = boot.get("diskType") or config.get("diskType") or "pd-balanced"
    if not isinstance(size, int | float) or not isinstance(kind, str):
        yield Gap("boot disks", f"their size is {UNKNOWN_YET}")
    else:
        option = Option(f"disk:{kind}", Market.ON_DEMAND, low * size, high * size)
        yield Charge(f"boot disks of {size:g} GiB ({kind})", "gcp", region, [option])
    count = _block(config.get("ephemeralStorageLocalSsdConfig")).get("localSsdCount") or 0
    count = count or _block(config.get("localNvmeSsdBlockConfig")).get("localSsdCount") or 0
    machine = str(config.get("machineType"))
    if count and not machine.startswith(("a3-", "a4", "a2-ultra")):  # whose price has them in it
        ssd = Market.SPOT if market is Market.SPOT else Market.ON_DEMAND
        option = Option("local-ssd", ssd, low * count * LOCAL_SSD, high * count * LOCAL_SSD)
        yield Charge(f"{count:g} local SSDs a node", "gcp", region, [option])


def _nat(resource: Planned, plan: Plan, table: PriceTable) -> Iterable[Finding]:
    option = Option("cloud-nat", Market.ON_DEMAND, 0, 1)
    note = "by the number of machines, at most that of 32; its traffic apart"
    yield Charge("Cloud NAT", "gcp", plan.region(resource), [option], note=note)


def _address(resource: Planned, plan: Plan, table: PriceTable) -> Iterable[Finding]:
    """Those within a network cost nothing."""
    if resource.get("addressType") != "INTERNAL":
        yield fee("gcp", "external address", resource, plan, "external-address")


def _disk(resource: Planned, plan: Plan, table: PriceTable) -> Iterable[Finding]:
    yield storage(
        "gcp", "disk", resource, plan, f"disk:{resource.get('type') or 'pd-standard'}", resource.number("size")
    )


def _filestore(resource: Planned, plan: Plan, table: PriceTable) -> Iterable[Finding]:
    size = resource.number("fileShares", "capacityGb")
    yield storage("gcp", "Filestore", resource, plan, f"filestore:{resource.get('tier')}", size)


def _lustre(resource: Planned, plan: Plan, table: PriceTable) -> Iterable[Finding]:
    item = f"lustre:{resource.number('perUnitStorageThroughput') or 0:g}"
    yield storage("gcp", "Managed Lustre", resource, plan, item, resource.number("capacityGib"))


def _instance(resource: Planned, plan: Plan, table: PriceTable) -> Iterable[Finding]:
    model = resource.get("scheduling", "provisioningModel")
    config = {**resource.inputs, "spot": model == "SPOT", "flexStart": model == "FLEX_START"}
    yield from (f for f in _nodes(resource, plan, config, 1, 1) if isinstance(f, Gap) or not f.what.startswith("boot"))


def _block(value: Any) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}


RULES: Final[dict[str, Rule]] = {
    CLUSTER: _cluster,
    "gcp:container/nodePool:NodePool": _node_pool,
    "gcp:compute/instance:Instance": _instance,
    "gcp:compute/routerNat:RouterNat": _nat,
    "gcp:compute/address:Address": _address,
    "gcp:compute/globalAddress:GlobalAddress": _address,
    "gcp:compute/disk:Disk": _disk,
    "gcp:filestore/instance:Instance": _filestore,
    "gcp:lustre/instance:Instance": _lustre,
}

BY_USE: Final[dict[str, str]] = {
    "gcp:storage/bucket:Bucket": "by what is stored and asked for",
    "gcp:artifactregistry/repository:Repository": "by what is stored",
    "gcp:kms/cryptoKey:CryptoKey": "by key version and month",
    "gcp:dns/managedZone:ManagedZone": "by zone and month",
    "gcp:pubsub/topic:Topic": "by message",
    "gcp:secretmanager/secret:Secret": "by secret and month",
    "gcp:logging/projectBucketConfig:ProjectBucketConfig": "by what is written and kept",
    "gcp:bigquery/dataset:Dataset": "by what is stored and asked for",
    "gcp:compute/reservation:Reservation": "its machines cost their on-demand price, used or not",
}
"""Billed by use: no hourly amount can be foreseen."""

FREE_MODULES: Final[Sequence[str]] = (
    "gcp:projects/",
    "gcp:serviceaccount/",
    "gcp:serviceAccount/",
    "gcp:iam/",
    "gcp:storage/",
    "gcp:artifactregistry/",
    "gcp:kms/",
    "gcp:dns/",
    "gcp:pubsub/",
    "gcp:secretmanager/",
    "gcp:logging/",
    "gcp:monitoring/",
    "gcp:tags/",
    "gcp:organizations/",
    "gcp:resourcemanager/",
    "gcp:gkebackup/",
    "gcp:certificatemanager/",
    "gcp:networkservices/",
    "gcp:compute/network:",
    "gcp:compute/networkPeering",
    "gcp:compute/networkAttachment",
    "gcp:compute/subnetwork",
    "gcp:compute/router:",
    "gcp:compute/route:",
    "gcp:compute/firewall",
    "gcp:compute/resourcePolicy",
    "gcp:compute/managedSslCertificate",
    "gcp:compute/securityPolicy",
    "gcp:compute/sSLPolicy",
    "gcp:servicenetworking/",
)
"""Beginnings of types that cost nothing by themselves."""
