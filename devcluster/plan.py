"""What the supervisor runs: a list of components, computed by `start` and handed over as one JSON file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import msgspec


class Check(msgspec.Struct, frozen=True):
    """When a component counts as ready: an HTTP(S) path answers 200, or a socket accepts."""

    kind: Literal["https", "http", "tcp", "unix", "file"]
    address: str  # host:port, or a path for unix and file
    path: str = "/"


class Component(msgspec.Struct, frozen=True):
    name: str
    command: tuple[str, ...]
    after: tuple[str, ...] = ()  # started once these are ready
    check: Check | None = None
    environment: dict[str, str] = {}
    inputs: tuple[str, ...] = ()  # files that it reads at start only: when they change, it is restarted
    stop_seconds: float = 5.0

    def digest(self) -> str:
        """Changes when the component must be restarted to follow its plan."""
        content = hashlib.sha256(msgspec.json.encode(self, order="sorted"))
        for name in self.inputs:
            path = Path(name)
            content.update(path.read_bytes() if path.is_file() else b"")
        return content.hexdigest()[:16]


class NodeNetwork(msgspec.Struct, frozen=True):
    """Addresses of a cluster in a network namespace of its own."""

    interface: str  # the machine's end of the link
    machine_address: str
    node_address: str
    prefix: int
    pod_cidr: str
    mtu: int = 1500
    local_cidrs: tuple[str, ...] = ()  # invented addresses (simulated nodes): they end inside the namespace


class Plan(msgspec.Struct, frozen=True):
    components: tuple[Component, ...]
    network: NodeNetwork | None = None  # None: loopback, no namespaces (profile api)

    def digests(self) -> dict[str, str]:
        return {component.name: component.digest() for component in self.components}


class ComponentStatus(msgspec.Struct, frozen=True):
    pid: int
    start_ticks: int
    restarts: int
    ready: bool
    since: float  # Unix time of the last start
    last_exit: str = ""


class Status(msgspec.Struct, frozen=True):
    """The supervisor's report. `plan` are the digests that it follows: another plan's report says nothing of this one."""

    plan: dict[str, str]
    components: dict[str, ComponentStatus]


def write_atomically(path: Path, content: bytes, mode: int = 0o600) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(content)
    temporary.chmod(mode)
    temporary.replace(path)
