"""The `footplate` command: a table of groups, each imported when it is called."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from typer.main import get_command

from footplate.cli import exit_codes
from footplate.cli.group import CONTEXT
from footplate.cli.lazy import Entry, lazy_group
from footplate.version import VERSION

COMMANDS = {
    "workspace": Entry("footplate.cli.workspace", "Interactive environments: create, open, stop, start again"),
    "job": Entry("footplate.cli.job", "Training jobs: submit, follow, cancel"),
    "dataset": Entry("footplate.cli.dataset", "Data sets that jobs stream"),
    "report": Entry("footplate.cli.report", "What the time and the GPUs of jobs went into"),
    "environment": Entry("footplate.cli.environment", "Build the image of an environment, and try it"),
    "environments": Entry("footplate.cli.environments", "The images that workspaces and jobs can use"),
    "doctor": Entry("footplate.cli.doctor", "Checks this machine, the cluster and the platform on it"),
    "up": Entry("footplate.cli.stack", "Bring the platform to what the stack's configuration says", "up"),
    "preview": Entry("footplate.cli.stack", "Show what `up` would change", "preview"),
    "refresh": Entry("footplate.cli.stack", "Read the real state of what the stack made", "refresh"),
    "destroy": Entry("footplate.cli.stack", "Remove all that the stack made", "destroy"),
    "outputs": Entry("footplate.cli.stack", "The outputs of a stack", "outputs"),
    "cluster": Entry("footplate.cli.cluster", "The embedded Kubernetes cluster of this machine"),
    "images": Entry("footplate.cli.images", "Build the standard images, load them, push them"),
    "bringup": Entry("footplate.cli.bringup", "From a bare machine to a running platform (`make up`)", "bringup"),
    "teardown": Entry("footplate.cli.bringup", "Remove all that `bringup` made (`make down`)", "teardown"),
}

app = typer.Typer(
    name="footplate",
    cls=lazy_group(COMMANDS),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=CONTEXT,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"footplate {VERSION}")
        raise typer.Exit


@app.callback(epilog="Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 conflict, 5 refused, 6 cluster, 7 timed out, 8 cancelled, 9 machine.")  # fmt: skip
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Machine-learning workspaces and training jobs on Kubernetes."""


def call(arguments: list[str]) -> None:
    """One command within another."""
    get_command(app).main(arguments, prog_name="footplate", standalone_mode=False)


def main() -> None:
    sys.exit(exit_codes.run(lambda: get_command(app).main(prog_name="footplate", standalone_mode=False)))


if __name__ == "__main__":
    main()
