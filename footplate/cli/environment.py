"""`footplate environment`: build the image of an environment, and try it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from footplate.cli.group import group
from footplate.cli.images import BuilderName, BuilderOption, build_, console
from footplate.cli.images import TorchName as Variant
from footplate.cli.output import Column, Output, OutputOption, print_list

if TYPE_CHECKING:
    from footplate.images.trial import Finding

app = group("Build the image of an environment, and try it: for platform teams.")

Names = Annotated[
    list[str], typer.Argument(help="base, datascience, jax, jupyter, pytorch, vscode.", show_default=False)
]
Cuda = Annotated[bool, typer.Option("--cuda", help="The variant for GPUs.")]


def _variant(cuda: bool) -> Variant:
    return Variant.CUDA if cuda else Variant.CPU


@app.command()
def build(
    names: Names,
    cuda: Cuda = False,
    builder: BuilderOption = BuilderName.AUTO,
    force: Annotated[bool, typer.Option("--force", help="Anew, with the packages of today.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Build them where their inputs have changed. To offer one, name it in `footplate:standardEnvironments`."""
    build_(names, builder, _variant(cuda), force, output)


@app.command()
def test(
    name: Annotated[str, typer.Argument(help="Of the environment.", show_default=False)],
    cuda: Cuda = False,
    builder: BuilderOption = BuilderName.AUTO,
    output: OutputOption = Output.TABLE,
) -> None:
    """Start its image, import its packages, run a notebook's cell; look at its user, its size, and for known holes.

    Builds it where its inputs have changed. Ends with 1 where something is wrong.
    """
    from footplate.images import build, catalogue, index, trial
    from footplate.images.errors import UnknownImage

    image = catalogue.find(name)
    if not image.environment:
        raise UnknownImage(f"The image {name!r} is no environment.", "name another")
    variant = _variant(cuda).value
    (outcome,) = build.ensure((name,), console(), builder=builder.value, torch=variant)
    directory = index.cache_directory()
    chosen = build.choose(builder.value, directory, variant, console())
    with build.lock(directory, console()):
        found = trial.findings(image, outcome.built, chosen, directory / "logs" / f"{name}-test.log")
    columns = (
        Column["Finding"]("Check", lambda finding: finding.check),
        Column["Finding"]("", lambda finding: _WORDS[finding.passed]),
        Column["Finding"]("Detail", lambda finding: finding.detail),
    )
    print_list(found, columns, output, data=_data)
    if any(finding.passed is False for finding in found):
        raise typer.Exit(1)


_WORDS = {True: "ok", False: "NO", None: "not tried"}


def _data(finding: Finding) -> dict[str, Any]:
    return {"check": finding.check, "passed": finding.passed, "detail": finding.detail}
