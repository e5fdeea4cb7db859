"""`footplate images`: build the standard images, load them, push them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from footplate.cli.group import group
from footplate.cli.options import ContextOption, KubeconfigOption, note
from footplate.cli.output import Column, Output, OutputOption, print_list

if TYPE_CHECKING:
    from devcluster.progress import ConsoleProgress
    from footplate.images.build import Outcome

app = group("Build the standard images, load them into a cluster, push them to a registry")


class BuilderName(StrEnum):
    AUTO = "auto"
    BUILDAH = "buildah"
    DOCKER = "docker"


class TorchName(StrEnum):
    CPU = "cpu"
    CUDA = "cuda"


NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        help="platform, jupyter, pytorch are the default; base, datascience, jax, vscode.", show_default=False
    ),
]
BuilderOption = Annotated[
    BuilderName, typer.Option(help="auto: Docker where its daemon answers, else buildah, which needs root.")
]
TorchOption = Annotated[TorchName, typer.Option(help="cuda: with the packages for GPUs.")]


def console() -> ConsoleProgress:
    from rich.console import Console

    from devcluster.progress import ConsoleProgress

    return ConsoleProgress(Console(stderr=True))


def _ensure(names: list[str] | None, builder: BuilderName, torch: TorchName, force: bool = False) -> list[Outcome]:
    from footplate.images import build

    return build.ensure(names or (), console(), builder=builder.value, torch=torch.value, force=force)


@app.command("build")
def build_(
    names: NamesArgument = None,
    builder: BuilderOption = BuilderName.AUTO,
    torch: TorchOption = TorchName.CPU,
    force: Annotated[bool, typer.Option("--force", help="Build all anew, with the packages of today.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Build the images whose inputs have changed."""
    outcomes = _ensure(names, builder, torch, force)
    columns = (
        Column["Outcome"]("Name", lambda outcome: outcome.image.name),
        Column["Outcome"]("Image", lambda outcome: outcome.built.reference),
        Column["Outcome"]("Size", lambda outcome: f"{outcome.built.size / 2**20:.0f} MiB"),
        Column["Outcome"](
            "Built", lambda outcome: "unchanged" if outcome.seconds is None else f"in {outcome.seconds:.0f} s"
        ),
    )
    print_list(outcomes, columns, output, data=_outcome)


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "name": outcome.image.name,
        "image": outcome.built.reference,
        "digest": outcome.built.digest,
        "archive": outcome.built.archive,
        "sizeBytes": outcome.built.size,
        "built": outcome.seconds is not None,
        "seconds": None if outcome.seconds is None else round(outcome.seconds, 1),
    }


@app.command()
def load(
    names: NamesArgument = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    builder: BuilderOption = BuilderName.AUTO,
    torch: TorchOption = TorchName.CPU,
    output: OutputOption = Output.TABLE,
) -> None:
    """Put the images onto the nodes of an embedded, kind or k3d cluster; builds what has changed, loads what is missing."""
    from footplate.client.target import Target, connect
    from footplate.images import delivery, index

    target = delivery.target(connect(Target(kubeconfig, context)).context)
    outcomes = _ensure(names, builder, torch)
    loaded = delivery.load([outcome.built for outcome in outcomes], target, index.cache_directory(), console())
    references = {built.reference for built in loaded}
    if output is Output.TABLE and not loaded:
        note(f"{target.title} has all of them already.")
    columns = (
        Column["Outcome"]("Name", lambda outcome: outcome.image.name),
        Column["Outcome"]("Image", lambda outcome: outcome.built.reference),
        Column["Outcome"](
            "Loaded", lambda outcome: "now" if outcome.built.reference in references else "already there"
        ),
    )
    print_list(
        outcomes,
        columns,
        output,
        data=lambda outcome: {
            "name": outcome.image.name,
            "image": outcome.built.reference,
            "loaded": outcome.built.reference in references,
        },
    )


@app.command()
def push(
    registry: Annotated[str, typer.Option(help="HOST or HOST/PATH, such as ghcr.io/acme/footplate.")],
    names: NamesArgument = None,
    builder: BuilderOption = BuilderName.AUTO,
    torch: TorchOption = TorchName.CPU,
    output: OutputOption = Output.TABLE,
) -> None:
    """Push the images to a registry, for clusters that pull; builds what has changed."""
    from footplate.images import build, delivery, index

    outcomes = _ensure(names, builder, torch)
    directory, progress = index.cache_directory(), console()
    chosen = build.choose(builder.value, directory, torch.value, progress)
    pushed = delivery.push([outcome.image.name for outcome in outcomes], registry, chosen, directory, progress)
    columns = (
        Column[tuple[str, str]]("Name", lambda item: item[0]),
        Column[tuple[str, str]]("Image", lambda item: item[1]),
    )
    print_list(list(pushed.items()), columns, output, data=lambda item: {"name": item[0], "image": item[1]})


@app.command("list")
def list_(output: OutputOption = Output.TABLE) -> None:
    """The images, and what is built of them on this machine."""
    from footplate.images import catalogue, index

    built = index.read(index.cache_directory())
    rows: list[dict[str, Any]] = []
    for image in catalogue.IMAGES:
        found = built.get(image.name)
        rows.append(
            {
                "name": image.name,
                "description": image.description,
                "image": found.reference if found else None,
                "digest": found.digest if found else None,
                "sizeBytes": found.size if found else None,
                "builder": found.builder if found else None,
                "archivePresent": bool(found and found.present),
                "packages": found.packages if found else {},
                "pushed": found.pushed if found else {},
            }
        )
    columns = (
        Column[dict[str, Any]]("Name", lambda row: row["name"]),
        Column[dict[str, Any]]("Image", lambda row: row["image"] or "not built"),
        Column[dict[str, Any]]("Size", lambda row: f"{row['sizeBytes'] / 2**20:.0f} MiB" if row["sizeBytes"] else ""),
        Column[dict[str, Any]]("Description", lambda row: row["description"]),
    )
    print_list(rows, columns, output)
