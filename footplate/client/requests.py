"""What a person asks for: a workspace, a job. Fields left out are the server's to fill in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from footplate.api import duration
from footplate.client import manifests
from footplate.client.manifests import Json, Source
from footplate.errors import BadUsage


@dataclass(frozen=True, kw_only=True)
class PodRequest:
    """Of each pod. `gpus`: how many; `cpu` such as `4` or `500m`; `memory` such as `16Gi`.

    `environment` names an entry of the platform's catalogue; `image` is one that the platform allows, instead.
    `datasets`: name → `s3://bucket/prefix`, `gs://…` or `pvc://claim/path`, with `:/path` behind it for another place
    than `/data/<name>`.
    """

    environment: str | None = None
    image: str | None = None
    gpus: int | None = None
    gpu_type: str | None = None
    cpu: str | None = None
    memory: str | None = None
    datasets: Mapping[str, str] = field(default_factory=dict[str, str])
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    owner: str | None = None
    priority: str | None = None

    def pod_fields(self) -> Json:
        return {
            "environment": self.environment,
            "image": self.image,
            "resources": manifests.resources(self.cpu, self.memory, self.gpus, self.gpu_type) or None,
            "datasets": manifests.datasets(self.datasets) or None,
            "env": dict(self.env) or None,
            "owner": _owner(self.owner),
            "priority": self.priority,
        }


@dataclass(frozen=True)
class WorkspaceRequest(PodRequest):
    """`name` None: one is made up. `home`: size of the volume that outlives the pod; `0`: none. `ide`: jupyterlab, vscode."""

    name: str | None = None
    home: str | None = field(default=None, kw_only=True)
    ide: str | None = field(default=None, kw_only=True)

    def spec(self) -> Json:
        home = {"size": self.home} if self.home is not None else None
        return _said({**self.pod_fields(), "home": home, "ide": self.ide})


@dataclass(frozen=True)
class JobRequest(PodRequest):
    """`script` runs on each of `nodes`, with its directory (or `code`, which contains it) shipped along.

    Without a script, `command` runs, in `code` where that is given. `processes_per_node`: one a GPU, else one, where
    left out. `launcher`: torchrun (the default), jax or none. `deadline`, `hang_timeout` and `ttl` are durations such as
    `12h`; `retries` counts attempts after failures of the program itself, those of machines are retried anyhow.
    """

    script: str | Path | None = None
    args: Sequence[str] = field(default=(), kw_only=True)
    command: Sequence[str] = field(default=(), kw_only=True)
    code: str | Path | None = field(default=None, kw_only=True)
    name: str | None = field(default=None, kw_only=True)
    nodes: int | None = field(default=None, kw_only=True)
    processes_per_node: int | None = field(default=None, kw_only=True)
    launcher: str | None = field(default=None, kw_only=True)
    checkpoints: str | None = field(default=None, kw_only=True)
    deadline: str | None = field(default=None, kw_only=True)
    hang_timeout: str | None = field(default=None, kw_only=True)
    ttl: str | None = field(default=None, kw_only=True)
    retries: int | None = field(default=None, kw_only=True)
    queue: str | None = field(default=None, kw_only=True)

    def source(self) -> Source | None:
        """None where no code goes along. Raises BadUsage where it is not there."""
        code = Path(self.code) if self.code is not None else None
        if self.script is not None:
            return manifests.from_script(Path(self.script), code)
        return manifests.from_command(self.command, code) if code is not None else None

    def spec(self, source: Source | None) -> Json:
        command = source.command if source is not None else self.command
        return _said(
            {
                **self.pod_fields(),
                "command": list(command) or None,
                "args": list(self.args) or None,
                "nodes": self.nodes,
                "processesPerNode": self.processes_per_node,
                "launcher": self.launcher,
                "checkpoint": {"uri": self.checkpoints} if self.checkpoints is not None else None,
                "retries": {"app": self.retries} if self.retries is not None else None,
                "deadline": _duration("deadline", self.deadline, above_zero=True),
                "hangTimeout": _duration("hang-timeout", self.hang_timeout),
                "ttlAfterFinished": _duration("ttl", self.ttl),
                "queue": self.queue,
            }
        )


def _owner(name: str | None) -> str | None:
    """Raises BadUsage for what is no name."""
    if name is not None and (not name.strip() or not name.isprintable()):
        raise BadUsage(f"owner {name!r} is no name.", "leave it out to be the owner yourself")
    return name


def _duration(name: str, text: str | None, *, above_zero: bool = False) -> str | None:
    """Raises BadUsage for what is none."""
    if text is None:
        return None
    try:
        span = duration.parse(text)
    except ValueError as error:
        raise BadUsage(f"{name} {error}.") from error
    if above_zero and not span:
        raise BadUsage(f"{name} {text!r} would end the job as it starts.", "leave it out for none")
    return text


def _said(fields: Mapping[str, object]) -> Json:
    return {key: value for key, value in fields.items() if value is not None}
