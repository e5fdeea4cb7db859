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
    """What was written since it was made."""

    def __init__(self, kubeconfig: Path) -> None:
        """Beside the kubeconfig of a cluster of `footplate cluster start`."""
        self._path = kubeconfig.parent / "audit" / "audit.log"
        begun = self._path.stat()
        self._file, self._from = begun.st_ino, begun.st_size
        self._decoder = msgspec.json.Decoder(_Entry)

    def writes(self, agent: str = "") -> list[Write]:
        """By user agents that begin with `agent`."""
        lines: list[bytes] | None = None
        # Full files are renamed `audit-<time>.log`.
        for path in sorted(self._path.parent.glob("audit*.log"), key=lambda path: path.stat().st_mtime):
            if path.stat().st_ino == self._file:
                lines = path.read_bytes()[self._from :].splitlines()
            elif lines is not None:
                lines += path.read_bytes().splitlines()
        entries = [self._decoder.decode(line) for line in lines or () if line.endswith(b"}")]
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
