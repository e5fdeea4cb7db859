"""What the cluster has, who holds it and who waits for it: ConfigMap ``footplate-usage``, which everyone may read.

The controllers write it when it changes, some seconds apart at least. It names teams, jobs and workspaces, no code or data.
"""

from datetime import datetime

from msgspec import json

from footplate.api.meta import Wire

CONFIG_MAP = "footplate-usage"
KEY = "usage.json"


class Pool(Wire, frozen=True):
    """Nodes with one kind of GPU, or without any (``resource`` is then ``cpu``)."""

    resource: str
    gpu: str = ""
    nodes: int = 0
    capacity: int = 0
    used: int = 0
    free: dict[str, int] = {}
    """Free units on a node → how many such nodes, of those that take pods."""
    most: int = 0
    """Units of its largest node, in use or not; 0 where that is not said."""
    largest: str = ""
    """The name of that node."""
    cpus: dict[str, int] = {}
    """Of nodes with GPUs that take pods without: free CPUs on a node → how many such nodes."""
    most_cpus: int = 0
    """CPUs of the largest of these."""
    closed: int = 0
    """Nodes that are not ready or take no pods."""
    suspect: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        if self.resource == "cpu":
            return "CPU"
        kind = self.resource.removeprefix("nvidia.com/")
        return f"{self.gpu or 'GPU'}" if kind == "gpu" else f"{self.gpu} {kind}".strip()

    def places(self, units: int, *, gpu: bool) -> int:
        """Ranks of that size for which there is room now; `units` of CPUs where `gpu` is False."""
        room = self.free if gpu == (self.resource != "cpu") else {} if gpu else self.cpus
        return sum(count * (int(free) // units) for free, count in room.items()) if units else 0

    def most_on_one(self, *, gpu: bool) -> int:
        """What its largest node has of GPUs, else of CPUs; 0 where that is not said."""
        return self.most if gpu == (self.resource != "cpu") else 0 if gpu else self.most_cpus


class Holder(Wire, frozen=True):
    team: str
    name: str
    kind: str
    """`job` or `workspace`"""
    resource: str
    gpu: str = ""
    units: int = 0
    priority: str = ""
    since: datetime | None = None


class Waiter(Wire, frozen=True):
    team: str
    name: str
    priority: str = ""
    since: datetime | None = None
    nodes: int = 1
    gpu: str = ""
    units: int = 0
    """Of each node."""
    kind: str = "job"
    """`job` or `workspace`"""


class Usage(Wire, frozen=True):
    pools: tuple[Pool, ...] = ()
    holders: tuple[Holder, ...] = ()
    """The largest first."""
    queue: tuple[Waiter, ...] = ()
    """In the order in which they are placed."""


def encode(usage: Usage) -> dict[str, str]:
    return {KEY: json.encode(usage).decode()}


def decode(data: dict[str, str]) -> Usage:
    """Raises KeyError, DecodeError (msgspec)."""
    return json.decode(data[KEY], type=Usage)
