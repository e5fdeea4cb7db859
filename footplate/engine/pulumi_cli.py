"""Drives the Pulumi CLI through Pulumi's Automation API and tells what happens as this project's own events.

Untried against the real CLI: written on the SDK's typed events and its documented behaviour, tested with a stand-in.

State: where the CLI is logged in, or PULUMI_BACKEND_URL says; otherwise files in `$FOOTPLATE_DATA/stacks/pulumi`, with
the passphrase that the embedded engine would use. A stack that the embedded engine made is handed over, once.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pulumi import automation
from pulumi.automation import errors as automation_errors
from pulumi.automation.events import EngineEvent

from footplate.client.target import data_directory
from footplate.engine.errors import (
    ConfigInvalid,
    DeploymentFailed,
    Interrupted,
    StackLocked,
    StackNotFound,
)
from footplate.engine.events import Finished, Observer, Phase, Said, Severity, Totals
from footplate.engine.policy_config import paired
from footplate.engine.program import stack_urn
from footplate.engine.project import given
from footplate.engine.project.manifest import read_yaml
from footplate.engine.pulumi_events import Translator
from footplate.engine.stack import Approve, Result, Stack
from footplate.engine.values import Properties, Secret

T = TypeVar("T")


class PulumiStack:
    engine = "pulumi"

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
        self._embedded = Stack(directory, name, environ=environ)
        self.project = self._embedded.project
        self.name = name
        self._config = dict(config or {})
        paired(policy_packs, policy_configs)
        self._packs = [str(path.resolve()) for path in policy_packs]
        self._pack_configs = [str(path.resolve()) for path in policy_configs]
        self._parallel = parallel
        self._environ = environ

    @property
    def label(self) -> str:
        return self._embedded.label

    async def preview(self, observe: Observer) -> Result:
        async with self._session(observe) as (stack, config_file):
            return await self._preview(stack, config_file, observe)

    async def up(self, observe: Observer, approve: Approve | None = None) -> Result:
        async with self._session(observe) as (stack, config_file):
            planned = await self._preview(stack, config_file, observe)
            if not planned.changed or (approve is not None and not approve(planned)):
                return planned
            return await self._operate(
                stack,
                "update",
                observe,
                lambda on_event: stack.up(on_event=on_event, config_file=config_file, **self._options()),
            )

    async def destroy(self, observe: Observer, approve: Approve | None = None) -> Result:
        async with self._session(observe, create=False) as (stack, _):
            planned = await self._operate(
                stack, "preview", observe, lambda e: stack.preview_destroy(on_event=e, parallel=self._parallel)
            )
            if approve is not None and not approve(planned):
                return planned
            return await self._operate(
                stack, "destroy", observe, lambda e: stack.destroy(on_event=e, parallel=self._parallel)
            )

    async def refresh(self, observe: Observer, *, preview: bool = False) -> Result:
        async with self._session(observe, create=False) as (stack, _):
            run: Callable[..., object] = stack.preview_refresh if preview else stack.refresh
            return await self._operate(stack, "refresh", observe, lambda e: run(on_event=e, parallel=self._parallel))

    def outputs(self) -> Properties:
        return _outputs(self._select(create=False))

    def forget(self) -> None:
        """What the stack made is gone with its cluster: nothing is deleted but the state."""
        try:
            stack = self._select(create=False)
        except StackNotFound:
            return
        stack.workspace.remove_stack(self.name, force=True)

    async def _preview(self, stack: automation.Stack, config_file: str | None, observe: Observer) -> Result:
        return await self._operate(
            stack,
            "preview",
            observe,
            lambda e: stack.preview(on_event=e, config_file=config_file, **self._options()),
        )

    def _options(self) -> dict[str, Any]:
        return {
            "parallel": self._parallel,
            "policy_packs": self._packs or None,
            "policy_pack_configs": self._pack_configs or None,
            "color": "never",
        }

    async def _operate(
        self,
        stack: automation.Stack,
        phase: str,
        observe: Observer,
        run: Callable[[Callable[[EngineEvent], None]], object],
    ) -> Result:
        observe(Phase(phase, self.label))
        loop = asyncio.get_running_loop()
        translator = Translator(planned=phase == "preview", root=stack_urn(self.project.name, self.name))
        began = time.monotonic()

        def on_event(event: EngineEvent) -> None:
            # The Automation API calls from threads of its own.
            loop.call_soon_threadsafe(lambda: [observe(found) for found in translator.translate(event)])

        await _called(lambda: run(on_event), translator)
        await asyncio.sleep(0)  # events that are on their way
        totals = Totals(dict(translator.counts), time.monotonic() - began)
        outputs = {} if phase == "destroy" else await _called(lambda: _outputs(stack), translator)
        changes = translator.output_changes
        result = Result(totals, totals.changed > 0 or bool(changes), outputs, changes)
        observe(Finished(totals, outputs, changes))
        return result

    @asynccontextmanager
    async def _session(
        self, observe: Observer, *, create: bool = True
    ) -> AsyncGenerator[tuple[automation.Stack, str | None]]:
        """The selected stack and the configuration file to use (None: the stack's own)."""
        loop = asyncio.get_running_loop()
        main = threading.current_thread() is threading.main_thread()
        if main:
            # The CLI, in the same process group, gets Ctrl-C too, and ends as it should.
            loop.add_signal_handler(signal.SIGINT, lambda: None)
        try:
            stack = await asyncio.to_thread(self._select, create=create)
            await asyncio.to_thread(self._take_over, stack, observe)
            with tempfile.TemporaryDirectory(prefix="footplate-config-") as folder:
                yield stack, self._overridden(Path(folder))
        finally:
            if main:
                loop.remove_signal_handler(signal.SIGINT)

    def _select(self, *, create: bool) -> automation.Stack:
        open_: Callable[..., automation.Stack] = (
            automation.create_or_select_stack if create else automation.select_stack
        )
        options = automation.LocalWorkspaceOptions(env_vars=self._environment())
        try:
            return open_(self.name, work_dir=str(self.project.root), opts=options)
        except automation_errors.StackNotFoundError as error:
            raise StackNotFound(f"stack {self.label} has not been brought up", "`footplate up` does") from error
        except (automation_errors.CommandError, automation_errors.InvalidVersionError) as error:
            raise _failure(error) from error

    def _environment(self) -> dict[str, str]:
        found: dict[str, str] = {}
        if not logged_in(self._environ, read_yaml(self.project.root / "Pulumi.yaml")):
            folder = data_directory(self._environ) / "stacks" / "pulumi"
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            found["PULUMI_BACKEND_URL"] = f"file://{folder}"
        if not any(name in self._environ for name in ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")):
            found["PULUMI_CONFIG_PASSPHRASE"] = self._embedded.passphrase()
        return found

    def _take_over(self, stack: automation.Stack, observe: Observer) -> None:
        if not self._embedded.has_state or (stack.export_stack().deployment or {}).get("resources"):
            return
        checkpoint = json.loads(self._embedded.export())
        stack.import_stack(automation.Deployment(version=checkpoint["version"], deployment=checkpoint["deployment"]))
        self._embedded.hand_over()
        observe(Said(Severity.WARNING, f"the state of {self.label} was handed over to the Pulumi CLI"))

    def _overridden(self, folder: Path) -> str | None:
        """A copy of the stack's file with the values of `--config`."""
        if not self._config:
            return None
        fields = {field.name: field for field in self.project.fields}
        document = read_yaml(self.project.stack_file(self.name))
        values: dict[str, Any] = dict(document.get("config") or {})
        values = {self.project.qualified(str(key)): value for key, value in values.items()}
        for name, value in given.overriding(self.project, self._config, values).items():
            if name in fields and fields[name].secret:
                raise ConfigInvalid(
                    f"{name} is a secret and cannot be given for one run alone", f"`pulumi config set --secret {name}`"
                )
            values[name] = value
        path = folder / f"Pulumi.{self.name}.yaml"
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump({**document, "config": values}))
        return str(path)


def logged_in(environ: Mapping[str, str], project: Mapping[str, Any]) -> bool:
    """Whether the CLI has a place for state already, by the environment, the project or an earlier login."""
    if environ.get("PULUMI_BACKEND_URL") or environ.get("PULUMI_ACCESS_TOKEN") or project.get("backend"):
        return True
    home = Path(environ.get("PULUMI_HOME") or Path(environ.get("HOME") or Path.home()) / ".pulumi")
    try:
        return bool(json.loads((home / "credentials.json").read_text()).get("current"))
    except (OSError, ValueError):
        return False


async def _called(call: Callable[[], T], translator: Translator) -> T:
    try:
        return await asyncio.to_thread(call)
    except automation_errors.ConcurrentUpdateError as error:
        raise StackLocked(
            "another update of this stack is under way", "wait until it is done, then run again"
        ) from error
    except automation_errors.CommandError as error:
        raise (Interrupted("interrupted") if translator.cancelled else _failure(error)) from error


def _failure(error: Exception) -> DeploymentFailed:
    """The last lines that the CLI printed before it gave up."""
    text = str(error)
    stderr = text.partition("stderr:")[2] or text
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return DeploymentFailed(f"pulumi failed: {' / '.join(lines[-4:]) or text}")


def _outputs(stack: automation.Stack) -> Properties:
    return {name: Secret(value.value) if value.secret else value.value for name, value in stack.outputs().items()}
