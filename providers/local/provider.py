"""The provider `local`: nothing is created but objects in the cluster."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import pulumi

from footplate.client.target import EMBEDDED_CONTEXT_PREFIX, Target, data_directory, embedded_name, resolve
from footplate.images import catalogue, index
from providers.contract import (
    Cluster,
    ClusterSpec,
    GpuPool,
    GpuPoolSpec,
    Ingress,
    IngressSpec,
    Network,
    NetworkSpec,
    ObjectStore,
    ObjectStoreSpec,
    OffloadTarget,
    OffloadTargetSpec,
    ProviderError,
    Registry,
    RegistrySpec,
    SharedFilesystem,
    SharedFilesystemSpec,
    Site,
    WorkloadIdentity,
    WorkloadIdentitySpec,
)
from providers.kubernetes_provider import kubernetes_provider
from providers.local.in_cluster_store import BUCKET, ENDPOINT, REGION, InClusterStore, InClusterStoreArgs
from providers.standard_images import Contents, offered


class EmbeddedStore(msgspec.Struct, frozen=True, rename="camel"):
    """What the embedded cluster writes of its S3 endpoint: ``clusters/<name>/object-store.json``."""

    endpoint: str
    region: str
    access_key: str
    secret_key: str
    bucket: str


class LocalProvider:
    def __init__(self, site: Site, environ: Mapping[str, str] = os.environ) -> None:
        for key in ("account", "region", "zones"):
            if getattr(site, key):
                raise ProviderError(f"footplate:{key}: a local cluster is where it is: remove the key")
        self._environ = environ

    def network(self, spec: NetworkSpec, opts: pulumi.ResourceOptions) -> Network:
        if spec.asked is not None:
            raise ProviderError("footplate:network: a local cluster has its machine's network: remove the key")
        return Network()

    def cluster(self, spec: ClusterSpec, opts: pulumi.ResourceOptions) -> Cluster:
        if spec.asked is not None:
            raise ProviderError(
                "footplate:kubernetes: a local cluster is there already, and is not made by the stack: remove the key "
                "(`footplate cluster start` has options of its own)"
            )
        chosen = self._target(spec)
        kubeconfig = str(chosen.kubeconfig) if chosen.kubeconfig else None
        # An embedded cluster is the same one however it was named.
        name = embedded_name(chosen, self._environ)
        context = chosen.context or (f"{EMBEDDED_CONTEXT_PREFIX}{name}" if name else None)
        return Cluster(kubernetes_provider(spec.name, opts, kubeconfig=kubeconfig, context=context))

    def _target(self, spec: ClusterSpec) -> Target:
        asked = Target(Path(spec.kubeconfig).expanduser() if spec.kubeconfig else None, spec.context or None)
        return resolve(asked, self._environ, embedded=spec.embedded)

    def gpu_pool(self, spec: GpuPoolSpec, opts: pulumi.ResourceOptions) -> GpuPool:
        raise ProviderError(
            f"{spec.path}: a local cluster's nodes are there already: remove the pool "
            f"(`footplate cluster start --gpu {spec.pool.gpu}:{spec.pool.count}` simulates its GPUs)"
        )

    def object_store(self, spec: ObjectStoreSpec, opts: pulumi.ResourceOptions) -> ObjectStore:
        if spec.asked is not None:
            raise ProviderError(
                "footplate:storage: a local cluster has the embedded store or one of yours: remove the key, and name "
                "yours with footplate:objectStore"
            )
        if spec.uri:
            return ObjectStore(
                state_uri=f"{spec.uri.rstrip('/')}/state",
                team_uris=_team_uris(spec.uri, spec.teams),
                endpoint=spec.endpoint,
                region=spec.region,
                credentials=_credentials(spec.access_key, spec.secret_key),
            )
        chosen = self._target(spec.cluster)
        if name := embedded_name(chosen, self._environ):
            return _embedded_store(data_directory(self._environ) / "clusters" / name / "object-store.json", name, spec)
        if chosen == Target() and not self._environ.get("KUBECONFIG"):
            raise ProviderError(
                f"there is no embedded cluster {spec.cluster.embedded!r}, and no other is named: start one "
                "(`footplate cluster start`), or set footplate:context or footplate:kubeconfig"
            )
        return _in_cluster_store(spec, opts)

    def shared_filesystem(self, spec: SharedFilesystemSpec, opts: pulumi.ResourceOptions) -> SharedFilesystem:
        for key, asked in (("sharedFilesystem", spec.shared), ("scratch", spec.scratch)):
            if asked is not None:
                raise ProviderError(f"footplate:{key}: a local cluster offers the volumes that it has: remove the key")
        return SharedFilesystem()

    def workload_identity(self, spec: WorkloadIdentitySpec, opts: pulumi.ResourceOptions) -> WorkloadIdentity:
        """Its pods reach the object store with the keys of `ObjectStore.credentials`."""
        return WorkloadIdentity()

    def offload_target(self, spec: OffloadTargetSpec, opts: pulumi.ResourceOptions) -> OffloadTarget:
        raise ProviderError(
            "footplate:offload.enabled: a local cluster has no training service beside it: set it to false"
        )

    def ingress(self, spec: IngressSpec, opts: pulumi.ResourceOptions) -> Ingress:
        raise ProviderError(
            "footplate:ingress: a local cluster has no names of its own: remove the key "
            "(`footplate workspace open` reaches a workspace without)"
        )

    def registry(self, spec: RegistrySpec, opts: pulumi.ResourceOptions) -> Registry:
        built = index.read(index.cache_directory(self._environ))

        def reference(name: str) -> str:
            if name not in built:
                raise ProviderError(f"image {name!r} has not been built here: run `footplate images build {name}`")
            own, prefix = built[name].reference, spec.prefix.rstrip("/")
            # By digest where it was pushed from here; by its content's tag where somebody else did.
            return built[name].pushed.get(prefix) or f"{prefix}/{own.rsplit('/', 1)[1]}" if prefix else own

        def contents(image: catalogue.Image) -> Contents:
            return Contents(built[image.name].gpu, built[image.name].packages)

        return offered(spec, reference, contents)


def _embedded_store(path: Path, name: str, spec: ObjectStoreSpec) -> ObjectStore:
    try:
        store = msgspec.json.decode(path.read_bytes(), type=EmbeddedStore)
    except FileNotFoundError:
        raise ProviderError(
            f"the embedded cluster {name!r} has no object store (its profile is api): "
            "set footplate:objectStore {uri, endpoint, region}"
        ) from None
    return ObjectStore(
        state_uri=f"s3://{store.bucket}/state",
        team_uris=_team_uris(f"s3://{store.bucket}", spec.teams),
        endpoint=store.endpoint,
        region=store.region,
        credentials=_credentials(store.access_key, store.secret_key),
    )


def _in_cluster_store(spec: ObjectStoreSpec, opts: pulumi.ResourceOptions) -> ObjectStore:
    if spec.access_key is None or spec.secret_key is None:
        raise ProviderError(
            "this cluster brings no object store, so one is made in it: set the keys that it shall have "
            "(pulumi config set --secret footplate:objectStoreAccessKey …, and footplate:objectStoreSecretKey), "
            "or name a store of yours with footplate:objectStore {uri, endpoint, region}"
        )
    args = InClusterStoreArgs(spec.image, spec.size, spec.access_key, spec.secret_key)
    InClusterStore("object-store", args, opts)
    return ObjectStore(
        state_uri=f"s3://{BUCKET}/state",
        team_uris=_team_uris(f"s3://{BUCKET}", spec.teams),
        endpoint=ENDPOINT,
        region=REGION,
        credentials=_credentials(spec.access_key, spec.secret_key),
    )


def _team_uris(base: str, teams: Sequence[str]) -> dict[str, str]:
    return {team: f"{base.rstrip('/')}/teams/{team}" for team in teams}


def _credentials(
    access_key: pulumi.Input[str] | None, secret_key: pulumi.Input[str] | None
) -> dict[str, pulumi.Input[str]]:
    if access_key is None or secret_key is None:
        return {}
    return {
        "AWS_ACCESS_KEY_ID": pulumi.Output.secret(access_key),
        "AWS_SECRET_ACCESS_KEY": pulumi.Output.secret(secret_key),
    }
