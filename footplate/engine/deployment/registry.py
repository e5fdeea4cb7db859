"""The providers of a run: instances by reference, made from the provider resources of the program and of the state."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence

from footplate.engine import urn as urns
from footplate.engine.changes import compare
from footplate.engine.errors import Unsupported, cli_remedy
from footplate.engine.providers.contract import Provider
from footplate.engine.providers.kubernetes import settings as kubernetes
from footplate.engine.providers.kubernetes.cluster import Cluster
from footplate.engine.providers.kubernetes.provider import KubernetesProvider
from footplate.engine.providers.planned import PlannedProvider
from footplate.engine.state.model import Resource
from footplate.engine.values import UNKNOWN, Properties

KUBERNETES = "kubernetes"
_IDENTITY = {"aws": ("region",), "gcp": ("project",)}
"""What says where a provider's resources are; its other settings (default tags, retries) change in place."""
#: The one kind of the kubernetes provider that its plugin alone can make: with Helm, in its own process.
HELM_RELEASE = "kubernetes:helm.sh/v3:Release"


def default_name(version: str, plugin_url: str = "") -> str:
    """Of the default provider of that version: `default_4_34_2`."""
    name = "_".join(["default", *re.split(r"[.+-]", version)]) if version else "default"
    return f"{name}_{re.sub(r'[^A-Za-z0-9_.-]', '_', plugin_url)}" if plugin_url else name


def provider_inputs(given: Mapping[str, object], version: str, plugin_url: str = "") -> Properties:
    """With what Pulumi notes of the plugin in a provider's inputs."""
    internal: Properties = {"pluginDownloadURL": plugin_url} if plugin_url else {}
    return {**given, **({"__internal": internal, "version": version} if version else {})}


def forcing_keys(package: str, old: Properties, new: Properties) -> list[str]:
    """Keys of a provider's inputs whose change makes it another provider, so that its resources are replaced."""
    if package == KUBERNETES:
        return kubernetes.forces_replacement(old, new)
    ignored = ("version", "__internal")
    identity = _IDENTITY.get(package)
    if identity is not None:
        return [key for key in identity if old.get(key) != new.get(key)]
    changed = [str(change.path[0]) for change in compare(old, new) if change.path and change.path[0] not in ignored]
    return list(dict.fromkeys(changed))


class Registry:
    def __init__(self, olds: Sequence[Resource], stopping: asyncio.Event) -> None:
        self._olds = {str(urns.ProviderRef(r.urn, r.id)): r for r in olds if r.is_provider}
        self._old_by_urn = {r.urn: r for r in olds if r.is_provider and not r.delete}
        self._registered: dict[str, Resource] = {}
        self._renamed: dict[str, str] = {}
        self._instances: dict[tuple[str, str], Provider] = {}
        self._clusters: dict[kubernetes.Settings, Cluster] = {}
        self._stopping = stopping

    def register(self, resource: Resource, former_urn: str = "") -> None:
        self._registered[resource.urn] = resource
        if former_urn:
            self._renamed[former_urn] = resource.urn

    def resource(self, ref: str) -> Resource:
        """The provider resource that a reference names. In a preview its id may be unknown still."""
        parsed = urns.parse_ref(ref)
        urn = self._renamed.get(parsed.urn, parsed.urn)
        registered = self._registered.get(urn)
        if registered is not None and (registered.id == parsed.id or parsed.id in ("", UNKNOWN)):
            return registered
        old = self._olds.get(ref)
        if old is not None:
            return old
        if registered is not None:
            return registered
        raise Unsupported(f"its provider {ref} is neither in the program nor in the state")

    def instance(self, ref: str, type: str) -> Provider:
        """What acts on resources of `type` of that provider."""
        if type == HELM_RELEASE:
            return PlannedProvider("Helm releases are made by the kubernetes plugin of the Pulumi CLI")
        resource = self.resource(ref)
        key = (resource.urn, resource.id)
        if key not in self._instances:
            self._instances[key] = self._make(resource)
        return self._instances[key]

    def check(self, package: str, inputs: Properties) -> None:
        """Raises Unsupported where a provider's configuration asks for what is not done here."""
        if package == KUBERNETES:
            kubernetes.settings_of(inputs)

    def changed(self, old_ref: str, new_ref: str) -> bool:
        """Whether a resource that goes from one provider to another must be made anew by the other."""
        if old_ref == new_ref or not old_ref:
            return False
        old, new = self.resource_before(old_ref), self.resource(new_ref)
        if old is None or (self._renamed.get(old.urn) == new.urn and old.id == new.id):
            return False
        if old.urn == new.urn and old.id == new.id:
            return False
        return bool(forcing_keys(urns.package(new.type), old.inputs, new.inputs))

    def resource_before(self, ref: str) -> Resource | None:
        return self._olds.get(ref) or self._old_by_urn.get(urns.parse_ref(ref).urn)

    def _make(self, resource: Resource) -> Provider:
        package = urns.package(resource.type)
        if package == "pulumi":
            raise Unsupported("stack references are not supported by this engine", cli_remedy("footplate up"))
        if package != KUBERNETES:
            return PlannedProvider(f"the {package} provider is a plugin of the Pulumi CLI")
        settings = kubernetes.settings_of(resource.inputs)
        if settings is None:
            return KubernetesProvider(None, self._stopping)
        cluster = self._clusters.setdefault(settings, Cluster(settings))
        return KubernetesProvider(cluster, self._stopping)

    async def close(self) -> None:
        await asyncio.gather(*(instance.close() for instance in self._instances.values()))
