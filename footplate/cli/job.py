"""`footplate job`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from footplate.cli import job_dashboard, job_ranks, job_records, job_recovery
from footplate.cli.group import group
from footplate.cli.job_options import (
    AFTER_DASHES,
    Checkpoints,
    Code,
    Cpu,
    Dataset,
    Deadline,
    Env,
    Environment,
    File,
    Gpus,
    GpuType,
    HangTimeout,
    Image,
    JobName,
    Launcher,
    Memory,
    Nodes,
    Priority,
    Processes,
    Queue,
    Retries,
    Script,
    Ttl,
    WithProgramArguments,
)
from footplate.cli.options import (
    AllTeamsOption,
    ContextOption,
    KubeconfigOption,
    NoWaitOption,
    TeamOption,
    TimeoutOption,
    Where,
    YesOption,
    confirmed,
    note,
    on_cluster,
    seconds,
)
from footplate.cli.output import Column, Output, OutputOption, api_object, print_list, print_object

if TYPE_CHECKING:
    from footplate.api import TrainingJob
    from footplate.cli.progress import Live
    from footplate.client.jobs import Submission
    from footplate.client.pods import Pod
    from footplate.client.session import Session
    from footplate.kube.decoding import Object

app = group("Training jobs: submit, follow, cancel.", first=("submit", "run", "list", "show", "logs", "explain"))


Name = job_recovery.Name


@app.command(cls=WithProgramArguments)
def submit(
    ctx: typer.Context,
    script: Script = None,
    file: File = None,
    name: JobName = None,
    environment: Environment = None,
    image: Image = None,
    nodes: Nodes = None,
    processes_per_node: Processes = None,
    gpus: Gpus = None,
    gpu_type: GpuType = None,
    cpu: Cpu = None,
    memory: Memory = None,
    launcher: Launcher = None,
    env: Env = None,
    dataset: Dataset = None,
    code: Code = None,
    checkpoints: Checkpoints = None,
    deadline: Deadline = None,
    hang_timeout: HangTimeout = None,
    ttl: Ttl = None,
    retries: Retries = None,
    queue: Queue = None,
    priority: Priority = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Let the server check it, and stop there.")] = False,
    output: OutputOption = Output.TABLE,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Submit a job: `footplate job submit train.py --nodes 2 --environment pytorch -- --epochs 3`.

    The script's directory goes along, without what .gitignore and .footplateignore name; no image is built. Without a
    script, what follows `--` is the command: `footplate job submit --code . -- python3 -m package.train`.
    """
    submission, where = _submit(ctx, dry_run=dry_run)
    job = _read(submission.job)
    called = job.metadata.name
    print_object(submission.job, output, lambda _: _submitted(job, submission, dry_run), data=api_object)
    if output is Output.TABLE and not dry_run:
        note(f"next: footplate job logs {called} -f{where.flags()}")


@app.command(cls=WithProgramArguments)
def run(
    ctx: typer.Context,
    script: Script = None,
    file: File = None,
    name: JobName = None,
    environment: Environment = None,
    image: Image = None,
    nodes: Nodes = None,
    processes_per_node: Processes = None,
    gpus: Gpus = None,
    gpu_type: GpuType = None,
    cpu: Cpu = None,
    memory: Memory = None,
    launcher: Launcher = None,
    env: Env = None,
    dataset: Dataset = None,
    code: Code = None,
    checkpoints: Checkpoints = None,
    deadline: Deadline = None,
    hang_timeout: HangTimeout = None,
    ttl: Ttl = None,
    retries: Retries = None,
    queue: Queue = None,
    priority: Priority = None,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Submit a job, follow its log, end as it ends: with the exit code of its program. Ctrl-C leaves it running."""
    submission, where = _submit(ctx)
    job = _read(submission.job)
    note(_submitted(job, submission, False))
    raise typer.Exit(_follow_to_the_end(where, job))


def _submit(ctx: typer.Context, *, dry_run: bool = False) -> tuple[Submission, Where]:
    from footplate.cli.submitting import submittable
    from footplate.client import jobs

    options = dict(ctx.params)
    where = Where(options["team"], options["context"], options["kubeconfig"])
    wanted = submittable(options, ctx.meta.get(AFTER_DASHES) or [])

    async def work(session: Session, live: Live) -> Submission:
        live.farewell = "Nothing was submitted."
        return await jobs.submit(
            session, wanted.manifest, root=wanted.root, base=wanted.base, dry_run=dry_run, report=live
        )

    return on_cluster(where, work), where


def _submitted(job: TrainingJob, submission: Submission, dry_run: bool) -> str:
    from footplate.api.quantity import human_bytes
    from footplate.client.teams import team_of

    spec = job.spec
    code = ""
    if submission.code_bytes is not None and not dry_run:
        known = "" if submission.uploaded else ", already in the store"
        code = f"; its code: {human_bytes(submission.code_bytes)}B{known}"
    shape = (
        f"{spec.nodes} {'node' if spec.nodes == 1 else 'nodes'} × {spec.processes}, {spec.environment or spec.image}"
    )
    verb = "would be submitted" if dry_run else "is submitted"
    return f"Job {job.metadata.name} {verb} to team {team_of(job.metadata.namespace)} ({shape}){code}."


def _follow_to_the_end(where: Where, job: TrainingJob) -> int:
    from footplate.cli.ending import told
    from footplate.cli.loglines import print_lines
    from footplate.client import endings, jobs
    from footplate.client.logs.sources import job_lines
    from footplate.client.workspaces import Wait
    from footplate.errors import NotFound

    name = job.metadata.name

    async def work(session: Session, live: Live) -> int:
        live.farewell = (
            f"Job {name} goes on. To come back: footplate job logs {name} -f{where.flags()}; "
            f"to end it: footplate job cancel {name}{where.flags()}"
        )
        try:
            await print_lines(job_lines(session, name, follow=True, report=live), live, nodes=job.spec.nodes)
        except NotFound:
            pass  # It ended before there was anything to read; how, comes next.
        live.resume()
        ended = await jobs.until_ended(session, name, Wait(report=live))
        live.say(told(ended))
        return await endings.exit_code(session, ended)

    return on_cluster(where, work)


@app.command("list")
def list_(
    all_teams: AllTeamsOption = False,
    output: OutputOption = Output.TABLE,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """The jobs of the team, or of all teams, the newest first."""
    from footplate.api import TrainingJob
    from footplate.cli import human
    from footplate.client import jobs
    from footplate.client.observing import leaving
    from footplate.client.teams import team_of

    async def work(session: Session, live: Live) -> list[Object]:
        del live
        found = await jobs.listing(session, all_teams=all_teams)
        if not found and output is Output.TABLE:
            whose = "No team that you may read has" if all_teams else f"Team {(await session.team()).name} has no"
            note(f"{whose} jobs. Submit one: footplate job submit train.py")
        return sorted(found, key=lambda raw: str(raw["metadata"].get("creationTimestamp")), reverse=True)

    items = [(raw, _read(raw)) for raw in on_cluster(Where(team, context, kubeconfig), work)]
    if not items and output is Output.TABLE:
        return
    row = Column[tuple["Object", TrainingJob]]
    columns = (
        *([row("Team", lambda pair: team_of(pair[1].metadata.namespace))] if all_teams else []),
        row("Name", lambda pair: pair[1].metadata.name),
        row("Phase", lambda pair: pair[1].status.phase, lambda pair: human.phase_style(pair[1].status.phase)),
        row("Nodes", lambda pair: pair[1].spec.nodes),
        row("GPU", lambda pair: human.gpus(pair[1].spec.resources)),
        row("Step", lambda pair: pair[1].status.progress.step if pair[1].status.progress else None),
        row("Ran", lambda pair: human.lasted(pair[1].status.started_at, pair[1].status.finished_at)),
        row("Age", lambda pair: human.age(pair[1].metadata.creation_timestamp)),
        row("Message", lambda pair: leaving(pair[1]) or pair[1].status.message),
    )
    print_list(items, columns, output, data=lambda pair: api_object(pair[0]))


@app.command()
def show(
    name: Name,
    output: OutputOption = Output.TABLE,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """What a job does, what happened to it, and why."""
    from footplate.cli.showing import job_page
    from footplate.client import jobs

    where = Where(team, context, kubeconfig)

    async def work(session: Session, live: Live) -> tuple[Object, list[Pod]]:
        del live
        found = await jobs.get(session, name)
        return found, await jobs.ranks(session, _read(found)) if output is Output.TABLE else []

    raw, ranks = on_cluster(where, work)
    print_object(raw, output, lambda item: job_page(_read(item), where.flags(), ranks), data=api_object)


@app.command()
def cancel(
    name: Name,
    no_wait: NoWaitOption = False,
    timeout: TimeoutOption = "10m",
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """End a job; its programs get SIGTERM and time for a last checkpoint."""
    from footplate.client import jobs
    from footplate.client.workspaces import Wait

    limit = seconds(timeout)

    async def work(session: Session, live: Live) -> None:
        await jobs.cancel(session, name)
        if not no_wait:
            live.farewell = f"Job {name} goes on ending."
            await jobs.until_ended(session, name, Wait(limit, live))

    on_cluster(Where(team, context, kubeconfig), work)
    note(f"Job {name} {'is being cancelled' if no_wait else 'is cancelled'}.")


@app.command()
def delete(
    name: Name,
    yes: YesOption = False,
    purge: Annotated[
        bool, typer.Option("--purge", help="Its logs, metrics and artifacts too, which stay for a while otherwise.")
    ] = False,
    no_wait: NoWaitOption = False,
    timeout: TimeoutOption = "10m",
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Delete a job and its pods; its checkpoints stay."""
    from footplate.client import jobs
    from footplate.client.workspaces import Wait
    from footplate.errors import BadUsage

    if purge and no_wait:
        raise BadUsage("--purge goes with waiting: what still runs would write again.", "drop --no-wait")
    where = Where(team, context, kubeconfig)
    limit = seconds(timeout)

    async def look(session: Session, live: Live) -> TrainingJob:
        del live
        return _read(await jobs.get(session, name))

    found = on_cluster(where, look)
    phase = found.status.phase
    if phase is not None and not phase.ended:
        confirmed(f"Job {name} has not ended ({phase}). Delete it?", yes)

    async def work(session: Session, live: Live) -> None:
        await jobs.delete(session, name)
        if not no_wait:
            live.farewell = f"Job {name} goes on being deleted."
            await jobs.until_gone(session, name, Wait(limit, live), found.metadata.uid)
        if purge:
            from footplate.client.records import artifacts

            live(f"deleting what job {name} left")
            await artifacts.purge(session, found)

    on_cluster(where, work)
    note(f"Job {name} {'is being deleted' if no_wait else 'is deleted'}.")


@app.command()
def wait(
    name: Name,
    timeout: TimeoutOption = None,
    output: OutputOption = Output.TABLE,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Wait until a job has ended; 0 where it succeeded, 1 where it failed, 8 where it was cancelled."""
    from footplate.cli.ending import code, told
    from footplate.client import jobs
    from footplate.client.workspaces import Wait

    where = Where(team, context, kubeconfig)
    limit = seconds(timeout)

    async def work(session: Session, live: Live) -> Object:
        live.farewell = f"Job {name} goes on. To come back: footplate job wait {name}{where.flags()}"
        await jobs.get(session, name)
        await jobs.until_ended(session, name, Wait(limit, live))
        return await jobs.get(session, name)

    raw = on_cluster(where, work)
    job = _read(raw)
    print_object(raw, output, lambda _: told(job), data=api_object)
    sys.stdout.flush()
    raise typer.Exit(code(job))


job_recovery.register(app)
job_ranks.register(app)
job_dashboard.register(app)
job_records.register(app)


def _read(raw: Object) -> TrainingJob:
    from footplate.api import TrainingJob
    from footplate.client.observing import read

    return read(raw, TrainingJob)
