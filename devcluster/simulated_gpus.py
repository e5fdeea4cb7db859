"""The real node's simulated GPUs: the component that advertises them, their labels, and their health."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterable
from pathlib import Path

import msgspec

from devcluster.errors import UsageError
from devcluster.gpus import GPU_RESOURCE, GpuCount, parse_gpus
from devcluster.paths import ClusterPaths
from devcluster.plan import Component, write_atomically
from devcluster.spec import ClusterSpec

COMPONENT = "gpu-plugin"
#: Beside the health file: percent by device id, as containers read it.
LOAD_DIRECTORY, LOAD_FILE = "gpu-load", "load.json"


class SimulatedGpu(msgspec.Struct, frozen=True, rename="camel"):
    resource: str
    index: int
    id: str
    healthy: bool


def device_id(node: str, resource: str, index: int) -> str:
    """Stable over restarts, in the form that NVIDIA's driver uses."""
    return f"GPU-{uuid.uuid5(uuid.NAMESPACE_DNS, f'{index}.{resource}.{node}')}"


def read_health(path: Path) -> dict[str, list[int]]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, list[int]])
    except (FileNotFoundError, msgspec.DecodeError):
        return {}


def of_node(spec: ClusterSpec) -> GpuCount | None:
    return parse_gpus(spec.gpus, "--gpu")


def component(spec: ClusterSpec, gpus: GpuCount, paths: ClusterPaths) -> Component:
    counts = [f"{resource}={count}" for resource, count in gpus.resources().items()]
    command = (sys.executable, "-m", "devcluster.device_plugin", spec.node_name, str(paths.gpu_health), *counts)
    source = str(Path(__file__).parent.parent)
    return Component(COMPONENT, command, after=("kubelet",), environment={"PYTHONPATH": source})


def list_all(spec: ClusterSpec, paths: ClusterPaths) -> list[SimulatedGpu]:
    gpus, unhealthy = of_node(spec), read_health(paths.gpu_health)
    return [
        SimulatedGpu(
            resource, index, device_id(spec.node_name, resource, index), index not in unhealthy.get(resource, ())
        )
        for resource, count in (gpus.resources() if gpus else {}).items()
        for index in range(count)
    ]


def mark(
    spec: ClusterSpec, paths: ClusterPaths, indexes: Iterable[int], *, healthy: bool, resource: str = GPU_RESOURCE
) -> None:
    """Write the health file; raises UsageError for a GPU that is not there."""
    indexes = set(indexes)
    _require(spec, paths, indexes, resource)
    health = read_health(paths.gpu_health)
    before = set(health.get(resource, ()))
    health[resource] = sorted(before - indexes if healthy else before | indexes)
    write_atomically(paths.gpu_health, msgspec.json.encode(health))


def show_load(spec: ClusterSpec, paths: ClusterPaths, indexes: Iterable[int], percent: int) -> None:
    """What the GPUs say of themselves to their containers from now on; raises UsageError for one that is not there."""
    indexes = set(indexes)
    _require(spec, paths, indexes, GPU_RESOURCE)
    file = paths.gpu_health.with_name(LOAD_DIRECTORY) / LOAD_FILE
    file.parent.mkdir(mode=0o755, exist_ok=True)
    try:
        load = msgspec.json.decode(file.read_bytes(), type=dict[str, int])
    except (FileNotFoundError, msgspec.DecodeError):
        load = {}
    load |= {device_id(spec.node_name, GPU_RESOURCE, index): percent for index in indexes}
    write_atomically(file, msgspec.json.encode(load), 0o644)


def _require(spec: ClusterSpec, paths: ClusterPaths, indexes: set[int], resource: str) -> None:
    known = {gpu.index for gpu in list_all(spec, paths) if gpu.resource == resource}
    if missing := sorted(indexes - known):
        have = (
            f"it has {resource} 0 to {max(known)}" if known else f"it has no {resource}; see `--gpu` of `cluster start`"
        )
        raise UsageError(f"cluster {spec.name!r} has no {resource} number {missing[0]}: {have}")
