"""`footplate cluster`: the embedded Kubernetes of this machine."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from footplate.cli.group import group
from footplate.cli.options import YesOption, confirmed, note
from footplate.cli.output import Column, Output, OutputOption, print_list, print_object
from footplate.errors import FootplateError

if TYPE_CHECKING:
    from devcluster.progress import ConsoleProgress
    from devcluster.report import ClusterReport, ComponentReport
    from devcluster.simulated_gpus import SimulatedGpu

app = group("The embedded Kubernetes cluster of this machine")


class ProfileName(StrEnum):
    FULL = "full"
    API = "api"


def _complete_name(incomplete: str) -> list[str]:
    from devcluster import cluster

    return [name for name in cluster.names() if name.startswith(incomplete)]


NameOption = Annotated[
    str, typer.Option("--name", "-n", help="Several clusters run side by side.", autocompletion=_complete_name)
]
_SIMULATED = "GPUs of each simulated node, such as H100:8 or A100-80GB:6,1g.10gb:7."


def _progress() -> ConsoleProgress:
    from rich.console import Console

    from devcluster.progress import ConsoleProgress

    return ConsoleProgress(Console(stderr=True))


@app.command()
def start(
    name: NameOption = "default",
    profile: Annotated[
        ProfileName | None,
        typer.Option(
            help="full: real pods, needs root. api: no node, no root. Fixed at the first start; full by default."
        ),
    ] = None,
    gpu: Annotated[str | None, typer.Option(help="Simulated GPUs of the real node, such as H100:4.")] = None,
    kwok_nodes: Annotated[int | None, typer.Option(help="How many simulated nodes.")] = None,
    kwok_gpu: Annotated[str | None, typer.Option(help=_SIMULATED)] = None,
    kwok_cpu: Annotated[str | None, typer.Option(help="CPUs of each simulated node.")] = None,
    kwok_memory: Annotated[str | None, typer.Option(help="Memory of each simulated node.")] = None,
    kwok_taint: Annotated[
        bool | None, typer.Option(help="Keep pods off simulated nodes that do not tolerate kwok.x-k8s.io/node.")
    ] = None,
    max_pods: Annotated[int | None, typer.Option(help="Pods a node.")] = None,
    api_port: Annotated[int | None, typer.Option(help="Port of the API server; 0 chooses.")] = None,
    s3_port: Annotated[int | None, typer.Option(help="Port of the S3 endpoint.")] = None,
    pod_cidr: Annotated[str | None, typer.Option(help="Network of the pods; a free one by default.")] = None,
    service_cidr: Annotated[str | None, typer.Option(help="Network of the Services; a free one by default.")] = None,
    client_qps: Annotated[int | None, typer.Option(help="API requests a second allowed to controllers.")] = None,
    feature_gate: Annotated[
        list[str] | None, typer.Option(metavar="NAME=true|false", help="May be repeated; replaces those set before.")
    ] = None,
    kubernetes_version: Annotated[str | None, typer.Option(help="Only the version that is built is accepted.")] = None,
    timeout: Annotated[int, typer.Option(help="Seconds until every component must be ready, builds aside.")] = 120,
    output: OutputOption = Output.TABLE,
) -> None:
    """Start the cluster, or bring back what is missing of it; what is asked for is kept for later starts."""
    from devcluster import cluster, report, spec

    asked = {
        "profile": profile and profile.value,
        "gpus": gpu,
        "kwok_nodes": kwok_nodes,
        "kwok_gpus": kwok_gpu,
        "kwok_cpu": kwok_cpu,
        "kwok_memory": kwok_memory,
        "kwok_taint": kwok_taint,
        "max_pods": max_pods,
        "api_port": api_port,
        "s3_port": s3_port,
        "pod_cidr": pod_cidr,
        "service_cidr": service_cidr,
        "client_qps": client_qps,
        "kubernetes_version": kubernetes_version and kubernetes_version.removeprefix("v"),
        "feature_gates": spec.parse_gates(feature_gate) if feature_gate else None,
    }
    changes = {field: value for field, value in asked.items() if value is not None}
    with _progress() as progress:
        cluster.start(name, changes, progress=progress, timeout=timeout)
    found = report.of(name)
    print_object(found, output, _started)


def _started(found: ClusterReport) -> str:
    option = "" if found.name == "default" else f" --name {found.name}"
    lines = [f"export KUBECONFIG={found.kubeconfig}"]
    if found.object_store:
        lines.append(f"# S3: {found.object_store}, bucket footplate")
    lines.append(f"# footplate cluster status{option}")
    return "\n".join(lines)


@app.command()
def build(
    profile: Annotated[ProfileName, typer.Option(help="Whose programs: full has all of them.")] = ProfileName.FULL,
) -> None:
    """Compile the programs of a cluster, without starting one; `start` does so by itself."""
    from devcluster import artifacts, paths
    from devcluster import build as builds

    with _progress() as progress:
        builds.ensure(artifacts.tools_for(profile.value), paths.cache_directory(), progress)


@app.command()
def stop(name: NameOption = "default") -> None:
    """End the cluster's processes; objects, volumes and images stay for the next start."""
    from devcluster import cluster

    ran = cluster.stop(name)
    typer.echo(f"cluster {name} is stopped" if ran else f"cluster {name} was not running", err=True)


@app.command()
def delete(name: NameOption = "default", yes: YesOption = False) -> None:
    """Stop the cluster and remove all that it kept; builds stay in the cache."""
    from devcluster import cluster

    if cluster.exists(name):
        confirmed(f"Delete cluster {name}, with all workspaces, jobs, homes and images on it?", yes)
    cluster.delete(name)
    typer.echo(f"cluster {name} is deleted", err=True)


_STATE_STYLES = {"Running": "32", "Ready": "32", "Degraded": "33", "Starting": "33", "Restarting": "31", "Down": "31"}


def _age(component: ComponentReport) -> str:
    from footplate.cli import human

    return human.age(datetime.fromtimestamp(component.since, UTC)) if component.since else ""


def _component_columns() -> list[Column[ComponentReport]]:
    return [
        Column("component", lambda c: c.name),
        Column("state", lambda c: c.state, lambda c: _STATE_STYLES.get(c.state)),
        Column("pid", lambda c: c.pid),
        Column("age", _age),
        Column("memory", lambda c: f"{c.memory_mib} MiB" if c.memory_mib else ""),
        Column("restarts", lambda c: c.restarts),
        Column("last exit", lambda c: c.last_exit),
    ]


def _page(found: ClusterReport) -> str:
    from footplate.cli import human
    from footplate.cli.output import colourful, table, terminal_width

    rows = [
        ("State", f"{found.state}: {found.message}" if found.message else found.state),
        ("Kubernetes", f"{found.kubernetes_version}, profile {found.profile}"),
        ("Server", found.server),
        ("Kubeconfig", f"{found.kubeconfig}, context {found.context}"),
        ("S3", found.object_store),
        ("GPUs", found.simulated_gpus and f"{found.simulated_gpus}, simulated"),
        ("Simulated nodes", str(found.simulated_nodes or "")),
    ]
    parts = ["\n".join(human.facts(rows))]
    if found.components:
        parts.append(table(found.components, _component_columns(), width=terminal_width(), colour=colourful()))
    return "\n\n".join(parts)


@app.command()
def status(name: NameOption = "default", output: OutputOption = Output.TABLE) -> None:
    """Show the cluster and its components. Exit code 0 when it runs, 1 when something is wrong or it is stopped."""
    from devcluster import report

    found = report.of(name)
    print_object(found, output, _page)
    if found.state != "Running":
        raise typer.Exit(1)


@app.command("list")
def list_(output: OutputOption = Output.TABLE) -> None:
    """Show the clusters of this machine's user."""
    from devcluster import cluster, report

    columns: list[Column[ClusterReport]] = [
        Column("name", lambda c: c.name),
        Column("profile", lambda c: c.profile),
        Column("state", lambda c: c.state, lambda c: _STATE_STYLES.get(c.state)),
        Column("server", lambda c: c.server),
        Column("context", lambda c: c.context),
    ]
    found: list[ClusterReport] = []
    for name in cluster.names():
        try:
            found.append(report.of(name))
        except FootplateError as error:  # one that cannot be read hides no other
            typer.echo(error.message, err=True)
    if not found and output is Output.TABLE:
        note("There are no embedded clusters of yours. Start one: footplate cluster start (or all of it: make up)")
        return
    print_list(found, columns, output)


@app.command()
def kubeconfig(
    name: NameOption = "default",
    path: Annotated[bool, typer.Option("--path", help="Print where the file lies instead.")] = False,
) -> None:
    """Print the cluster's kubeconfig (administrator)."""
    from devcluster import cluster

    file = cluster.running(name).kubeconfig
    typer.echo(file if path else file.read_text(), nl=path)


@app.command()
def logs(
    component: Annotated[str | None, typer.Argument(help="Such as kubelet; all of them by default.")] = None,
    name: NameOption = "default",
    follow: Annotated[bool, typer.Option("--follow", "-f")] = False,
    tail: Annotated[int, typer.Option(help="How many of the last lines.")] = 50,
) -> None:
    """Show the log of a component."""
    from devcluster import cluster

    files = cluster.log_files(name, component)
    os.execvp("tail", ["tail", f"--lines={tail}", *(["--follow=name", "--retry"] if follow else []), *map(str, files)])


@app.command("exec", context_settings={"ignore_unknown_options": True})
def exec_(command: Annotated[list[str], typer.Argument(metavar="COMMAND...")], name: NameOption = "default") -> None:
    """Run a command in the node's network and mount namespaces, such as `exec -- ip route`."""
    from devcluster import cluster

    whole = cluster.inside_command(name, command)
    os.execvp(whole[0], whole)


@app.command("import")
def import_(
    archive: Annotated[Path, typer.Argument(help="An OCI or Docker image archive.")], name: NameOption = "default"
) -> None:
    """Load an image onto the node, under the name that the archive gives it."""
    from devcluster import cluster

    before = cluster.images(name)
    cluster.import_image(name, archive)
    new = sorted(image for image in cluster.images(name) - before if not image.startswith("sha256:"))
    typer.echo(f"loaded {', '.join(new)}" if new else f"{archive} was there already", err=True)


gpu_app = group("Simulated GPUs of the real node: see them, make them fail")
app.add_typer(gpu_app, name="gpu")
IndexArgument = Annotated[list[int], typer.Argument(metavar="INDEX...", help="As `gpu list` counts them.")]
ResourceOption = Annotated[str, typer.Option("--resource", help="nvidia.com/mig-1g.10gb, for example.")]


@gpu_app.command("list")
def gpu_list(name: NameOption = "default", output: OutputOption = Output.TABLE) -> None:
    """Show the GPUs and their health."""
    from devcluster import cluster

    columns: list[Column[SimulatedGpu]] = [
        Column("index", lambda gpu: gpu.index),
        Column("health", _health, lambda gpu: "32" if gpu.healthy else "31"),
        Column("resource", lambda gpu: gpu.resource),
        Column("id", lambda gpu: gpu.id),
    ]
    found = cluster.gpus(name)
    if not found and output is Output.TABLE:
        note(
            f"Cluster {name} has no real node with simulated GPUs; --gpu H100:4 at its start gives it some (profile full)."
        )
        return
    print_list(found, columns, output)


def _health(gpu: SimulatedGpu) -> str:
    return "Healthy" if gpu.healthy else "Unhealthy"


@gpu_app.command("unhealthy")
def gpu_unhealthy(
    index: IndexArgument, name: NameOption = "default", resource: ResourceOption = "nvidia.com/gpu"
) -> None:
    """Make GPUs fail: the node offers fewer within some ten seconds."""
    from devcluster import cluster

    cluster.mark_gpus(name, index, healthy=False, resource=resource)


@gpu_app.command("healthy")
def gpu_healthy(
    index: IndexArgument, name: NameOption = "default", resource: ResourceOption = "nvidia.com/gpu"
) -> None:
    """Make GPUs work again."""
    from devcluster import cluster

    cluster.mark_gpus(name, index, healthy=True, resource=resource)


@gpu_app.command("load")
def gpu_load(
    index: IndexArgument,
    percent: Annotated[int, typer.Option("--percent", min=0, max=100, help="Of the time in which it computes.")],
    name: NameOption = "default",
) -> None:
    """Let simulated GPUs say that they are busy, to the containers that have them."""
    from devcluster import cluster

    cluster.show_gpu_load(name, index, percent)
