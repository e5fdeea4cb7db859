"""The gRPC services that the program talks to: `pulumirpc.ResourceMonitor` and `pulumirpc.Engine`. Thin: requests in,
answers out."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn, Protocol, cast

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2, resource_pb2, resource_pb2_grpc

from footplate.engine.deployment.run import Run, Stopped
from footplate.engine.errors import Unsupported, cli_remedy
from footplate.engine.events import Severity
from footplate.engine.goal import Goal, Registered
from footplate.engine.monitor import requests
from footplate.engine.project.config import Config
from footplate.engine.values import UNKNOWN, Properties, from_struct, to_struct
from footplate.errors import FootplateError

LARGEST = 400 * 1024 * 1024
Context = grpc.aio.ServicerContext[Any, Any]


class Registrations(Protocol):
    """What the deployment does with registrations."""

    async def register(self, goal: Goal) -> Registered: ...
    async def read(self, goal: Goal, id: str | None) -> Registered: ...
    async def outputs(self, urn: str, outputs: Properties) -> None: ...
    async def invoke(self, token: str, args: Properties, provider: str, version: str) -> Properties | None: ...


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    def __init__(
        self,
        *,
        registrations: Registrations,
        run: Run,
        project: str,
        stack: str,
        config: Config,
        parallel: int,
        root: Path,
    ) -> None:
        self._registrations = registrations
        self._run = run
        self._project = project
        self._stack = stack
        self._config = config
        self._parallel = parallel
        self._root = root

    async def GetDeploymentInfo(self, request: empty_pb2.Empty, context: Context) -> resource_pb2.DeploymentInfo:  # noqa: N802
        return resource_pb2.DeploymentInfo(
            project=self._project,
            stack=self._stack,
            organization="organization",
            config=dict(self._config.values),
            configSecretKeys=sorted(self._config.secrets),
            dryRun=self._run.preview,
            parallel=self._parallel,
            supportedFeatures=requests.FEATURES,
        )

    async def SupportsFeature(  # noqa: N802
        self, request: resource_pb2.SupportsFeatureRequest, context: Context
    ) -> resource_pb2.SupportsFeatureResponse:
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id in requests.LEGACY_FEATURES)

    async def RegisterResource(  # noqa: N802
        self, request: resource_pb2.RegisterResourceRequest, context: Context
    ) -> resource_pb2.RegisterResourceResponse:
        try:
            registered = await self._registrations.register(requests.goal(request, self._root))
        except Stopped:
            await _gone(context)
        except FootplateError as error:
            await self._refuse(context, f"{request.type} {request.name}", error)
        outputs = _public(registered.outputs) if request.custom else {}
        return resource_pb2.RegisterResourceResponse(
            urn=registered.urn, id=registered.id, object=to_struct(outputs), unknown=registered.unknown
        )

    async def RegisterResourceOutputs(  # noqa: N802
        self, request: resource_pb2.RegisterResourceOutputsRequest, context: Context
    ) -> empty_pb2.Empty:
        try:
            await self._registrations.outputs(request.urn, from_struct(request.outputs))
        except Stopped:
            await _gone(context)
        return empty_pb2.Empty()

    async def ReadResource(  # noqa: N802
        self, request: resource_pb2.ReadResourceRequest, context: Context
    ) -> resource_pb2.ReadResourceResponse:
        goal = Goal(
            type=request.type,
            name=request.name,
            custom=True,
            inputs=from_struct(request.properties),
            parent=request.parent,
            dependencies=tuple(sorted(request.dependencies)),
            provider=request.provider,
            version=request.version,
            plugin_url=request.pluginDownloadURL,
            additional_secret_outputs=tuple(request.additionalSecretOutputs),
            source_position=requests.position(cast(Any, request).sourcePosition, self._root),
        )
        try:
            found = await self._registrations.read(goal, None if request.id == UNKNOWN else request.id)
        except Stopped:
            await _gone(context)
        return resource_pb2.ReadResourceResponse(
            urn=found.urn, id=found.id, properties=to_struct(_public(found.outputs)), unknown=found.unknown
        )

    async def Invoke(  # noqa: N802
        self, request: resource_pb2.ResourceInvokeRequest, context: Context
    ) -> resource_pb2.ResourceInvokeResponse:
        try:
            result = await self._registrations.invoke(
                request.tok, from_struct(request.args), request.provider, request.version
            )
        except FootplateError as error:
            await self._refuse(context, request.tok, error)
        if result is None:
            return resource_pb2.ResourceInvokeResponse(unknown=True)
        answer: dict[str, Any] = {"return": to_struct(result)}  # a keyword
        return resource_pb2.ResourceInvokeResponse(**answer)

    async def Call(self, request: resource_pb2.ResourceCallRequest, context: Context) -> provider_pb2.CallResponse:  # noqa: N802
        error = Unsupported(
            f"the program calls the method {request.tok} of a remote component: this engine does not support that",
            cli_remedy("footplate up"),
        )
        await self._refuse(context, request.tok, error)

    async def RegisterPackage(  # noqa: N802
        self, request: resource_pb2.RegisterPackageRequest, context: Context
    ) -> resource_pb2.RegisterPackageResponse:
        error = Unsupported(
            f"the program uses the parameterized package {request.name}: this engine does not support that",
            cli_remedy("footplate up"),
        )
        await self._refuse(context, request.name, error)

    async def SignalAndWaitForShutdown(self, request: empty_pb2.Empty, context: Context) -> empty_pb2.Empty:  # noqa: N802
        return empty_pb2.Empty()

    async def _refuse(self, context: Context, what: str, error: FootplateError) -> NoReturn:
        """Stops the run with the reason: the program could only repeat it, with a traceback through the SDK."""
        if self._run.fatal is None:
            self._run.fatal = error
        self._run.failed.append(what)
        await _gone(context)


async def _gone(context: Context) -> NoReturn:
    """How a monitor that has shut down answers: the SDK ends the program without a word of its own."""
    await context.abort(grpc.StatusCode.UNAVAILABLE, "the deployment has stopped")
    raise AssertionError("abort raises")


def _public(outputs: Properties) -> Properties:
    return {key: value for key, value in outputs.items() if not key.startswith("__")}


_SEVERITIES = {
    engine_pb2.INFO: Severity.INFO,
    engine_pb2.WARNING: Severity.WARNING,
    engine_pb2.ERROR: Severity.ERROR,
}


class Engine(engine_pb2_grpc.EngineServicer):
    """`errors`: what the program logged as an error, which is how it reports that it failed."""

    def __init__(self, run: Run, version: str) -> None:
        self._run = run
        self._version = version
        self._root_urn = ""
        self.errors: list[str] = []

    async def Log(self, request: engine_pb2.LogRequest, context: Context) -> empty_pb2.Empty:  # noqa: N802
        severity = _SEVERITIES.get(request.severity)
        if severity is Severity.ERROR:
            self.errors.append(request.message)
        elif severity is not None and not request.ephemeral:
            self._run.say(request.message, request.urn, severity)
        return empty_pb2.Empty()

    async def GetRootResource(  # noqa: N802
        self, request: engine_pb2.GetRootResourceRequest, context: Context
    ) -> engine_pb2.GetRootResourceResponse:
        return engine_pb2.GetRootResourceResponse(urn=self._root_urn)

    async def SetRootResource(  # noqa: N802
        self, request: engine_pb2.SetRootResourceRequest, context: Context
    ) -> engine_pb2.SetRootResourceResponse:
        self._root_urn = request.urn
        return engine_pb2.SetRootResourceResponse()

    async def StartDebugging(self, request: engine_pb2.StartDebuggingRequest, context: Context) -> empty_pb2.Empty:  # noqa: N802
        self._run.say(request.message)
        return empty_pb2.Empty()

    async def RequirePulumiVersion(  # noqa: N802
        self, request: engine_pb2.RequirePulumiVersionRequest, context: Context
    ) -> engine_pb2.RequirePulumiVersionResponse:
        """This engine follows the protocol of the SDK it ships with, so that SDK's version is what it answers for."""
        return engine_pb2.RequirePulumiVersionResponse()


@asynccontextmanager
async def serving(monitor: Monitor, engine: Engine) -> AsyncGenerator[str]:
    """The address at which both services are served, on loopback."""
    server = grpc.aio.server(
        options=[("grpc.max_receive_message_length", LARGEST), ("grpc.max_send_message_length", LARGEST)]
    )
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, server)
    engine_pb2_grpc.add_EngineServicer_to_server(engine, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(grace=None)
