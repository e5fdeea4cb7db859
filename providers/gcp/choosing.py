"""What a GPU pool becomes on Google Cloud: its machine, its zones, its shares. Pure; what cannot be had is a ProviderError."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from footplate.api import quantity
from providers.contract import ProviderError
from providers.gcp.machines import MACHINES, PARTITIONS, Fabric, Machine
from providers.spec import Capacity, GpuPool

#: Of GPUs that Google does not have: what comes nearest. Source: https://cloud.google.com/compute/docs/gpus
NEAREST = {"A10G": "L4", "L40S": "L4"}

#: Shares that GKE's device plugin makes of one GPU at most.
#: Source: https://cloud.google.com/kubernetes-engine/docs/concepts/timesharing-gpus#limitations
MOST_SHARES = 48

#: Series in which flex-start places nodes compactly.
#: Source: GoogleCloudPlatform/cluster-toolkit, modules/compute/gke-node-pool (precondition of flex-start).
COMPACT_FLEX = frozenset({Fabric.RDMA})


def machine_for(pool: GpuPool, offered: Sequence[str], path: str) -> Machine:
    """The smallest machine with the pool's GPUs, CPUs and memory that every step of its ladder can have.

    With a fabric the one with the fastest. `offered`: the stack's zones; machines that they have come before others.
    """
    of_gpu = [machine for machine in MACHINES if machine.gpu == pool.gpu]
    if not of_gpu:
        known = ", ".join(dict.fromkeys(machine.gpu for machine in MACHINES))
        nearest = f"; {NEAREST[pool.gpu]} comes nearest" if pool.gpu in NEAREST else ""
        raise ProviderError(f"{path}.gpu: Google Cloud has no {pool.gpu}{nearest}; it has {known}")
    of_count = _having(
        of_gpu,
        lambda machine: machine.gpus == pool.count,
        f"{path}.count: no machine has {pool.count} {pool.gpu}; there are some with {_numbers(m.gpus for m in of_gpu)}",
    )
    fitting = of_count
    if pool.fabric:
        fitting = _having(of_count, lambda machine: machine.fabric is not None, f"{path}.fabric: {_no_fabric(pool)}")
    for index, step in enumerate(pool.capacity):
        fitting = _having(fitting, lambda machine: step.kind in machine.capacity, _no_step(path, index, step, fitting))  # noqa: B023
    memory = quantity.parse(pool.memory) / 1024**3
    fitting = _having(
        fitting,
        lambda machine: machine.cpus >= pool.cpu,
        f"{path}.cpu: no machine with {pool.count} {pool.gpu} has {pool.cpu} CPUs; the most is {max(m.cpus for m in fitting)}",
    )
    fitting = _having(
        fitting,
        lambda machine: machine.memory_gib >= memory,
        f"{path}.memory: no such machine with {pool.count} {pool.gpu} has {pool.memory}; "
        f"the most is {max(m.memory_gib for m in fitting)}Gi",
    )
    here = [machine for machine in fitting if machine.zones.intersection(pool.zones or offered)] or fitting
    return here[-1] if pool.fabric else here[0]


def zones_for(pool: GpuPool, machine: Machine, offered: Sequence[str], path: str) -> tuple[str, ...]:
    """The stack's zones that have the machine; with a fabric one alone. A zone that the pool names must have it."""
    has = set(offered) if pool.assume_offered else machine.zones
    wrong = [zone for zone in pool.zones if zone not in has]
    chosen = tuple(zone for zone in pool.zones or offered if zone in has)
    if wrong or not chosen:
        region = offered[0].rpartition("-")[0] if offered else ""
        near = [zone for zone in sorted(machine.zones) if zone.startswith(f"{region}-")]
        where = (
            f"in {region} those with it are {', '.join(near)}"
            if near
            else f"{region} has none with it; others have: {', '.join(sorted(machine.zones))}"
        )
        asked = ", ".join(wrong or offered)
        raise ProviderError(
            f"{path}.zones: {asked} lack {machine.type} ({pool.gpu}); {where} (assumeOffered: true, if Google has come to offer it)"
        )
    if not pool.fabric:
        return chosen
    if len(pool.zones) > 1:
        raise ProviderError(
            f"{path}.zones: a fabric does not cross zones, and there are {len(pool.zones)}: name one, "
            "and make a pool for each of the others"
        )
    return chosen[:1]


def check_sharing(pool: GpuPool, path: str) -> None:
    sharing = pool.sharing
    if sharing is None:
        return
    if sharing.mode == "mig" and sharing.profile not in PARTITIONS.get(pool.gpu, ()):
        profiles = ", ".join(PARTITIONS.get(pool.gpu, ())) or "none"
        raise ProviderError(
            f"{path}.sharing.profile: GKE makes no {sharing.profile} of {pool.gpu}; it makes {profiles}"
        )
    if sharing.replicas > MOST_SHARES:
        raise ProviderError(
            f"{path}.sharing.replicas: GKE shares a GPU by {MOST_SHARES} at most, not {sharing.replicas}"
        )


def check_local_disks(pool: GpuPool, machine: Machine, path: str) -> None:
    if machine.local_ssds and not pool.local_disks:
        raise ProviderError(
            f"{path}.localDisks: {machine.type} comes with its local SSDs: remove the key, or set it to true"
        )


def check_steps(pool: GpuPool, path: str) -> None:
    """What flex-start does not go together with."""
    for index, step in enumerate(pool.capacity):
        if step.kind == "flex" and step.reservation:
            raise ProviderError(
                f"{path}.capacity[{index}].reservation: flex-start on Google Cloud takes no reservation: remove it, "
                "or make the step a reservation (calendar mode is one)"
            )
    if pool.min_nodes and {step.kind for step in pool.capacity} == {"flex"}:
        raise ProviderError(
            f"{path}.minNodes: flex-start nodes live seven days at most, so a pool of them alone keeps none: set it to 0"
        )


def _having(machines: list[Machine], fits: Callable[[Machine], bool], message: str) -> list[Machine]:
    found = [machine for machine in machines if fits(machine)]
    if not found:
        raise ProviderError(message)
    return found


def _no_fabric(pool: GpuPool) -> str:
    joined = dict.fromkeys(f"{machine.gpus} × {machine.gpu}" for machine in MACHINES if machine.fabric)
    return (
        f"no machine with {pool.count} × {pool.gpu} has GPUDirect; those with {', '.join(joined)} have: remove fabric"
    )


def _no_step(path: str, index: int, step: Capacity, machines: list[Machine]) -> str:
    machine = machines[0]
    return (
        f"{path}.capacity[{index}].kind: Google Cloud has no {step.kind} {machine.type} "
        f"({machine.gpus} × {machine.gpu}); it has {', '.join(machine.capacity)}"
    )


def _numbers(numbers: Iterable[int]) -> str:
    return ", ".join(str(number) for number in sorted(set(numbers)))
