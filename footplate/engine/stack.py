"""A stack of a project and what can be done with it, without the Pulumi CLI.

    stack = Stack(Path("."), "local")
    result = await stack.up(observe)          # or, from code that is not async: asyncio.run(stack.up(observe))
    stack.outputs()["namespace"]

`observe` gets the events of `footplate.engine.events`. State is in `$FOOTPLATE_DATA/stacks/<project>/<stack>/`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from footplate.client.target import data_directory
from footplate.engine import urn as urns
from footplate.engine.changes import Change
from footplate.engine.crypter import Keyring
from footplate.engine.deployment import recover
from footplate.engine.deployment.deletions import Deletions
from footplate.engine.deployment.refresh import refresh
from footplate.engine.deployment.registry import Registry
from footplate.engine.deployment.run import Run
from footplate.engine.errors import (
    DeploymentFailed,
    Interrupted,
    NeedsPulumiCLI,
    StackNotFound,
    StateUnreadable,
    cli_remedy,
)
from footplate.engine.events import Finished, Observer, Phase, Said, Severity, Totals
from footplate.engine.policy import Pack, load_pack
from footplate.engine.policy_config import paired
from footplate.engine.program import Ran, Target, run_program, stack_urn
from footplate.engine.project.config import load_config
from footplate.engine.project.manifest import Project, find_root, load_project, read_yaml
from footplate.engine.state.codec import Codec
from footplate.engine.state.lock import locked
from footplate.engine.state.model import PendingOperation, Resource, find
from footplate.engine.state.snapshot import Snapshot
from footplate.engine.state.store import StateFile, Writer
from footplate.engine.values import Properties

Approve = Callable[["Result"], bool]


@dataclass(frozen=True)
class Result:
    """`outputs` of the stack hold `values` (see `values.masked`). `changed`: whether there was, or is, anything to do."""

    totals: Totals
    changed: bool
    outputs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    output_changes: Sequence[Change] = ()


@dataclass(frozen=True)
class _Loaded:
    resources: list[Resource]
    pending: list[PendingOperation]
    exists: bool


class Stack:
    """`config`: overrides of the stack file's values. `parallel`: operations at once."""

    def __init__(
        self,
        directory: Path,
        name: str,
        *,
        config: Mapping[str, str] | None = None,
        policy_packs: Sequence[Path] = (),
        policy_configs: Sequence[Path] = (),
        parallel: int = 16,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.project: Project = load_project(find_root(directory))
        self.name = name
        self._overrides = dict(config or {})
        self._packs: list[Pack] = [load_pack(path.resolve(), own) for path, own in paired(policy_packs, policy_configs)]
        self._parallel = parallel
        folder = data_directory(environ) / "stacks" / self.project.name / name
        self.folder = folder
        self._passphrase = folder / "passphrase.json"
        self._keyring = Keyring(self._passphrase, environ)
        self._handed_over = folder / "state.handed-over.json"
        self._file = StateFile(folder / "state.json", Codec(self._keyring, f"v{version('pulumi')}"))

    engine = "embedded"

    @property
    def label(self) -> str:
        return f"{self.project.name}/{self.name}"

    async def preview(self, observe: Observer) -> Result:
        """Raises DeploymentFailed after showing all that would fail, PolicyViolated where a pack says no."""
        target = self._target()
        async with _interruptible(observe) as interrupts:
            ran = await self._pass(target, await self._recovered(observe), observe, interrupts, preview=True)
        return _result(ran)

    async def up(self, observe: Observer, approve: Approve | None = None) -> Result:
        """A preview, then the update: nothing is changed where the preview fails, or where `approve` says no."""
        target = self._target()
        with locked(self.folder / "lock", "up", self.label):
            self._file.back_up()
            async with _interruptible(observe) as interrupts:
                base = await self._recovered(observe, save=True)
                planned = await self._pass(target, base, observe, interrupts, preview=True)
                _require_no_plugins(planned)
                result = _result(planned)
                if not result.changed or not _agreed(approve, result, interrupts):
                    return result
                return _result(await self._pass(target, base, observe, interrupts, preview=False))

    async def destroy(self, observe: Observer, approve: Approve | None = None) -> Result:
        """Deletes all of the state. Raises ResourceProtected, before anything is deleted."""
        with locked(self.folder / "lock", "destroy", self.label):
            self._file.back_up()
            async with _interruptible(observe) as interrupts:
                base = await self._recovered(observe, save=True)
                planned = await self._destroy(base, observe, interrupts, preview=True)
                if not base or not _agreed(approve, planned, interrupts):
                    return planned
                return await self._destroy(base, observe, interrupts, preview=False)

    async def refresh(self, observe: Observer, *, preview: bool = False) -> Result:
        """Takes what the resources are now into the state; `preview` only shows it."""
        with locked(self.folder / "lock", "refresh", self.label):
            self._file.back_up()
            async with _interruptible(observe) as interrupts:
                base = await self._recovered(observe, save=not preview)
                async with self._session(base, "refresh", observe, interrupts, preview) as (run, registry):
                    await refresh(run, registry, run.snapshot.remaining)
                _raise_failures(run)
                result = Result(run.totals(), run.totals().changed > 0, self.outputs())
                observe(Finished(result.totals, result.outputs))
                return result

    def outputs(self) -> Properties:
        """Of the last update. Raises StackNotFound where there was none."""
        loaded = self._load()
        if not loaded.exists:
            raise StackNotFound(f"stack {self.label} has not been brought up", "`footplate up` does")
        stack = find(loaded.resources, stack_urn(self.project.name, self.name))
        return stack.outputs if stack is not None else {}

    def resources(self) -> list[Resource]:
        return self._load().resources

    def export(self) -> bytes:
        """The state as `pulumi stack import` takes it."""
        loaded = self._load()
        return self._file.codec.encode(loaded.resources, loaded.pending)

    def forget(self) -> None:
        """What the stack made is gone with its cluster: nothing is deleted but the state."""
        with locked(self.folder / "lock", "forget", self.label):
            for path in self.folder.iterdir():
                if path != self._passphrase or "encryptionsalt" not in read_yaml(self.project.stack_file(self.name)):
                    path.unlink()
        with suppress(OSError):  # the stack's secure values still need the passphrase
            self.folder.rmdir()

    @property
    def has_state(self) -> bool:
        return self._file.path.exists()

    def hand_over(self) -> None:
        """The Pulumi CLI has imported the state: what is here no longer counts."""
        self._file.path.rename(self._handed_over)

    def passphrase(self) -> str:
        """What PULUMI_CONFIG_PASSPHRASE must be for the Pulumi CLI to read the secrets of this state."""
        return self._keyring.passphrase()

    def _target(self) -> Target:
        config = load_config(self.project, self.name, self._keyring, self._overrides)
        return Target(self.project, self.name, config, self._packs, self._parallel)

    def _load(self) -> _Loaded:
        deployment = self._file.load()
        if deployment is None and self._handed_over.exists():
            raise StateUnreadable(
                f"the state of {self.label} was handed over to the Pulumi CLI, which is not on PATH now",
                f"put it on PATH; or, to go on without it, `pulumi stack export` there into {self._file.path}",
            )
        if deployment is None:
            return _Loaded([], [], False)
        return _Loaded(deployment.resources, deployment.pending_operations, True)

    async def _recovered(self, observe: Observer, *, save: bool = False) -> list[Resource]:
        """The state, with what an interrupted run left undecided decided."""
        loaded = self._load()
        if not loaded.pending:
            return loaded.resources
        registry = Registry(loaded.resources, asyncio.Event())
        try:
            resources, notes = await recover.settle(loaded.resources, loaded.pending, registry)
        finally:
            await registry.close()
        for note in notes:
            observe(Said(Severity.WARNING, note))
        if save:
            await self._writer(lambda: (resources, [])).commit()
        return resources

    def _writer(self, content: Callable[[], tuple[list[Resource], list[PendingOperation]]]) -> Writer:
        return Writer(self._file.path, lambda: self._file.codec.encode(*content()))

    async def _pass(
        self, target: Target, base: Sequence[Resource], observe: Observer, interrupts: Interrupts, *, preview: bool
    ) -> Ran:
        observe(Phase("preview" if preview else "update", self.label))
        snapshot = Snapshot(base)
        commit = self._commits(snapshot)
        try:
            ran = await run_program(
                target, snapshot, preview=preview, commit=commit, observe=observe, started=interrupts.watch
            )
        finally:
            if not preview:
                await commit()
        _raise_failures(ran.run)
        observe(Finished(ran.run.totals(), ran.outputs, ran.output_changes))
        return ran

    async def _destroy(
        self, base: Sequence[Resource], observe: Observer, interrupts: Interrupts, *, preview: bool
    ) -> Result:
        async with self._session(base, "destroy", observe, interrupts, preview) as (run, registry):
            await Deletions(run, registry).remove(run.snapshot.remaining)
        _raise_failures(run)
        if not preview and not run.snapshot.resources():
            self._file.remove()
        result = Result(run.totals(), run.totals().changed > 0)
        observe(Finished(result.totals))
        return result

    @asynccontextmanager
    async def _session(
        self, base: Sequence[Resource], name: str, observe: Observer, interrupts: Interrupts, preview: bool
    ) -> AsyncGenerator[tuple[Run, Registry]]:
        """A run without the program."""
        observe(Phase(name if not preview or name == "refresh" else "preview", self.label))
        snapshot = Snapshot(base)
        commit = self._commits(snapshot)
        run = Run(snapshot=snapshot, commit=commit, observe=observe, preview=preview, parallel=self._parallel)
        interrupts.watch(run)
        registry = Registry(base, run.stopping)
        try:
            yield run, registry
        finally:
            await run.settle()
            await registry.close()
            if not preview:
                await commit()

    def _commits(self, snapshot: Snapshot) -> Callable[[], Awaitable[None]]:
        return self._writer(lambda: (snapshot.resources(), snapshot.pending)).commit


def _agreed(approve: Approve | None, planned: Result, interrupts: Interrupts) -> bool:
    if approve is None:
        return True
    with interrupts.asking():
        return approve(planned)


def _result(ran: Ran) -> Result:
    return Result(ran.run.totals(), ran.changes, ran.outputs, ran.output_changes)


def _raise_failures(run: Run) -> None:
    if run.stopping.is_set():
        raise Interrupted("interrupted; the state is written, and the next run carries on")
    if run.fatal is not None:
        raise run.fatal
    if run.failed:
        count = len(run.failed)
        verb = "would fail" if run.preview else "failed"
        raise DeploymentFailed(f"{count} {'resource' if count == 1 else 'resources'} {verb}")


def _require_no_plugins(planned: Ran) -> None:
    if not planned.planned_only:
        return
    by_reason: dict[str, list[str]] = {}
    for urn, reason in planned.planned_only.items():
        by_reason.setdefault(reason, []).append(urns.short(urn))
    lines = [f"{', '.join(names)} ({reason})" for reason, names in by_reason.items()]
    raise NeedsPulumiCLI(
        f"nothing was changed: {len(planned.planned_only)} resources need the Pulumi CLI: {'; '.join(lines)}",
        cli_remedy("footplate up"),
    )


class Interrupts:
    """Ctrl-C once: what runs is finished (waiting for readiness ends), nothing more is started. Twice: all is cut off."""

    def __init__(self, observe: Observer) -> None:
        self._observe = observe
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._run: Run | None = None
        self._main = threading.current_thread() is threading.main_thread()

    def watch(self, run: Run) -> None:
        """From now on that run is what is interrupted."""
        self._run = run

    @contextmanager
    def asking(self) -> Generator[None]:
        """While the person is asked something, Ctrl-C is an answer."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def start(self) -> None:
        if self._main:
            for number in (signal.SIGINT, signal.SIGTERM):
                self._loop.add_signal_handler(number, self._interrupt)

    def stop(self) -> None:
        if self._main:
            for number in (signal.SIGINT, signal.SIGTERM):
                self._loop.remove_signal_handler(number)

    @property
    def interrupted(self) -> bool:
        return self._run is not None and self._run.stopping.is_set()

    def _interrupt(self) -> None:
        if self._run is not None and not self._run.stopping.is_set():
            notice = "stopping: what is under way is being finished (Ctrl-C again cuts it off)"
            self._observe(Said(Severity.WARNING, notice))
            self._run.stopping.set()
            return
        if self._run is not None:
            self._run.cancel()
        if self._task is not None:
            self._task.cancel()


@asynccontextmanager
async def _interruptible(observe: Observer) -> AsyncGenerator[Interrupts]:
    interrupts = Interrupts(observe)
    interrupts.start()
    try:
        yield interrupts
    except asyncio.CancelledError:
        if not interrupts.interrupted:
            raise
        raise Interrupted(
            "cut off; the state says what was being done, and the next run looks what became of it"
        ) from None
    finally:
        interrupts.stop()
