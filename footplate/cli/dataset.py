"""`footplate dataset`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from footplate.cli.group import group
from footplate.cli.output import Output, OutputOption, print_object

app = group("Data sets that jobs stream with footplate.data.")

Uri = Annotated[str, typer.Argument(help="s3://bucket/path, gs://bucket/path or a directory.", show_default=False)]
BlockSize = Annotated[
    str, typer.Option("--block-size", help="How much is read in one piece; samples are shuffled by blocks.")
]


@app.callback()
def root() -> None:
    """Data sets that jobs stream with footplate.data."""


@app.command()
def index(uri: Uri, block_size: BlockSize = "8Mi", output: OutputOption = Output.TABLE) -> None:
    """Reads each shard once and writes the index that the reader needs beside them.

    Tar shards in WebDataset's layout, or, where there are none, plain files as a sample each. The object store is reached
    with the AWS_… variables of this shell, which workspaces and jobs have, or Google's default credentials.
    """
    from footplate import data
    from footplate.api import quantity
    from footplate.data.errors import DataError
    from footplate.errors import BadUsage, FootplateError

    try:
        size = int(quantity.parse(block_size))
    except ValueError as error:
        raise BadUsage(f"--block-size {error}") from error
    if size < 1:
        raise BadUsage(f"--block-size is {block_size}: at least one byte is needed.")

    def progress(done: int, total: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{done} of {total} shards", end="" if done < total else "\n", file=sys.stderr, flush=True)

    try:
        found = data.index(uri, block_size=size, progress=progress)
    except DataError as error:
        raise FootplateError(str(error)) from error
    described = {"uri": uri, "samples": found.samples, "bytes": found.size, "blocks": len(found.blocks)}
    print_object(
        described,
        output,
        lambda _: f"{uri}: {found.samples} samples, {quantity.human_bytes(found.size)}, in {len(found.blocks)} blocks.",
    )
