"""Deployments to bytes and back, with their secrets encrypted.

A resource is a value that never changes: its bytes are made once and reused in every later write of the run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from footplate.engine.crypter import Crypter, Keyring
from footplate.engine.errors import StateUnreadable
from footplate.engine.state.model import (
    VERSION,
    Checkpoint,
    Deployment,
    PendingOperation,
    Resource,
    SecretsProvider,
)
from footplate.engine.values import from_state, to_state


class Codec:
    """The crypter is unlocked, or made, when the first secret is met."""

    def __init__(self, keyring: Keyring, engine_version: str) -> None:
        self._keyring = keyring
        self._version = engine_version
        self._provider: SecretsProvider | None = None
        self._crypter: Crypter | None = None
        self._encoded: dict[int, tuple[Resource, bytes]] = {}

    def decode(self, content: bytes, source: object) -> Deployment:
        try:
            version = msgspec.json.decode(content, type=_Version).version
            if version != VERSION:
                raise StateUnreadable(
                    f"{source} has version {version} of Pulumi's deployment format; this engine reads version {VERSION}",
                    "use the Pulumi CLI for this stack, or a newer Footplate",
                )
            deployment = msgspec.json.decode(content, type=Checkpoint).deployment or Deployment()
        except msgspec.DecodeError as error:
            raise StateUnreadable(
                f"{source} is damaged: {error}",
                f"its previous version is {source}.bak; compare and put it in its place",
            ) from error
        self._provider = deployment.secrets_providers
        decrypt = self._decrypt
        deployment.resources = [_opened(r, decrypt) for r in deployment.resources]
        deployment.pending_operations = [
            PendingOperation(_opened(p.resource, decrypt), p.type) for p in deployment.pending_operations
        ]
        return deployment

    def encode(self, resources: Sequence[Resource], pending: Sequence[PendingOperation]) -> bytes:
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        magic = hashlib.sha256(self._version.encode()).hexdigest()
        items = [msgspec.Raw(self._resource(r)) for r in resources]
        operations = [{"resource": msgspec.Raw(self._resource(p.resource)), "type": p.type.value} for p in pending]
        deployment: dict[str, Any] = {"manifest": {"time": now, "magic": magic, "version": self._version}}
        if self._provider is not None:
            deployment["secrets_providers"] = self._provider
        if items:
            deployment["resources"] = items
        if operations:
            deployment["pending_operations"] = operations
        deployment["metadata"] = {}
        return msgspec.json.encode({"version": VERSION, "deployment": deployment})

    def _resource(self, resource: Resource) -> bytes:
        known = self._encoded.get(id(resource))
        if known is None or known[0] is not resource:
            closed = msgspec.structs.replace(
                resource,
                inputs=to_state(resource.inputs, self._encrypt),
                outputs=to_state(resource.outputs, self._encrypt),
                replacement_trigger=to_state(resource.replacement_trigger, self._encrypt),
            )
            known = self._encoded[id(resource)] = (resource, msgspec.json.encode(closed))
        return known[1]

    def _decrypt(self, ciphertext: str) -> str:
        return self._unlocked().decrypt(ciphertext)

    def _encrypt(self, plaintext: str) -> str:
        return self._unlocked().encrypt(plaintext)

    def _unlocked(self) -> Crypter:
        if self._crypter is None:
            if self._provider is None:
                self._crypter = self._keyring.new()
                self._provider = SecretsProvider("passphrase", {"salt": self._crypter.salt})
            elif self._provider.type == "passphrase" and isinstance(self._provider.state.get("salt"), str):
                self._crypter = self._keyring.unlock(self._provider.state["salt"])
            else:
                raise StateUnreadable(
                    f"the state's secrets are kept by {self._provider.type!r}, which this engine cannot open",
                    "use the Pulumi CLI for this stack",
                )
        return self._crypter


class _Version(msgspec.Struct):
    version: int = 0


def _opened(resource: Resource, decrypt: Any) -> Resource:
    return msgspec.structs.replace(
        resource,
        inputs=from_state(resource.inputs, decrypt),
        outputs=from_state(resource.outputs, decrypt),
        replacement_trigger=from_state(resource.replacement_trigger, decrypt),
    )
