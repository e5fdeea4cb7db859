"""`footplate bringup` and `footplate teardown`: what `make up` and `make down` call."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from footplate.cli.group import group
from footplate.cli.options import ContextOption, KubeconfigOption, YesOption, confirmed, note

if TYPE_CHECKING:
    from devcluster.progress import ConsoleProgress
    from footplate import sdk
    from footplate.bringup.demo import Notebook, Training
    from footplate.bringup.site import Site
    from footplate.engine.checked import AnyStack
    from footplate.engine.display.observers import Display

app = group("From a bare machine to a running platform, and back.")

#: Seconds: the first start of a workspace on a busy machine, and of a job.
WORKSPACE_LIMIT = 300.0
JOB_LIMIT = 600.0

StackOption = Annotated[str, typer.Option("--stack", "-s", envvar="FOOTPLATE_STACK", help="The stack.")]
ClusterOption = Annotated[str, typer.Option("--cluster", help="Name of the embedded cluster.")]


@app.command()
def bringup(
    stack: StackOption = "local",
    cluster: ClusterOption = "default",
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    registry: Annotated[
        str | None, typer.Option(envvar="FOOTPLATE_REGISTRY", help="HOST/PATH that the cluster pulls images from.")
    ] = None,
    gpu: Annotated[
        str | None, typer.Option(envvar="FOOTPLATE_GPU", help="Simulated GPUs of the embedded cluster, such as H100:4.")
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo/--no-demo", help="Run a notebook and a training job at the end.")
    ] = True,
    yes: YesOption = False,
) -> None:
    """A running platform: the cluster, the images, the stack, and a notebook and a training job to show for it.

    Each step does only what is missing, so that it may be run again at any time.
    """
    from footplate.bringup import site as sites
    from footplate.bringup import steps
    from footplate.client.target import Target

    started = time.monotonic()
    site = sites.choose(Target(kubeconfig, context), cluster)
    if not site.embedded:
        confirmed(f"Bring the platform up on {_where(site)}, which is no embedded cluster?", yes)
    with _progress() as progress:
        _head(1, "cluster")
        steps.start_cluster(site, gpu, progress)
        _head(2, "images")
        steps.bring_images(site, registry, progress)
    _head(3, f"stack {stack}")
    directory = steps.project_directory()
    config = sites.stack_config(site, directory / "stacks" / f"Pulumi.{stack}.yaml", registry)
    _apply(directory, stack, config)
    if demo:
        _demo(site, directory, started)
    else:
        print(f"Footplate runs on {_where(site)}.")


def _apply(directory: Path, stack: str, config: dict[str, str]) -> None:
    from footplate.bringup import steps
    from footplate.engine.stacks import open_stack

    opened = open_stack(directory, stack, config=config)
    display = _display()
    try:
        result = steps.apply_stack(opened, display)
    finally:
        display.close()
    if not result.changed:
        note("nothing to change")


def _demo(site: Site, directory: Path, started: float) -> None:
    from footplate import sdk
    from footplate.bringup import demo

    examples = directory / "examples"
    client = sdk.Client(kubeconfig=site.target.kubeconfig, context=site.target.context)
    with client, _progress(plain_interval=0.0) as progress:
        _head(4, f"workspace {demo.WORKSPACE}")
        progress.begin("workspace")
        ran = demo.run_notebook(client, examples / "notebook" / "first-steps.ipynb", progress.detail, WORKSPACE_LIMIT)
        progress.done(f"notebook first-steps.ipynb: all {ran.cells} cells ran; the first said: {ran.first_output}")
        _head(5, f"training job {demo.JOB}")
        progress.begin("job")
        trained = demo.train(client, examples / "digits" / "train.py", progress.detail, JOB_LIMIT)
        progress.done(
            f"digits on 2 nodes, {trained.processes} processes: accuracy {trained.accuracy:.1%}, "
            f"checkpoint of step {trained.checkpoint_step} in the object store"
        )
        _summary(site, client, ran, trained, started)


def _summary(site: Site, client: sdk.Client, ran: Notebook, trained: Training, started: float) -> None:
    from footplate.bringup import demo
    from footplate.cli.main import call

    flags = _flags(site)
    command = f"{_called()} "
    for words in (f"workspace show {demo.WORKSPACE}{flags}", f"job show {trained.job}{flags}"):
        print(f"\n$ {command}{words}", flush=True)
        call(shlex.split(words))
    lines = [
        "",
        f"Footplate runs on {_where(site)} ({time.monotonic() - started:.0f} s).",
        "",
        f"JupyterLab, workspace {demo.WORKSPACE} of team {client.team}:",
        f"  {ran.url}",
        "",
        "Next:",
        f"  {command}workspace create mine{flags}",
        f"  {command}job run examples/digits/train.py --nodes 2 --cpu 400m --environment pytorch{flags} -- --epochs 3",
        f"  {command}job logs {trained.job}{flags}",
        f"  {command}environments{flags}",
        f"  {command}doctor{flags}",
        "  make down",
    ]
    print("\n".join(lines))


@app.command()
def teardown(
    stack: StackOption = "local",
    cluster: ClusterOption = "default",
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    yes: YesOption = False,
) -> None:
    """Remove all that `bringup` made: the embedded cluster with all it holds, or from another cluster the stack.

    Builds and images stay in the cache.
    """
    from footplate.bringup import site as sites
    from footplate.bringup import steps
    from footplate.client.target import Target

    site = sites.choose(Target(kubeconfig, context), cluster)
    what = f"the embedded cluster {site.embedded} and all" if site.embedded else f"stack {stack} and all workspaces"
    confirmed(f"Remove {what} that it holds?", yes)
    steps.close_tunnels(site)
    directory = steps.project_directory()
    config = sites.stack_config(site, directory / "stacks" / f"Pulumi.{stack}.yaml", None)
    from footplate.engine.stacks import open_stack

    opened = open_stack(directory, stack, config=config)
    if site.embedded:
        with _progress() as progress:
            note(steps.delete_cluster(site.embedded, opened, progress))
    else:
        _destroy(opened)


def _destroy(opened: AnyStack) -> None:
    import asyncio

    display = _display()
    try:
        asyncio.run(opened.destroy(display))
    finally:
        display.close()


def _progress(plain_interval: float = 20.0) -> ConsoleProgress:
    from rich.console import Console

    from devcluster.progress import ConsoleProgress

    return ConsoleProgress(Console(stderr=True), plain_interval)


def _display() -> Display:
    from rich.console import Console

    from footplate.engine.display.observers import Display

    return Display(Console(stderr=True))


def _head(number: int, title: str) -> None:
    note(f"[{number}/5] {title}")


def _where(site: Site) -> str:
    if site.embedded:
        return f"the embedded cluster {site.embedded}"
    return f"context {site.target.context}" if site.target.context else "the current context of your kubeconfig"


def _flags(site: Site) -> str:
    """The embedded cluster `default` is what commands use by themselves."""
    if site.embedded == "default":
        return ""
    flags = f" --context {site.target.context}" if site.target.context else ""
    return (
        flags
        if site.embedded
        else flags + (f" --kubeconfig {site.target.kubeconfig}" if site.target.kubeconfig else "")
    )


def _called() -> str:
    """This command as it can be typed again."""
    path = Path(sys.argv[0])
    try:
        path = path.relative_to(Path.cwd())
    except ValueError:
        pass
    return shlex.quote(str(path))
