"""`footplate environments`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from footplate.cli.group import group
from footplate.cli.options import ContextOption, KubeconfigOption, Where, note, on_cluster
from footplate.cli.output import Column, Output, OutputOption, api_object, print_list

if TYPE_CHECKING:
    from footplate.cli.progress import Live
    from footplate.client.session import Session
    from footplate.kube.decoding import Object

app = group("The images that workspaces and jobs can use.")


@app.command()
def environments(
    output: OutputOption = Output.TABLE,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """The images that workspaces and jobs can use."""
    import msgspec

    from footplate.api import Environment
    from footplate.client import environments as client

    async def work(session: Session, live: Live) -> list[Object]:
        del live
        return await client.listing(session)

    found = on_cluster(Where(None, context, kubeconfig), work)
    if not found and output is Output.TABLE:
        note("This platform has no environments yet: `footplate up` registers the standard ones.")
        return
    items = [(raw, msgspec.convert(raw, Environment)) for raw in found]
    columns = (
        Column[tuple["Object", Environment]]("Name", lambda pair: pair[1].metadata.name),
        Column[tuple["Object", Environment]]("GPU", lambda pair: "yes" if pair[1].spec.gpu else "no"),
        Column[tuple["Object", Environment]]("Packages", lambda pair: _packages(pair[1].spec.packages)),
        Column[tuple["Object", Environment]](
            "Description", lambda pair: pair[1].spec.description or pair[1].spec.display_name
        ),
    )
    print_list(items, columns, output, data=lambda pair: api_object(pair[0]))


def _packages(packages: dict[str, str], most: int = 4) -> str:
    shown = [f"{name} {version}" for name, version in list(packages.items())[:most]]
    return ", ".join(shown) + (", …" if len(packages) > most else "")
