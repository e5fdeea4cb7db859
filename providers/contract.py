"""What the components ask of a provider: one typed spec in, one typed result out, the same for each cloud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pulumi
import pulumi_kubernetes as kubernetes


@dataclass(frozen=True)
class ClusterSpec:
    """`name`: of the cluster resource in the program. The rest says which existing cluster is meant; empty: the provider's choice."""

    name: str
    embedded: str = "default"
    context: str = ""
    kubeconfig: str = ""


@dataclass(frozen=True)
class Cluster:
    kubernetes: kubernetes.Provider


@dataclass(frozen=True)
class ObjectStoreSpec:
    """`uri`, `endpoint` and `region` as configured; without `uri` the provider's own store, of `size` where that counts."""

    cluster: ClusterSpec
    teams: Sequence[str]
    uri: str = ""
    endpoint: str = ""
    region: str = "us-east-1"
    size: str = "100Gi"
    image: str = ""
    access_key: pulumi.Output[str] | None = None
    secret_key: pulumi.Output[str] | None = None


@dataclass(frozen=True)
class ObjectStore:
    """`credentials`: environment variables that pods need to reach it; none where their identity suffices."""

    state_uri: str
    team_uris: Mapping[str, str]
    endpoint: str = ""
    region: str = "us-east-1"
    credentials: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])


@dataclass(frozen=True)
class RegistrySpec:
    """`platform_image` as configured (empty: the standard one); `prefix` is put before the standard images' names."""

    environments: Sequence[str]
    platform_image: str = ""
    prefix: str = ""


@dataclass(frozen=True)
class StandardImage:
    reference: str
    display_name: str
    description: str
    gpu: bool = False
    packages: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Registry:
    platform_image: str
    environments: Mapping[str, StandardImage]


class Provider(Protocol):
    """What cannot be had raises `ProviderError`, at preview."""

    def cluster(self, spec: ClusterSpec, opts: pulumi.ResourceOptions) -> Cluster: ...

    def object_store(self, spec: ObjectStoreSpec, opts: pulumi.ResourceOptions) -> ObjectStore: ...

    def registry(self, spec: RegistrySpec) -> Registry: ...


class ProviderError(pulumi.RunError):
    """The message names the config key and what to do."""
