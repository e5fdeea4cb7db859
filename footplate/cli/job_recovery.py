"""`footplate job explain|suspend|resume|retry|attempts`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from footplate.cli.job_options import Cpu, Environment, File, Gpus, GpuType, Memory, Nodes, Priority, Queue
from footplate.cli.options import (
    ContextOption,
    KubeconfigOption,
    NoWaitOption,
    TeamOption,
    TimeoutOption,
    Where,
    complete,
    note,
    on_cluster,
    seconds,
)
from footplate.cli.output import Output, OutputOption, api_object, print_list, print_object

if TYPE_CHECKING:
    from footplate.cli.progress import Live
    from footplate.client.reasons import Explanation
    from footplate.client.session import Session
    from footplate.kube.decoding import Object


async def names(session: Session) -> list[str]:
    from footplate.client import jobs

    return [item["metadata"]["name"] for item in await jobs.listing(session)]


Name = Annotated[str, typer.Argument(help="Name of the job.", autocompletion=complete(names), show_default=False)]
MaybeName = Annotated[
    str | None,
    typer.Argument(help="Name of the job; none with --what-if.", autocompletion=complete(names), show_default=False),
]


def explain(
    name: MaybeName = None,
    what_if: Annotated[
        bool, typer.Option("--what-if", help="Of a job that is not submitted: described by --file and the options.")
    ] = False,
    file: File = None,
    environment: Environment = None,
    nodes: Nodes = None,
    gpus: Gpus = None,
    gpu_type: GpuType = None,
    cpu: Cpu = None,
    memory: Memory = None,
    queue: Queue = None,
    priority: Priority = None,
    output: OutputOption = Output.TABLE,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Why a job waits or why it died: what it asks for, what there is, who holds it, its position, what would help."""
    from footplate.cli.explaining import explanation_page
    from footplate.errors import BadUsage

    if what_if == (name is not None):
        raise BadUsage("Say which job, or describe one with --what-if.", "such as `job explain --what-if --gpus 8`")
    wanted: dict[str, Any] = {
        "file": file, "environment": environment, "nodes": nodes, "gpus": gpus, "gpu_type": gpu_type,
        "cpu": cpu, "memory": memory, "queue": queue, "priority": priority,
    }  # fmt: skip

    async def work(session: Session, live: Live) -> Explanation:
        del live
        return await (_of_job(session, name) if name is not None else _of_wish(session, wanted))

    print_object(on_cluster(Where(team, context, kubeconfig), work), output, explanation_page)


async def _of_job(session: Session, name: str) -> Explanation:
    from footplate.api import TrainingJob
    from footplate.client import jobs, reasons, usage
    from footplate.client.observing import read

    job = read(await jobs.get(session, name), TrainingJob)
    return reasons.explain(job, await usage.usage(session), await usage.quota(session), datetime.now(UTC))


async def _of_wish(session: Session, wanted: dict[str, Any]) -> Explanation:
    from footplate.api import TrainingJob
    from footplate.cli.submitting import submittable
    from footplate.client import jobs, reasons, usage
    from footplate.client.observing import read
    from footplate.errors import NotInstalled

    options: dict[str, Any] = {"script": None, "dataset": None, "env": None, **wanted}
    manifest = submittable(options, [] if wanted["file"] else ["true"]).manifest
    submission = await jobs.submit(session, manifest, base="what-if", dry_run=True)
    found = await usage.usage(session)
    if found is None:
        raise NotInstalled("The platform does not say what it has.", "bring it to this version with `footplate up`")
    addable = (await session.platform()).autoscaled_gpus
    return reasons.what_if(read(submission.job, TrainingJob), found, await usage.quota(session), addable)


def attempts(
    name: Name,
    output: OutputOption = Output.TABLE,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """The attempts of a job: how long each lasted, from which step to which, and what ended it."""
    from footplate.api import TrainingJob
    from footplate.cli.explaining import attempt_columns
    from footplate.client import jobs
    from footplate.client.observing import read

    async def work(session: Session, live: Live) -> Object:
        del live
        return await jobs.get(session, name)

    job = read(on_cluster(Where(team, context, kubeconfig), work), TrainingJob)
    print_list(job.status.attempts, attempt_columns(), output)


def suspend(
    name: Name,
    no_wait: NoWaitOption = False,
    timeout: TimeoutOption = "10m",
    output: OutputOption = Output.TABLE,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Free a job's nodes, after a checkpoint; `resume` goes on from there."""
    from footplate.client import jobs
    from footplate.client.workspaces import Wait

    limit = seconds(timeout)

    async def work(session: Session, live: Live) -> Object:
        await jobs.suspend(session, name)
        if not no_wait:
            live.farewell = f"Job {name} goes on being suspended."
            await jobs.until_suspended(session, name, Wait(limit, live))
        return await jobs.get(session, name)

    text = f"Job {name} {'is being suspended' if no_wait else 'is suspended'}."
    print_object(on_cluster(Where(team, context, kubeconfig), work), output, lambda _: text, data=api_object)


def resume(
    name: Name,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Let a suspended job go on from its last checkpoint."""
    from footplate.client import jobs

    _go_on(name, jobs.resume, "is resumed", Where(team, context, kubeconfig))


def retry(
    name: Name,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Try a failed job again, from its last checkpoint and with full budgets."""
    from footplate.client import jobs

    _go_on(name, jobs.retry, "is tried again", Where(team, context, kubeconfig))


def _go_on(name: str, ask: Callable[[Session, str], Awaitable[object]], done: str, where: Where) -> None:
    async def work(session: Session, live: Live) -> None:
        del live
        await ask(session, name)

    on_cluster(where, work)
    note(f"Job {name} {done}. To follow: footplate job logs {name} -f{where.flags()}")


def register(app: typer.Typer) -> None:
    for command in (explain, attempts, suspend, resume, retry):
        app.command()(command)
