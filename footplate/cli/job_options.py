"""What `job submit` and `job run` take; their parameters have the names of `JobRequest`'s fields."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from footplate.cli.options import complete

if TYPE_CHECKING:
    from footplate.client.session import Session

AFTER_DASHES = "footplate.after_dashes"
"""The key in the context's `meta` for what comes after `--`."""


async def _environments(session: Session) -> list[str]:
    from footplate.client import environments

    return [item["metadata"]["name"] for item in await environments.listing(session)]


class WithProgramArguments(TyperCommand):
    """What comes after `--` is the program's, a script before it or not."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if "--" in args:
            at = args.index("--")
            ctx.meta[AFTER_DASHES] = args[at + 1 :]
            args = args[:at]
        return super().parse_args(ctx, args)


Script = Annotated[
    Path | None,
    typer.Argument(help="A script; its directory goes along. What follows `--` are its arguments.", show_default=False),
]
File = Annotated[
    str | None, typer.Option("--file", "-f", help="A TrainingJob as YAML, or - ; other options change it.")
]
JobName = Annotated[str | None, typer.Option("--name", help="Default: made from the script's name.")]
Environment = Annotated[
    str | None,
    typer.Option("--environment", "-e", help="See `footplate environments`.", autocompletion=complete(_environments)),
]
Image = Annotated[str | None, typer.Option("--image", help="An image the platform allows, instead of an environment.")]
Nodes = Annotated[int | None, typer.Option("--nodes", "-n", help="Number of nodes; default 1.")]
Processes = Annotated[
    int | None, typer.Option("--processes-per-node", "-p", help="Default: one a GPU, one without GPUs.")
]
Gpus = Annotated[int | None, typer.Option("--gpus", "-g", help="GPUs of each node.")]
GpuType = Annotated[str | None, typer.Option("--gpu-type", help="Such as H100; any where left out.")]
Cpu = Annotated[str | None, typer.Option("--cpu", help="Cores of each node, such as 500m or 4.")]
Memory = Annotated[str | None, typer.Option("--memory", help="Of each node, such as 8Gi.")]
Launcher = Annotated[str | None, typer.Option("--launcher", help="torchrun (default), jax, ray or none.")]
Env = Annotated[list[str] | None, typer.Option("--env", metavar="NAME=VALUE", help="May be repeated.")]
Dataset = Annotated[
    list[str] | None,
    typer.Option(
        "--dataset", metavar="NAME=URI[:PATH]", help="Such as digits=s3://data/digits:/data; may be repeated."
    ),
]
Code = Annotated[
    Path | None,
    typer.Option("--code", help="The directory that goes along; default: the script's.", show_default=False),
]
Checkpoints = Annotated[
    str | None, typer.Option("--checkpoints", help="Where checkpoints are kept; default: in the team's bucket.")
]
Deadline = Annotated[str | None, typer.Option("--deadline", help="Ends the job after this time, such as 12h.")]
HangTimeout = Annotated[
    str | None,
    typer.Option("--hang-timeout", help="Ends an attempt none of whose ranks reports a step for so long, such as 10m."),
]
Ttl = Annotated[str | None, typer.Option("--ttl", help="Deletes it this long after its end.")]
Retries = Annotated[int | None, typer.Option("--retries", help="Attempts more after the program itself failed.")]
Queue = Annotated[str | None, typer.Option("--queue", help="The queue it waits in.")]
Priority = Annotated[str | None, typer.Option("--priority", help="interactive, training (default) or batch.")]
