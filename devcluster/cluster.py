"""Start, stop, look at and delete clusters: what the `footplate cluster` command and the tests call.

All state is below `$FOOTPLATE_DATA/clusters/<name>/`. `start` computes a plan, hands it to the cluster's supervisor and
waits; it may be repeated at any time and brings back whatever is missing. One call at a time changes a cluster: a second
one waits for a file lock.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from devcluster import (
    addresses,
    artifacts,
    bootstrap,
    build,
    certificates,
    cgroups,
    host,
    inside,
    isolation,
    kubeconfig,
    launch,
    link,
    locks,
    object_store,
    oci,
    paths,
    preflight,
    processes,
    simulated_gpus,
    teardown,
    toolchain,
)
from devcluster import spec as specs
from devcluster.addresses import Endpoints
from devcluster.apiclient import ApiClient
from devcluster.build import Progress, Silent
from devcluster.errors import ClusterNotFound, PreflightError, UsageError
from devcluster.gpus import GPU_RESOURCE
from devcluster.layout import Layout, RealNode
from devcluster.object_store import ObjectStore
from devcluster.paths import ClusterPaths
from devcluster.plan import Plan, write_atomically
from devcluster.simulated_gpus import SimulatedGpu
from devcluster.spec import ClusterSpec, Profile

START_SECONDS = 120.0


@dataclass(frozen=True)
class Running:
    """A cluster that answers."""

    name: str
    profile: Profile
    context: str
    kubeconfig: Path
    server: str
    object_store: ObjectStore | None  # None: profile api


def cluster_paths(name: str, environment: Mapping[str, str] = os.environ) -> ClusterPaths:
    return ClusterPaths(paths.clusters_directory(environment) / specs.check_name(name))


def start(
    name: str = specs.DEFAULT_NAME,
    changes: Mapping[str, object] | None = None,
    *,
    progress: Progress | None = None,
    timeout: float = START_SECONDS,
    environment: Mapping[str, str] = os.environ,
) -> Running:
    """Make it run as its stored spec with `changes` (fields of ClusterSpec) says.

    Raises UsageError, PreflightError, BuildError or StartTimeout. When it was not running before, a failure leaves
    nothing running; when it was not there before, nothing at all.
    """
    progress = progress or Silent()
    place = cluster_paths(name, environment)
    with _locked(place, progress):
        was_there, was_running = place.spec.exists(), bool(processes.of_cluster(place.root))
        if was_there:
            spec = specs.merged(specs.read(place.spec, name), changes or {})
        else:
            spec = specs.requested(name, changes or {})
        preflight.check(spec, place.root, os.geteuid())
        if spec.profile == "full":
            preflight.ensure_node_programs(progress)
        binaries = build.ensure(artifacts.tools_for(spec.profile), paths.cache_directory(environment), progress)
        try:
            return _start(spec, place, binaries, progress, time.monotonic() + timeout, running=was_running)
        except BaseException:
            if not was_running:
                teardown.end(place)
            if not was_there:
                teardown.remove(place)
            raise


def stop(name: str = specs.DEFAULT_NAME, *, environment: Mapping[str, str] = os.environ) -> bool:
    """End every process and undo every change to the machine; objects and volumes stay. False if nothing ran."""
    place = cluster_paths(name, environment)
    with _locked(place, Silent()):
        ran = bool(processes.of_cluster(place.root))
        if not ran and not place.root.exists():
            raise _not_found(name)
        teardown.end(place)
        return ran


def delete(name: str = specs.DEFAULT_NAME, *, environment: Mapping[str, str] = os.environ) -> None:
    """Stop, and remove everything the cluster kept."""
    place = cluster_paths(name, environment)
    with _locked(place, Silent()):
        if not processes.of_cluster(place.root) and not place.root.exists():
            raise _not_found(name)
        teardown.end(place)
        teardown.remove(place)


def exists(name: str = specs.DEFAULT_NAME, *, environment: Mapping[str, str] = os.environ) -> bool:
    return cluster_paths(name, environment).spec.exists()


def names(environment: Mapping[str, str] = os.environ) -> list[str]:
    return sorted(found.parent.name for found in paths.clusters_directory(environment).glob("*/cluster.json"))


def running(name: str = specs.DEFAULT_NAME, *, environment: Mapping[str, str] = os.environ) -> Running:
    """Where a started cluster is reached; raises ClusterNotFound. It may have been stopped since."""
    place = cluster_paths(name, environment)
    spec, endpoints = specs.read(place.spec, name), addresses.read(place)
    if endpoints is None or not place.kubeconfig.exists():
        raise _not_found(name)
    return _running(spec, endpoints, place)


def log_files(name: str, component: str | None = None, *, environment: Mapping[str, str] = os.environ) -> list[Path]:
    """One component's log or all; raises ClusterNotFound, UsageError for a component that has none."""
    place = cluster_paths(name, environment)
    specs.read(place.spec, name)
    found = {path.stem: path for path in sorted(place.logs.glob("*.log"))}
    if component is None:
        return list(found.values())
    if component not in found:
        raise UsageError(f"{component!r} has no log in cluster {name!r}; these have: {', '.join(found) or 'none yet'}")
    return [found[component]]


def program(name: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Where a built program such as `kubectl` lies; raises PreflightError when it is not built."""
    cache = paths.cache_directory(environment)
    tool = next(tool for tool in artifacts.TOOLS if name in tool.packages)
    go = toolchain.find(cache)
    found = build.place(tool, cache, go) / name if go else None
    if found is None or not found.exists():
        raise PreflightError(f"{name} is not built", "`footplate cluster start` builds it")
    return found


def import_image(name: str, archive: Path, *, environment: Mapping[str, str] = os.environ) -> None:
    """Load an OCI or Docker archive onto the node; pods find it by the name that the archive gives it."""
    place = cluster_paths(name, environment)
    _require_node(place, name)
    inside.import_image(place, program("ctr", environment), host.look(place.root).snapshotter, archive)


def images(name: str, *, environment: Mapping[str, str] = os.environ) -> frozenset[str]:
    """References of the images on the node."""
    place = cluster_paths(name, environment)
    _require_node(place, name)
    return inside.images(place, program("ctr", environment))


def inside_command(name: str, arguments: Sequence[str], *, environment: Mapping[str, str] = os.environ) -> list[str]:
    """The same command in the network and mount namespaces of the cluster's node; raises NotRunning."""
    place = cluster_paths(name, environment)
    _require_node(place, name)
    return inside.command(place, arguments)


def _require_node(place: ClusterPaths, name: str) -> None:
    if specs.read(place.spec, name).profile == "api":
        raise UsageError(
            f"cluster {name!r} has no node of its own: its profile is api",
            "real pods need a cluster of profile full, and root: footplate cluster start --name OTHER --profile full",
        )


def gpus(name: str, *, environment: Mapping[str, str] = os.environ) -> list[SimulatedGpu]:
    place = cluster_paths(name, environment)
    return simulated_gpus.list_all(specs.read(place.spec, name), place)


def mark_gpus(
    name: str,
    indexes: Iterable[int],
    *,
    healthy: bool,
    resource: str = GPU_RESOURCE,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """The node advertises it with its next status, within some ten seconds; the mark outlives restarts."""
    place = cluster_paths(name, environment)
    simulated_gpus.mark(specs.read(place.spec, name), place, indexes, healthy=healthy, resource=resource)
    for process in processes.of_component(place.root, simulated_gpus.COMPONENT):
        processes.send(process, place.root, signal.SIGHUP)


def show_gpu_load(
    name: str, indexes: Iterable[int], percent: int, *, environment: Mapping[str, str] = os.environ
) -> None:
    """Containers that have one of these GPUs read it at once."""
    place = cluster_paths(name, environment)
    simulated_gpus.show_load(specs.read(place.spec, name), place, indexes, percent)


def _running(spec: ClusterSpec, endpoints: Endpoints, place: ClusterPaths) -> Running:
    store = object_store.read(place) if spec.profile == "full" else None
    return Running(spec.name, spec.profile, spec.context, place.kubeconfig, endpoints.server, store)


def _not_found(name: str) -> ClusterNotFound:
    return ClusterNotFound(f"there is no cluster {name!r} here", f"start it: footplate cluster start --name {name}")


@contextlib.contextmanager
def _locked(place: ClusterPaths, progress: Progress) -> Generator[None]:
    preflight.check_writable(place.root)
    lock = place.root.parent / f".{place.root.name}.lock"
    name = place.root.name
    with locks.exclusive(lock, lambda: progress.begin(f"waiting for another command that changes cluster {name}")):
        try:
            yield
        finally:
            if not place.root.exists():
                lock.unlink(missing_ok=True)


def _start(
    spec: ClusterSpec,
    place: ClusterPaths,
    binaries: Mapping[str, Path],
    progress: Progress,
    deadline: float,
    *,
    running: bool,
) -> Running:
    clusters = place.root.parent
    progress.begin(f"cluster {spec.name}")
    with locks.exclusive(clusters / ".addresses.lock"):
        others = [found for found in addresses.reserved(clusters) if found != addresses.read(place)]
        endpoints = addresses.settle(spec, place.root, addresses.read(place), others, running=running)
        addresses.write(place, endpoints)
    planned = _prepare(spec, endpoints, place, binaries)
    plan = _write_plan(planned, progress)
    if endpoints.node and (pid := isolation.inside_process(place)):
        link.repair(endpoints.node, pid, place.forwarding)
    launch.supervise(place)
    launch.wait_ready(place, plan, progress, deadline)
    progress.detail("creating its objects")
    _load_sandbox_image(planned)
    with ApiClient(endpoints, place) as api:
        bootstrap.apply(spec, api, deadline)
    write_atomically(place.kubeconfig, kubeconfig.render(place, endpoints.server, spec.context, "admin"))
    progress.done(f"cluster {spec.name} is ready: {endpoints.server}")
    return _running(spec, endpoints, place)


def _prepare(spec: ClusterSpec, endpoints: Endpoints, place: ClusterPaths, binaries: Mapping[str, Path]) -> Layout:
    """Directories, and on a real node what its configuration depends on."""
    place.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    for directory in (place.logs, place.config, place.run, place.volumes, place.audit_log.parent):
        directory.mkdir(parents=True, exist_ok=True)
    if spec.profile == "api":
        return Layout(spec, endpoints, place, binaries, None)
    try:
        cgroups.prepare(teardown.cgroup(place))
    except OSError as error:
        raise PreflightError(
            f"pods need control groups, and they cannot be made here: {error}",
            "in a container, mount /sys/fs/cgroup writable (docker run --privileged)",
        ) from error
    real = RealNode(host.look(place.root), object_store.settle(endpoints, place))
    return Layout(spec, endpoints, place, binaries, real)


def _write_plan(planned: Layout, progress: Progress) -> Plan:
    place = planned.paths
    write_atomically(place.spec, msgspec.json.format(msgspec.json.encode(planned.spec)))
    fresh = not place.pki.exists()
    written = certificates.ensure(place, planned.leaves(), certificates.utc_now())
    for sentence in [] if fresh else certificates.follows(written):
        progress.done(sentence)
        progress.begin(f"cluster {planned.spec.name}")
    for path, content in planned.files().items():
        if not path.exists() or path.read_bytes() != content:
            write_atomically(path, content)
    plan = Plan(planned.components(), planned.endpoints.node)
    write_atomically(place.plan, msgspec.json.encode(plan))
    return plan


def _load_sandbox_image(planned: Layout) -> None:
    if planned.node is None:
        return
    place, pause, ctr = planned.paths, planned.binaries["pause"], planned.binaries["ctr"]
    if oci.sandbox_reference(pause) not in inside.images(place, ctr):
        archive = place.run / "pause.tar"
        archive.write_bytes(oci.sandbox_archive(pause))
        inside.import_image(place, ctr, planned.node.host.snapshotter, archive)
