"""One run of the program against one snapshot: as a preview or for real."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.metadata import version

from footplate.engine import urn as urns
from footplate.engine.changes import Change, compare
from footplate.engine.deployment.deletions import Deletions
from footplate.engine.deployment.execute import Executor
from footplate.engine.deployment.registrar import Registrar
from footplate.engine.deployment.registry import Registry
from footplate.engine.deployment.run import Run
from footplate.engine.errors import PolicyViolated, ProgramFailed, ProgramRefused
from footplate.engine.events import Observer
from footplate.engine.language import host
from footplate.engine.monitor.service import Engine, Monitor, serving
from footplate.engine.policy import Pack, Policies
from footplate.engine.project.config import Config
from footplate.engine.project.manifest import Project
from footplate.engine.state.model import Resource
from footplate.engine.state.snapshot import Snapshot
from footplate.engine.values import Properties
from footplate.errors import FootplateError

MONITOR_GONE = "Resource monitor has terminated"
"""What the SDK says when the run was stopped under it: no failure of the program's own."""


@dataclass(frozen=True)
class Target:
    project: Project
    stack: str
    config: Config
    packs: Sequence[Pack] = ()
    parallel: int = 16


@dataclass(frozen=True)
class Ran:
    """`planned_only`: URN → why only the Pulumi CLI can make it."""

    run: Run
    outputs: Properties
    output_changes: Sequence[Change]
    planned_only: dict[str, str]
    violations: int

    @property
    def changes(self) -> bool:
        """Whether an update would do, or did, anything at all."""
        return bool(self.run.totals().changed or self.output_changes or self.run.state_differs)


async def run_program(
    target: Target,
    snapshot: Snapshot,
    *,
    preview: bool,
    commit: Callable[[], Awaitable[None]],
    observe: Observer,
    started: Callable[[Run], None],
) -> Ran:
    """`started` gets the run, so that it can be stopped. Raises what made the run as a whole fail; what failed of single
    resources is in `run.failed`."""
    run = Run(snapshot=snapshot, commit=commit, observe=observe, preview=preview, parallel=target.parallel)
    started(run)
    before = snapshot.remaining
    registry = Registry(before, run.stopping)
    policies = Policies(observe, preview=preview)
    executor = Executor(run)
    registrar = Registrar(
        run=run,
        project=target.project.name,
        stack=target.stack,
        config=target.config,
        registry=registry,
        executor=executor,
        policies=policies,
    )
    monitor = Monitor(
        registrations=registrar,
        run=run,
        project=target.project.name,
        stack=target.stack,
        config=target.config,
        parallel=target.parallel,
        root=target.project.root.resolve(),
    )
    engine = Engine(run, version("pulumi"))
    try:
        async with AsyncExitStack() as services:
            address = await services.enter_async_context(serving(monitor, engine))
            await services.enter_async_context(
                policies.started(
                    target.packs,
                    address=address,
                    project=target.project.name,
                    stack=target.stack,
                    config=target.config,
                )
            )
            complete = await _program(target, run, engine, address)
            if preview and not run.stopping.is_set():
                await policies.analyze_stack(_planned_outputs(snapshot))
            if complete and not run.stopping.is_set() and (preview or not run.failed):
                await _delete_what_left(run, registry, snapshot)
    finally:
        await registry.close()
    if policies.violated and run.fatal is None:
        several = "violations of mandatory policies" if policies.violated > 1 else "violation of a mandatory policy"
        run.fatal = PolicyViolated(f"{policies.violated} {several}: nothing was changed")
    outputs, changes = _stack_outputs(before, snapshot, executor, target)
    return Ran(run, outputs, changes, registrar.planned_only, policies.violated)


async def _program(target: Target, run: Run, engine: Engine, address: str) -> bool:
    """Whether it ran to its end, so that what it did not register has left it."""
    launch = host.Launch(target.project, target.stack, target.config, address, run.preview, target.parallel)
    async with host.running(launch, run.say) as process:
        ended = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(run.stopping.wait())
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        await run.settle()
        if not ended.done():
            await process.stop()
        code = await ended
    if code and not run.stopping.is_set() and run.fatal is None:
        own = [error for error in engine.errors if MONITOR_GONE not in error]
        if own or not run.failed:
            run.fatal = program_failure(code, own)
    return code == 0


def program_failure(code: int, errors: Sequence[str]) -> FootplateError:
    if not errors:
        return ProgramFailed(f"the program ended with exit code {code}")
    text = errors[-1].strip()
    frames, _, last = text.rpartition("\n")
    if last.startswith(("Exception: The Pulumi CLI does not support", "The Pulumi CLI does not support")):
        what = last.split("does not support", 1)[1].split(". ")[0].strip(" .")
        return ProgramFailed(f"the program uses {what}, which this engine does not support", text)
    if not frames and not last.startswith("SystemExit"):
        return ProgramRefused(last)
    missing = last.startswith("ModuleNotFoundError") and " 'pulumi_" in last
    remedy = "install that provider's package where the program runs (`uv add`, or pip in its virtual environment)"
    return ProgramFailed(f"the program failed: {last}", frames, remedy if missing else None)


async def _delete_what_left(run: Run, registry: Registry, snapshot: Snapshot) -> None:
    doomed = snapshot.remaining
    if not doomed:
        return
    try:
        await Deletions(run, registry).remove(doomed)
    except FootplateError as error:
        run.failed.append("deletion")
        run.fatal = run.fatal or error


def _planned_outputs(snapshot: Snapshot) -> dict[str, Properties]:
    return {r.urn: r.outputs for r in snapshot.resources() if not r.delete and r.outputs}


def _stack_outputs(
    before: Sequence[Resource], snapshot: Snapshot, executor: Executor, target: Target
) -> tuple[Properties, Sequence[Change]]:
    urn = stack_urn(target.project.name, target.stack)
    old = next((r.outputs for r in before if r.urn == urn), Properties())
    new = executor.outputs.get(urn)
    if new is None:
        return old, ()
    return new, compare(old, new)


def stack_urn(project: str, stack: str) -> str:
    return urns.create(stack, project, "", urns.STACK_TYPE, f"{project}-{stack}")
