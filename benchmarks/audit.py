"""Counts writes to the API server, by who sent them, from its audit log."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import msgspec


class _Ref(msgspec.Struct, rename="camel"):
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""


class _Response(msgspec.Struct):
    code: int = 0


class _Entry(msgspec.Struct, rename="camel"):
    verb: str
    user_agent: str = ""
    object_ref: _Ref = msgspec.field(default_factory=_Ref)
    response_status: _Response = msgspec.field(default_factory=_Response)
    stage: str = ""


@dataclass(frozen=True)
class Write:
    agent: str
    verb: str
    resource: str
    namespace: str
    name: str
    code: int

    @property
    def kind(self) -> str:
        return f"{self.verb} {self.resource}"


class AuditLog:
    """What was written since `mark`."""

    def __init__(self, kubeconfig: Path) -> None:
        """Beside the kubeconfig of a cluster of `footplate cluster start`."""
        self._path = kubeconfig.parent / "audit" / "audit.log"
        self._from = self._path.stat().st_size
        self._decoder = msgspec.json.Decoder(_Entry)

    def mark(self) -> None:
        self._from = self._path.stat().st_size

    def writes(self, agent: str = "") -> list[Write]:
        """By user agents that begin with `agent`."""
        with self._path.open("rb") as log:
            log.seek(self._from)
            lines = log.read().splitlines()
        entries = [self._decoder.decode(line) for line in lines if line.endswith(b"}")]
        return [
            _write(entry)
            for entry in entries
            if entry.stage == "ResponseComplete" and entry.user_agent.startswith(agent) and entry.verb not in _READS
        ]

    def by_kind(self, agent: str = "") -> Counter[str]:
        return Counter(write.kind for write in self.writes(agent))


_READS = ("get", "list", "watch")


def _write(entry: _Entry) -> Write:
    ref = entry.object_ref
    resource = f"{ref.resource}/{ref.subresource}" if ref.subresource else ref.resource
    return Write(entry.user_agent, entry.verb, resource, ref.namespace, ref.name, entry.response_status.code)
