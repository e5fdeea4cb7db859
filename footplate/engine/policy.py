"""Policy packs (CrossGuard): starts a pack's process and asks its Analyzer service, as Pulumi's engine does."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import grpc
import msgspec
from google.protobuf import empty_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from footplate.engine import policy_config
from footplate.engine import urn as urns
from footplate.engine.errors import PolicyViolated, ProjectInvalid, ResourceFailed, Unsupported, cli_remedy
from footplate.engine.events import Observer, Said, Severity, Violation
from footplate.engine.goal import Goal
from footplate.engine.project.config import Config
from footplate.engine.project.manifest import read_yaml
from footplate.engine.state.model import Resource
from footplate.engine.values import Properties, from_struct, to_struct

START = 30.0
"""Seconds that a pack may take to start."""
LARGEST = 400 * 1024 * 1024
Analyzer = Any
"""An AnalyzerStub on an asynchronous channel; the SDK's type stubs know the synchronous one only."""


@dataclass(frozen=True)
class Pack:
    """A directory with PulumiPolicy.yaml and __main__.py."""

    path: Path
    version: str
    interpreter: str
    config_file: Path | None = None
    """Over the pack's own configuration: `footplate.engine.policy_config`."""


def load_pack(path: Path, config_file: Path | None = None) -> Pack:
    manifest = path / "PulumiPolicy.yaml"
    if not manifest.is_file():
        raise ProjectInvalid(f"{path} is no policy pack: it has no PulumiPolicy.yaml")
    document = read_yaml(manifest)
    runtime: Any = document.get("runtime")
    fields: dict[str, Any] = cast(dict[str, Any], runtime) if isinstance(runtime, dict) else {"name": runtime}
    if fields.get("name") != "python":
        raise Unsupported(f"{manifest}: the runtime is {fields.get('name')!r}", cli_remedy("footplate preview"))
    if not (path / "__main__.py").is_file():
        raise ProjectInvalid(f"{path} has no __main__.py")
    options = cast(dict[str, Any], fields.get("options") or {})
    virtualenv: Any = options.get("virtualenv")
    interpreter = str(path / virtualenv / "bin" / "python") if virtualenv else sys.executable
    if config_file is not None:
        policy_config.read(config_file)
    return Pack(path, str(document.get("version") or ""), interpreter, config_file)


class Policies:
    """All packs of a run. Every registered resource passes `analyze` before anything is done with it."""

    def __init__(self, observe: Observer, *, preview: bool) -> None:
        self._observe = observe
        self._preview = preview
        self._analyzers: list[tuple[Pack, Analyzer]] = []
        self._ready = asyncio.Event()
        self._ready.set()
        self._seen: dict[str, tuple[Resource, Goal, Resource | None]] = {}
        self.violated = 0
        """Mandatory violations."""

    @asynccontextmanager
    async def started(
        self, packs: Sequence[Pack], *, address: str, project: str, stack: str, config: Config
    ) -> AsyncGenerator[None]:
        """The packs start beside the program; the first resource waits for them."""
        if not packs:
            yield
            return
        self._ready.clear()
        self._failure: BaseException | None = None
        async with AsyncExitStack() as processes:

            async def start() -> None:
                try:
                    for pack in packs:
                        stub = await processes.enter_async_context(
                            _analyzer(pack, address, project, stack, config, self._preview, self._observe)
                        )
                        await _configure(pack, stub, project, stack, config, self._preview)
                        self._analyzers.append((pack, stub))
                except BaseException as error:
                    self._failure = error
                    raise
                finally:
                    self._ready.set()

            starting = asyncio.create_task(start())
            try:
                yield
            finally:
                if not starting.done():
                    starting.cancel()
                await asyncio.gather(starting, return_exceptions=True)

    async def _packs(self) -> list[tuple[Pack, Analyzer]]:
        await self._ready.wait()
        failure = getattr(self, "_failure", None)
        if failure is not None:
            raise failure
        return self._analyzers

    async def analyze(self, new: Resource, goal: Goal, provider: Resource | None) -> Resource:
        """The resource, with what remediations change. Raises PolicyViolated in an update; a preview shows all."""
        mandatory: list[str] = []
        for pack, stub in await self._packs():
            request = _request(new, goal, provider)
            try:
                remedied = await stub.Remediate(request)
                for remedy in remedied.remediations:
                    if remedy.diagnostic:
                        self._show(pack, remedy.policyName, False, remedy.diagnostic, remedy.description, new.urn)
                    else:
                        new = msgspec.structs.replace(new, inputs=from_struct(remedy.properties))
                        text = f"policy {remedy.policyName} changed its properties: {remedy.description}"
                        self._observe(Said(Severity.INFO, text, new.urn))
                analyzed = await stub.Analyze(_request(new, goal, provider))
            except grpc.aio.AioRpcError as error:
                raise ResourceFailed(f"policy pack {pack.path} failed: {_details(error)}") from error
            mandatory += self._report(pack, analyzed.diagnostics, new.urn)
        self._seen[new.urn] = (new, goal, provider)
        if mandatory and not self._preview:
            raise PolicyViolated("; ".join(mandatory))
        return new

    async def analyze_stack(self, outputs: Mapping[str, Properties]) -> None:
        """Policies on the stack as a whole; `outputs`: what each resource will have, as far as it is known."""
        for pack, stub in await self._packs():
            resources = [
                _stack_resource(new, goal, provider, outputs.get(urn) or new.inputs)
                for urn, (new, goal, provider) in self._seen.items()
            ]
            try:
                analyzed = await stub.AnalyzeStack(analyzer_pb2.AnalyzeStackRequest(resources=resources))
            except grpc.aio.AioRpcError as error:
                raise PolicyViolated(f"policy pack {pack.path} failed: {_details(error)}") from error
            self._report(pack, analyzed.diagnostics, "")

    def _report(self, pack: Pack, diagnostics: Iterable[analyzer_pb2.AnalyzeDiagnostic], urn: str) -> list[str]:
        mandatory: list[str] = []
        for found in diagnostics:
            strict = found.enforcementLevel == analyzer_pb2.MANDATORY
            message = found.message.removeprefix(found.description).strip() or found.message or found.description
            self._show(pack, found.policyName, strict, message, found.description, found.urn or urn)
            if strict:
                self.violated += 1
                mandatory.append(f"policy {found.policyName}: {message}")
        return mandatory

    def _show(self, pack: Pack, policy: str, strict: bool, message: str, description: str, urn: str) -> None:
        self._observe(Violation(policy, pack.path.name, strict, message, description, urn))


@asynccontextmanager
async def _analyzer(
    pack: Pack, address: str, project: str, stack: str, config: Config, preview: bool, observe: Observer
) -> AsyncGenerator[Analyzer]:
    environment = {
        **os.environ,
        "PULUMI_ORGANIZATION": "organization",
        "PULUMI_PROJECT": project,
        "PULUMI_STACK": stack,
        "PULUMI_DRY_RUN": "true" if preview else "false",
        "PULUMI_CONFIG": json.dumps(dict(config.values)),
        "GRPC_VERBOSITY": "NONE",
    }
    process = await asyncio.create_subprocess_exec(
        pack.interpreter,
        *("-u", "-m", "pulumi.policy", address, str(pack.path)),
        env=environment,
        cwd=pack.path,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    printed: asyncio.Task[None] | None = None
    try:
        port = await _port(process.stdout, pack)
        printed = asyncio.create_task(_relay(process.stdout, pack, observe))
        async with grpc.aio.insecure_channel(
            f"127.0.0.1:{port}", options=[("grpc.max_receive_message_length", LARGEST)]
        ) as channel:
            yield analyzer_pb2_grpc.AnalyzerStub(channel)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        if printed is not None:
            printed.cancel()


async def _port(stream: asyncio.StreamReader, pack: Pack) -> int:
    """The first line that a pack prints. What comes before it, or instead, is what went wrong."""
    lines: list[str] = []
    try:
        async with asyncio.timeout(START):
            while line := (await stream.readline()).decode(errors="replace").strip():
                if line.isdigit():
                    return int(line)
                lines.append(line)
    except TimeoutError:
        lines.append(f"it did not start within {START:g} s")
    raise ProjectInvalid(f"policy pack {pack.path} did not start: {' / '.join(lines[-5:]) or 'it ended at once'}")


async def _relay(stream: asyncio.StreamReader, pack: Pack, observe: Observer) -> None:
    while line := await stream.readline():
        observe(Said(Severity.INFO, f"{pack.path.name}: {line.decode(errors='replace').rstrip()}"))


async def _configure(pack: Pack, stub: Analyzer, project: str, stack: str, config: Config, preview: bool) -> None:
    info = await stub.GetAnalyzerInfo(empty_pb2.Empty())
    request = analyzer_pb2.AnalyzerStackConfigureRequest(
        stack=stack, project=project, organization="organization", dry_run=preview, config=dict(config.values)
    )
    await stub.ConfigureStack(request)
    wanted: Any = info.initialConfig
    if pack.config_file is not None:
        wanted = policy_config.reconciled(pack.config_file, policy_config.read(pack.config_file), info)
    await stub.Configure(analyzer_pb2.ConfigureAnalyzerRequest(policyConfig=wanted))


def _request(new: Resource, goal: Goal, provider: Resource | None) -> analyzer_pb2.AnalyzeRequest:
    return analyzer_pb2.AnalyzeRequest(
        type=new.type,
        properties=to_struct(_shown(new.inputs)),
        urn=new.urn,
        name=goal.name,
        options=_options(new, goal),
        provider=_provider(provider),
    )


def _stack_resource(
    new: Resource, goal: Goal, provider: Resource | None, properties: Properties
) -> analyzer_pb2.AnalyzerResource:
    dependencies = {
        key: analyzer_pb2.AnalyzerPropertyDependencies(urns=of_property)
        for key, of_property in new.property_dependencies.items()
        if of_property
    }
    return analyzer_pb2.AnalyzerResource(
        type=new.type,
        properties=to_struct(_shown(properties)),
        urn=new.urn,
        name=goal.name,
        options=_options(new, goal),
        provider=_provider(provider),
        parent=new.parent,
        dependencies=new.dependencies,
        propertyDependencies=dependencies,
    )


def _options(new: Resource, goal: Goal) -> analyzer_pb2.AnalyzerResourceOptions:
    timeouts = new.custom_timeouts
    return analyzer_pb2.AnalyzerResourceOptions(
        protect=new.protect,
        ignoreChanges=goal.ignore_changes,
        deleteBeforeReplace=bool(goal.delete_before_replace),
        deleteBeforeReplaceDefined=goal.delete_before_replace is not None,
        additionalSecretOutputs=new.additional_secret_outputs,
        aliases=new.aliases,
        parent=new.parent,
        customTimeouts=analyzer_pb2.AnalyzerResourceOptions.CustomTimeouts(
            create=timeouts.create, update=timeouts.update, delete=timeouts.delete, read=timeouts.read
        )
        if timeouts
        else None,
    )


def _provider(provider: Resource | None) -> analyzer_pb2.AnalyzerProviderResource | None:
    if provider is None:
        return None
    return analyzer_pb2.AnalyzerProviderResource(
        type=provider.type,
        properties=to_struct(_shown(provider.inputs)),
        urn=provider.urn,
        name=urns.parse(provider.urn).name,
    )


def _shown(properties: Properties) -> Properties:
    return {key: value for key, value in properties.items() if not key.startswith("__")}


def _details(error: grpc.aio.AioRpcError) -> str:
    return error.details() or str(error.code())
