"""What the cluster's nodes could hold at most, and whether a request could ever fit on one of them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from footplate.api import quantity
from footplate.api.platform import Platform
from footplate.api.resources import Gpu, Resources
from footplate.controllers import gpus
from footplate.controllers.cluster import Node
from footplate.controllers.refusal import Refusal
from footplate.controllers.room import Room, amount, of_node


@dataclass(frozen=True)
class Capacity:
    """Maxima over single nodes, by what they can allocate in all (not by what is free)."""

    nodes: int = 0
    cpu: Decimal = Decimal(0)
    memory: Decimal = Decimal(0)
    gpus: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    """(resource, GPU type) → largest count on one node; type "" for nodes that name none."""
    totals: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    """Likewise, of all nodes together."""
    ready: frozenset[str] = frozenset()
    """Names of the nodes that are Ready."""
    rooms: tuple[Room, ...] = ()
    """Node by node."""


def measure(nodes: Iterable[Node]) -> Capacity:
    count, cpu, memory = 0, Decimal(0), Decimal(0)
    largest: dict[tuple[str, str], int] = {}
    totals: dict[tuple[str, str], int] = {}
    ready: set[str] = set()
    rooms: list[Room] = []
    for node in nodes:
        count += 1
        rooms.append(of_node(node))
        if node.ready:
            ready.add(node.metadata.name)
        allocatable = node.status.allocatable
        cpu = max(cpu, amount(allocatable.get("cpu", "0")))
        memory = max(memory, amount(allocatable.get("memory", "0")))
        type_ = gpus.type_of(node.metadata.labels)
        for name, text in allocatable.items():
            if name.startswith("nvidia.com/") and (number := int(amount(text))):
                kind = gpus.offered(name, node.metadata.labels), type_
                largest[kind] = max(largest.get(kind, 0), number)
                totals[kind] = totals.get(kind, 0) + number
    return Capacity(count, cpu, memory, largest, totals, frozenset(ready), tuple(rooms))


def never_fits(resources: Resources, capacity: Capacity, platform: Platform) -> Refusal | None:
    """None where it could fit some day: on a node that is there, or on one that a pool can add."""
    return _gpus_never_fit(resources, capacity, platform) or _cpu_never_fits(resources, capacity, platform)


def _gpus_never_fit(resources: Resources, capacity: Capacity, platform: Platform) -> Refusal | None:
    gpu = resources.gpu
    if gpu is None or not capacity.nodes:
        return None
    name = gpus.resource(gpu)
    there = {type_: count for (resource, type_), count in capacity.gpus.items() if resource == name}
    addable = platform.autoscaled_gpus if gpu.share is None else {}
    if gpu.share is not None and platform.autoscaled_gpus:
        return None  # how a pool to come shares its GPUs is not known here
    names = _names(gpu)
    fitting = [count for known in (there, addable) for type_, count in known.items() if not names or type_ in names]
    if max(fitting, default=0) >= gpu.count:
        return None
    asked = f"It asks for {gpu.phrase} on one node, but "
    if fitting:
        which = f" with {gpu.type} GPUs" if gpu.type else ""
        what = "such shares" if gpu.share else "GPUs"
        return Refusal("GpuCountTooLarge", f"{asked}the largest node{which} has {max(fitting)} {what}: ask for fewer.")
    available = ", ".join(sorted(_offer(name, type_, count) for (name, type_), count in capacity.gpus.items()))
    addable_text = ", ".join(f"{type_} ×{count}" for type_, count in sorted(addable.items()))
    known = "; ".join(part for part in (available, addable_text) if part)
    return Refusal("NoSuchGpu", f"{asked}no node offers that; on offer: {known or 'no GPU at all'}.")


def _offer(name: str, type_: str, count: int) -> str:
    kind = name.removeprefix("nvidia.com/")
    text = type_ or "GPU" if name == gpus.GPU else f"{type_} {kind}".strip()
    return f"{text} ×{count}"


def _cpu_never_fits(resources: Resources, capacity: Capacity, platform: Platform) -> Refusal | None:
    if not capacity.nodes or platform.autoscaled_gpus:
        return None  # the size of nodes to come is not known here: the scheduler will say
    cpu, memory = quantity.parse(resources.cpu), quantity.parse(resources.memory)
    if cpu > capacity.cpu:
        most = f"{capacity.cpu.normalize():f}"
        return Refusal(
            "CpuTooLarge", f"It asks for {resources.cpu} CPUs, but the largest node has {most}: ask for fewer."
        )
    if memory > capacity.memory:
        most = quantity.human_bytes(capacity.memory)
        return Refusal(
            "MemoryTooLarge",
            f"It asks for {resources.memory} of memory, but the largest node has {most}: ask for less.",
        )
    return None


def request_phrase(resources: Resources) -> str:
    parts = [f"{resources.cpu} CPU", f"{resources.memory} memory"]
    if resources.gpu:
        parts.append(resources.gpu.phrase)
    return " and ".join([", ".join(parts[:-1]), parts[-1]])


def too_few_gpus(resources: Resources, nodes: int, capacity: Capacity, platform: Platform) -> str | None:
    """A sentence where all nodes together have too few GPUs for a job, and no pool can add any."""
    gpu = resources.gpu
    if gpu is None or platform.autoscaled_gpus:
        return None
    name, wanted = gpus.resource(gpu), gpu.count * nodes
    names = _names(gpu)
    total = sum(
        count for (res, type_), count in capacity.totals.items() if res == name and (not names or type_ in names)
    )
    if total >= wanted:
        return None
    kind = f"{gpu.type} GPUs" if gpu.type else "GPUs"
    return f"It asks for {wanted} {kind} on {nodes} nodes, and the cluster has {total} in all: ask for fewer, or add nodes."


def _names(gpu: Gpu) -> set[str]:
    """What nodes with its type may call it; empty for any."""
    return {*gpus.products(gpu.type), gpus.type_of({gpus.PRODUCT_LABEL: gpu.type})} if gpu.type else set()
