"""Programs run against a real API server, each test in a namespace of its own and with state of its own."""

from __future__ import annotations

import os
import textwrap
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from footplate.engine.events import Event, Op, Said, StepDone, StepWaiting
from footplate.engine.stack import Result, Stack
from footplate.engine.state.model import Resource
from footplate.kube import Client, load_connection
from footplate.kube.errors import NotFound

if TYPE_CHECKING:
    from tests.conftest import ApiCluster

PRELUDE = """
import pulumi
import pulumi_kubernetes as k8s

config = pulumi.Config()
NAMESPACE = config.require("namespace")
version = config.require("version")


def options(**given):
    return pulumi.ResourceOptions(**given)


def config_map(resource, /, data=None, opts=None, **metadata):
    return k8s.core.v1.ConfigMap(
        resource, metadata={"namespace": NAMESPACE, **metadata}, data=data or {"a": "1"}, opts=opts
    )


"""
MANIFEST = """
name: lab
runtime: python
config:
  namespace: {type: string}
  version: {type: string, default: "1"}
"""


@dataclass
class Lab:
    """One stack whose program tests write and rewrite. `namespace` exists; it goes with all in it."""

    root: Path
    namespace: str
    client: Client
    environ: dict[str, str]
    events: list[Event] = field(default_factory=list[Event])

    def write(self, text: str) -> None:
        (self.root / "__main__.py").write_text(PRELUDE + textwrap.dedent(text))

    def stack(self, **options: Any) -> Stack:
        config = {"namespace": self.namespace, **options.pop("config", {})}
        return Stack(self.root, "dev", config=config, environ=self.environ, **options)

    def observe(self, event: Event) -> None:
        self.events.append(event)

    async def up(self, version: str = "1", **options: Any) -> Result:
        self.events.clear()
        return await self.stack(config={"version": version}, **options).up(self.observe)

    async def preview(self, version: str = "1", **options: Any) -> Result:
        self.events.clear()
        return await self.stack(config={"version": version}, **options).preview(self.observe)

    def ops(self) -> dict[str, Op]:
        """Resource name → what was done last with it, of what changed."""
        done = [event.step for event in self.events if isinstance(event, StepDone) and not event.step.leftover]
        return {step.name: step.op for step in done if step.op is not Op.SAME}

    def errors(self) -> str:
        return "\n".join(event.error for event in self.events if isinstance(event, StepDone) and event.error)

    def waits(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, StepWaiting)]

    def said(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Said)]

    def fields(self, name: str) -> dict[str, tuple[Any, Any, str]]:
        """Path → old, new, note of the changes of a resource as last shown."""
        from footplate.engine.paths import text

        steps = [e.step for e in self.events if isinstance(e, StepDone) and e.step.name == name and e.step.changes]
        return {text(c.path): (c.old, c.new, c.note) for c in steps[-1].changes}

    def state(self, name: str) -> Resource:
        (found,) = [r for r in self.stack().resources() if r.urn.endswith(f"::{name}")]
        return found

    async def get(self, kind: str, name: str, api: str = "v1") -> dict[str, Any] | None:
        try:
            res = await self.client.resource(api, kind)
            return await self.client.get(res, name, self.namespace if res.namespaced else None)
        except NotFound:
            return None

    async def names(self, kind: str, api: str = "v1") -> set[str]:
        listing = await self.client.list(await self.client.resource(api, kind), self.namespace)
        names = {item["metadata"]["name"] for item in listing.items}
        return names - {"kube-root-ca.crt", "default"}


@pytest.fixture
async def client(api_cluster: ApiCluster) -> AsyncGenerator[Client]:
    async with Client(load_connection(api_cluster.kubeconfig, api_cluster.context)) as found:
        yield found


@pytest.fixture
def environ(api_cluster: ApiCluster, tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "FOOTPLATE_DATA": str(tmp_path / "data"), "KUBECONFIG": str(api_cluster.kubeconfig)}


@pytest.fixture
async def lab(
    tmp_path: Path, client: Client, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Lab]:
    # The default provider of a program takes the kubeconfig of the environment, as with the Pulumi CLI.
    monkeypatch.setenv("KUBECONFIG", environ["KUBECONFIG"])
    root = tmp_path / "program"
    root.mkdir()
    (root / "Pulumi.yaml").write_text(MANIFEST)
    (root / "Pulumi.dev.yaml").write_text("config: {}\n")
    namespace = f"lab-{uuid4().hex[:8]}"
    namespaces = await client.resource("v1", "Namespace")
    await client.apply(namespaces, {"metadata": {"name": namespace}}, manager="test")
    try:
        yield Lab(root, namespace, client, environ)
    finally:
        await client.delete(namespaces, namespace)
