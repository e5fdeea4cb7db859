"""The GPUs that resources ask for: which, how many, and as what kind of capacity."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

from footplate.api.gpu_types import GPU_TYPES
from footplate.costs import machines
from footplate.costs.charges import Charge
from footplate.costs.estimate import RULES, Estimate, Missing, estimate, findings
from footplate.costs.planned import UNKNOWN, Plan, Planned
from footplate.costs.prices import Market, PriceTable, load
from policies.rule import Resource
from policies.values import at, every, is_unknown, mapping

NODE_GROUP: Final = "aws:eks/nodeGroup:NodeGroup"
SCALING_GROUP: Final = "aws:autoscaling/group:Group"
TEMPLATE: Final = "aws:ec2/launchTemplate:LaunchTemplate"
CAPACITY: Final = "aws:ec2/capacityReservation:CapacityReservation"
GKE_POOL: Final = "gcp:container/nodePool:NodePool"
KARPENTER: Final = "kubernetes:karpenter.sh/v1:NodePool"
POOL_LABEL: Final = "footplate.dev/pool"

#: Type → paths of the machine and accelerator types that it names.
NAMED: Final[Mapping[str, Sequence[str]]] = {
    NODE_GROUP: ("instanceTypes",),
    TEMPLATE: ("instanceType", "instanceRequirements.allowedInstanceTypes"),
    SCALING_GROUP: ("mixedInstancesPolicy.launchTemplate.overrides.instanceType",),
    CAPACITY: ("instanceType",),
    KARPENTER: (),
    "aws:ec2/instance:Instance": ("instanceType",),
    "aws:sagemaker/notebookInstance:NotebookInstance": ("instanceType",),
    "aws:sagemaker/trainingJob:TrainingJob": (
        "resourceConfig.instanceType",
        "resourceConfig.instanceGroups.instanceType",
    ),
    "gcp:colab/runtimeTemplate:RuntimeTemplate": ("machineSpec.machineType", "machineSpec.acceleratorType"),
    "gcp:compute/instance:Instance": ("machineType", "guestAccelerators.type"),
    "gcp:compute/reservation:Reservation": (
        "specificReservation.instanceProperties.machineType",
        "specificReservation.instanceProperties.guestAccelerators.acceleratorType",
    ),
    "gcp:container/cluster:Cluster": ("clusterAutoscaling.resourceLimits.resourceType", "nodeConfig.machineType"),
    GKE_POOL: ("nodeConfig.machineType", "nodeConfig.guestAccelerators.type"),
    "gcp:vertex/aiPersistentResource:AiPersistentResource": (
        "resourcePools.machineSpec.machineType",
        "resourcePools.machineSpec.acceleratorType",
    ),
    "kubernetes:cloud.google.com/v1:ComputeClass": ("spec.priorities.machineType", "spec.priorities.gpu.type"),
    "kubernetes:footplate.dev/v1alpha1:TrainingJob": ("spec.resources.gpu.type",),
    "kubernetes:footplate.dev/v1alpha1:Workspace": ("spec.resources.gpu.type",),
    "gcp:workbench/instance:Instance": ("gceSetup.machineType", "gceSetup.acceleratorConfigs.type"),
}
#: What the pools and the cost of a stack are read from.
COUNTED: Final = frozenset({*RULES, TEMPLATE})
#: Machines with accelerators, also such as no table here has.
_ACCELERATED: Final = re.compile(r"((p|g|gr|inf|trn|dl)\d\w*(-\w+)?\.\w+|(a\d|g\d|ct)\w*-\w+-\w+|nvidia-.*)")


def gpu_of(named: str) -> str:
    """The GPU that a machine, an accelerator or a GPU type is or has, by the name people use; the type itself where no table
    has it."""
    name = named.removeprefix("ml.").lower().replace("_", "-")
    if named in GPU_TYPES:
        return named
    found = machines.gpus("aws", name) or machines.gpus("gcp", name)
    if found is not None:
        return found.name
    return machines.GCP_ACCELERATORS.get(name) or (named if _ACCELERATED.fullmatch(name) else "")


def named_gpus(resource: Resource) -> dict[str, str]:
    """GPU → the path and the type that name it."""
    found: dict[str, str] = {}
    for path in NAMED[resource.type]:
        for named in every(dict(resource.properties), path):
            if isinstance(named, str) and (gpu := gpu_of(named)):
                found.setdefault(gpu, f"{path} {named}")
    if resource.type == KARPENTER:
        for pool in pools([resource]):
            found |= {gpu: f"spec.template.spec.requirements admits {gpu}" for gpu in pool.gpus if gpu not in found}
    return found


@dataclass(frozen=True)
class Pool:
    """Machines with GPUs that come and go. Numbers are of GPUs and of nodes; None: nothing bounds them.

    `gpus`: what its machines may have. `markets`: the ways in which it pays for them.
    """

    resource: Resource
    gpus: tuple[str, ...]
    markets: frozenset[Market]
    least_nodes: int
    least: int
    most: int | None

    @property
    def labels(self) -> dict[str, Any]:
        """Of its nodes."""
        paths = {NODE_GROUP: "labels", GKE_POOL: "nodeConfig.labels", KARPENTER: "spec.template.metadata.labels"}
        return mapping(at(self.resource.properties, paths.get(self.resource.type, "labels")))

    @property
    def names(self) -> set[str]:
        """The resource's, and the pool's that it is a part of."""
        return {self.resource.name, str(self.labels.get(POOL_LABEL, self.resource.name))}


def pools(resources: Sequence[Resource]) -> list[Pool]:
    planned = plan(resources)
    found = ((resource, _charges(one, planned)) for resource, one in zip(resources, planned.resources, strict=True))
    return [_pool(resource, charges, resources) for resource, charges in found if charges and resource.type != CAPACITY]


def _charges(one: Planned, planned: Plan) -> list[Charge]:
    every_finding = findings(one, planned, prices())
    return [finding for finding in every_finding if isinstance(finding, Charge) and finding.gpu]


def _pool(resource: Resource, charges: Sequence[Charge], resources: Sequence[Resource]) -> Pool:
    markets = {option.market for charge in charges for option in charge.options}
    if Market.ON_DEMAND in markets and _reserved(resource, resources):
        markets = markets - {Market.ON_DEMAND} | {Market.RESERVED}
    most = [max(counts, default=0) if None not in counts else None for counts in map(_most, charges)]
    return Pool(
        resource,
        tuple(sorted({gpu for charge in charges for gpu in _types(charge)})),
        frozenset(markets),
        max((int(option.minimum) for charge in charges for option in charge.options), default=0),
        sum(min((_gpus(charge, o.item, o.minimum) for o in charge.options), default=0) for charge in charges),
        None if None in most else sum(count for count in most if count is not None),
    )


def _most(charge: Charge) -> list[Any]:
    return [None if o.maximum is None else _gpus(charge, o.item, o.maximum) for o in charge.options]


def _gpus(charge: Charge, item: str, count: float) -> int:
    """`gpu:…` are the GPUs of machines that have none of their own."""
    if item.startswith("gpu:"):
        return int(count)
    found = machines.gpus(charge.cloud, item)
    return int(count) * found.number if found else 0


def _types(charge: Charge) -> Iterator[str]:
    for option in charge.options:
        if gpu := gpu_of(option.item.removeprefix("gpu:")):
            yield gpu


def _reserved(resource: Resource, resources: Sequence[Resource]) -> bool:
    """Whether on-demand machines are those of a reservation: by their own settings, or their launch template's."""
    templates = [one for one in resources if one.urn in resource.uses.get("launchTemplate", ())]
    for one in (resource, *templates):
        targeted = at(one.properties, "capacityReservationSpecification.capacityReservationTarget")
        if targeted is not None or at(
            one.properties, "capacityReservationSpecification.capacityReservationPreference"
        ) == ("capacity-reservations-only"):
            return True
    return resource.properties.get("capacityType") == "RESERVED"


def unpriced(resources: Sequence[Resource]) -> list[Missing]:
    """Machines with GPUs that no cap on the cost can count."""
    planned = plan(resources)
    machines_of = {(one.urn, charge.what) for one in planned.resources for charge in _charges(one, planned)}
    return [missing for missing in estimate(planned, prices()).missing if (missing.urn, missing.what) in machines_of]


def cost(resources: Sequence[Resource]) -> Estimate:
    return estimate(plan(resources), prices())


def plan(resources: Sequence[Resource]) -> Plan:
    regions: dict[str, str] = {}
    for resource in resources:
        cloud = resource.type.partition(":")[0]
        region = resource.provider.get("region") or resource.provider.get("zone")
        if isinstance(region, str) and not is_unknown(region):
            regions.setdefault(cloud, region)
    return Plan([_planned(resource) for resource in resources], regions)


def _planned(resource: Resource) -> Planned:
    inputs: dict[str, Any] = _known(dict(resource.properties))
    return Planned(resource.urn, resource.type, resource.name, inputs, "", resource.uses)


def _known(value: Any) -> Any:
    if is_unknown(value):
        return UNKNOWN
    if isinstance(value, dict):
        return {key: _known(item) for key, item in mapping(value).items()}
    return [_known(item) for item in cast(list[Any], value)] if isinstance(value, list) else value


@cache
def prices() -> PriceTable:
    """With the user's own, of which FOOTPLATE_PRICES is the file."""
    own = os.environ.get("FOOTPLATE_PRICES")
    return load([Path(own)] if own else [])
