"""Which EC2 instance type carries which GPUs, and where it is offered.

Sizes: Karpenter 1.14, website/content/en/v1.14/reference/instance-types.md, generated from DescribeInstanceTypes.
Regions of the p families: skypilot-org/skypilot-catalog, catalogs/v8/aws/vms.csv, 2026, from
DescribeInstanceTypeOfferings; of the g families: EC2 User Guide, "Amazon EC2 instance types by Region".
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from footplate.api import quantity
from providers.contract import ProviderError
from providers.spec import GpuPool, Nodes


def _regions(names: str) -> frozenset[str]:
    return frozenset(names.split())


#: Where g families are offered. The large regions have them all; smaller ones get them late or not at all.
_G_REGIONS = _regions(
    "us-east-1 us-east-2 us-west-1 us-west-2 ca-central-1 sa-east-1 eu-west-1 eu-west-2 eu-west-3 eu-central-1 "
    "eu-central-2 eu-north-1 eu-south-1 eu-south-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-southeast-1 "
    "ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-south-1 ap-south-2 ap-east-1 il-central-1 me-central-1 me-south-1 "
    "af-south-1 us-gov-west-1 us-gov-east-1"
)

REGIONS: dict[str, frozenset[str]] = {
    "g4dn": _G_REGIONS,
    "g5": _G_REGIONS
    - {"eu-central-2", "eu-south-1", "ap-southeast-3", "ap-southeast-4", "ap-south-2", "me-south-1", "af-south-1"},
    "g6": _G_REGIONS - {"us-west-1", "eu-south-1", "ap-southeast-3", "ap-south-2", "me-south-1", "af-south-1"},
    "g6e": _regions(
        "us-east-1 us-east-2 us-west-2 eu-central-1 eu-north-1 eu-south-2 ap-northeast-1 ap-northeast-2 me-central-1"
    ),
    "p3dn": _regions("us-east-1 us-west-2 eu-west-1 ap-northeast-1 us-gov-west-1"),
    "p4d": _regions(
        "us-east-1 us-east-2 us-west-2 eu-central-1 eu-west-1 ap-northeast-1 ap-northeast-2 ap-southeast-1"
    ),
    "p4de": _regions("us-east-1 us-west-2 eu-central-1 ap-northeast-1 ap-southeast-1"),
    "p5": _regions(
        "us-east-1 us-east-2 us-west-1 us-west-2 ca-central-1 eu-north-1 eu-west-2 ap-northeast-1 ap-northeast-2 "
        "ap-south-1 ap-southeast-2 ap-southeast-3"
    ),
    "p5e": _regions("us-east-2 us-west-2 eu-north-1 eu-west-2 ap-southeast-2 ap-southeast-3"),
    "p5en": _regions(
        "us-east-1 us-east-2 us-west-1 us-west-2 eu-north-1 eu-south-2 ap-northeast-1 ap-northeast-2 ap-south-1 "
        "ap-southeast-3 me-central-1"
    ),
    "p6-b200": _regions("us-east-1 us-east-2 us-west-2"),
}


@dataclass(frozen=True)
class Machine:
    """`memory`: GiB. `disks`: GB of local NVMe. `efa`: interfaces of the fabric, one a network card; 0: none."""

    type: str
    cpu: int
    memory: int
    gpu: str = ""
    gpus: int = 0
    disks: int = 0
    efa: int = 0

    @property
    def family(self) -> str:
        return self.type.partition(".")[0]


#: Cheapest first among those of one GPU and count.
GPU_MACHINES = (
    Machine("g4dn.xlarge", 4, 16, "T4", 1, 125),
    Machine("g4dn.2xlarge", 8, 32, "T4", 1, 225),
    Machine("g4dn.4xlarge", 16, 64, "T4", 1, 225),
    Machine("g4dn.8xlarge", 32, 128, "T4", 1, 900, 1),
    Machine("g4dn.16xlarge", 64, 256, "T4", 1, 900, 1),
    Machine("g4dn.12xlarge", 48, 192, "T4", 4, 900, 1),
    Machine("g4dn.metal", 96, 384, "T4", 8, 1800, 1),
    Machine("g5.xlarge", 4, 16, "A10G", 1, 250),
    Machine("g5.2xlarge", 8, 32, "A10G", 1, 450),
    Machine("g5.4xlarge", 16, 64, "A10G", 1, 600),
    Machine("g5.8xlarge", 32, 128, "A10G", 1, 900, 1),
    Machine("g5.16xlarge", 64, 256, "A10G", 1, 1900, 1),
    Machine("g5.12xlarge", 48, 192, "A10G", 4, 3800, 1),
    Machine("g5.24xlarge", 96, 384, "A10G", 4, 3800, 1),
    Machine("g5.48xlarge", 192, 768, "A10G", 8, 7600, 1),
    Machine("g6.xlarge", 4, 16, "L4", 1, 250),
    Machine("g6.2xlarge", 8, 32, "L4", 1, 450),
    Machine("g6.4xlarge", 16, 64, "L4", 1, 600),
    Machine("g6.8xlarge", 32, 128, "L4", 1, 900, 1),
    Machine("g6.16xlarge", 64, 256, "L4", 1, 1880, 1),
    Machine("g6.12xlarge", 48, 192, "L4", 4, 3760, 1),
    Machine("g6.24xlarge", 96, 384, "L4", 4, 3760, 1),
    Machine("g6.48xlarge", 192, 768, "L4", 8, 7520, 1),
    Machine("g6e.xlarge", 4, 32, "L40S", 1, 250),
    Machine("g6e.2xlarge", 8, 64, "L40S", 1, 450),
    Machine("g6e.4xlarge", 16, 128, "L40S", 1, 600),
    Machine("g6e.8xlarge", 32, 256, "L40S", 1, 900, 1),
    Machine("g6e.16xlarge", 64, 512, "L40S", 1, 1900, 1),
    Machine("g6e.12xlarge", 48, 384, "L40S", 4, 3800, 1),
    Machine("g6e.24xlarge", 96, 768, "L40S", 4, 3800, 2),
    Machine("g6e.48xlarge", 192, 1536, "L40S", 8, 7600, 4),
    Machine("p3dn.24xlarge", 96, 768, "V100", 8, 1800, 1),
    Machine("p4d.24xlarge", 96, 1152, "A100-40GB", 8, 8000, 4),
    Machine("p4de.24xlarge", 96, 1152, "A100-80GB", 8, 8000, 4),
    Machine("p5.4xlarge", 16, 256, "H100", 1, 3800, 1),
    Machine("p5.48xlarge", 192, 2048, "H100", 8, 30400, 32),
    Machine("p5en.48xlarge", 192, 2048, "H200", 8, 30400, 16),
    Machine("p5e.48xlarge", 192, 2048, "H200", 8, 30400, 32),
    Machine("p6-b200.48xlarge", 192, 2048, "B200", 8, 30400, 8),
)

#: Without GPUs. Every region has them.
CPU_MACHINES = (
    Machine("m7i.large", 2, 8),
    Machine("r7i.large", 2, 16),
    Machine("m7i.xlarge", 4, 16),
    Machine("r7i.xlarge", 4, 32),
    Machine("m7i.2xlarge", 8, 32),
    Machine("r7i.2xlarge", 8, 64),
    Machine("m7i.4xlarge", 16, 64),
    Machine("r7i.4xlarge", 16, 128),
    Machine("m7i.8xlarge", 32, 128),
    Machine("r7i.8xlarge", 32, 256),
    Machine("m7i.12xlarge", 48, 192),
    Machine("r7i.12xlarge", 48, 384),
    Machine("m7i.16xlarge", 64, 256),
    Machine("r7i.16xlarge", 64, 512),
    Machine("m7i.24xlarge", 96, 384),
    Machine("r7i.24xlarge", 96, 768),
    Machine("m7i.48xlarge", 192, 768),
    Machine("r7i.48xlarge", 192, 1536),
)


def for_pool(pool: GpuPool, region: str, path: str) -> Machine:
    """The cheapest that has what the pool asks for and is offered in the region."""
    of_gpu = [machine for machine in GPU_MACHINES if machine.gpu == pool.gpu]
    if not of_gpu:
        have = ", ".join(dict.fromkeys(machine.gpu for machine in GPU_MACHINES))
        raise ProviderError(f"{path}.gpu: AWS has no machine with {pool.gpu}: it has {have}")
    fitting = [machine for machine in of_gpu if machine.gpus == pool.count]
    if not fitting:
        counts = ", ".join(str(count) for count in sorted({machine.gpus for machine in of_gpu}))
        raise ProviderError(f"{path}.count: AWS has no machine with {pool.count} × {pool.gpu}: {counts} can be had")
    offered = [machine for machine in fitting if pool.assume_offered or region in REGIONS[machine.family]]
    if not offered:
        where = ", ".join(sorted({region for machine in fitting for region in REGIONS[machine.family]}))
        raise ProviderError(
            f"{path}.gpu: {region} has no {pool.count} × {pool.gpu} ({fitting[0].type}): use {where}; "
            "or set assumeOffered: true where AWS has begun to offer it"
        )
    return _roomy(offered, pool.cpu, pool.memory, path)


def _roomy(machines: list[Machine], cpu: int, memory: str, path: str) -> Machine:
    for machine in machines:
        if machine.cpu >= cpu and machine.memory >= _gib(memory):
            return machine
    most = max(machines, key=lambda machine: machine.memory)
    raise ProviderError(
        f"{path}.memory: no such machine has {cpu} CPUs and {memory}: "
        f"the largest, {most.type}, has {most.cpu} and {most.memory}Gi"
    )


def for_nodes(nodes: Nodes, path: str) -> Machine:
    return _roomy(list(CPU_MACHINES), nodes.cpu, nodes.memory, path)


def _gib(memory: str) -> Decimal:
    return quantity.parse(memory) / 1024**3
