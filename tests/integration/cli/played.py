"""Objects on a platform without controllers: the test plays their part."""

from __future__ import annotations

import secrets
from typing import Any

from footplate.api.workspace import token_secret
from footplate.client.kinds import SECRET, TRAINING_JOB, WORKSPACE
from footplate.kube.client import Client
from footplate.kube.resource import Resource
from tests.integration.cli.platform import Kubelet

JOB, ATTEMPT, WORKSPACE_LABEL = "footplate.dev/job", "footplate.dev/attempt", "footplate.dev/workspace"
INDEX = "batch.kubernetes.io/job-completion-index"


class _Played:
    def __init__(self, kubelet: Kubelet, resource: Resource, spec: dict[str, Any]) -> None:
        self.kubelet = kubelet
        self.name = f"p{secrets.token_hex(3)}"
        self._resource = resource
        self._namespace = kubelet.platform.namespace
        body = {"metadata": {"name": self.name}, "spec": spec}
        kubelet.platform.kube(lambda client: client.create(resource, body, self._namespace))

    def status(self, phase: str, message: str = "", **more: Any) -> None:
        """Of the spec as it is now."""

        async def write(client: Client) -> None:
            found = await client.get(self._resource, self.name, self._namespace)
            status = {"phase": phase, "message": message, "observedGeneration": found["metadata"]["generation"], **more}
            await client.patch(self._resource, self.name, {"status": status}, self._namespace, subresource="status")

        self.kubelet.platform.kube(write)

    def spec(self) -> dict[str, Any]:
        found = self.kubelet.platform.kube(lambda client: client.get(self._resource, self.name, self._namespace))
        return found["spec"]

    def delete(self) -> None:
        self.kubelet.platform.kube(lambda client: client.delete(self._resource, self.name, self._namespace))


class PlayedJob(_Played):
    def __init__(self, kubelet: Kubelet, nodes: int = 1, processes: int = 1) -> None:
        spec = {"environment": "pytorch", "command": ["true"], "nodes": nodes, "processesPerNode": processes}
        super().__init__(kubelet, TRAINING_JOB, spec)

    def pod(self, node: int = 0, attempt: int = 1) -> str:
        name = f"{self.name}-{attempt}-{node}"
        labels = {JOB: self.name, ATTEMPT: str(attempt), INDEX: str(node)}
        self.kubelet.pod(name, labels, annotations={INDEX: str(node)})
        return name


class PlayedWorkspace(_Played):
    def __init__(self, kubelet: Kubelet, owner: str = "ada", token: str = "t0ken", **spec: Any) -> None:
        super().__init__(kubelet, WORKSPACE, {"environment": "jupyter", "owner": owner, "home": {"size": "0"}, **spec})
        secret = {
            "metadata": {"name": token_secret(owner), "namespace": self._namespace},
            "stringData": {"token": token},
        }
        kubelet.platform.kube(lambda client: client.apply(SECRET, secret))

    def run(self, generation: int = 1) -> str:
        """With a pod of its own; its name."""
        pod = f"{self.name}-{generation}"
        self.kubelet.pod(pod, {WORKSPACE_LABEL: self.name})
        url = f"http://{self.name}.workspaces:8888/lab"
        self.status("Running", f"Workspace {self.name} runs.", podName=pod, url=url)
        return pod
