"""The whole platform: one component, the same for every provider."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes

from components.admission import Admission
from components.config import PlatformConfig, Quota
from components.controllers import Controllers, ControllersArgs
from components.custom_resources import CustomResources
from components.environments import Environments
from components.foundation import Foundation
from components.objects import RESTRICTED, standard_labels
from components.priorities import Priorities
from components.roles import Roles
from components.settings import Settings
from components.team import Team, TeamArgs
from components.workloads import Workloads
from footplate.api import labels
from footplate.api import platform as settings
from footplate.api.environment import EnvironmentSpec
from footplate.version import VERSION
from providers.contract import (
    GPU_TAINT,
    ObjectStore,
    ObjectStoreSpec,
    Provider,
    Registry,
    RegistrySpec,
    SharedFilesystemSpec,
)

#: What jobs leave behind, in a store that does not remove it by rules of its own.
RECORDS_KEPT = "90d"
#: Access and secret key of an object store.
Keys = tuple[pulumi.Output[str] | None, pulumi.Output[str] | None]


class Platform(pulumi.ComponentResource):
    """Outputs: `version`, `namespace`, `teams` (name → namespace), `environments`, `object_store` (URIs)."""

    def __init__(
        self,
        name: str,
        config: PlatformConfig,
        provider: Provider,
        foundation: Foundation,
        keys: Keys = (None, None),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`keys`: as configured; None where the provider knows better."""
        super().__init__("footplate:index:Platform", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        store = provider.object_store(_store_spec(config, foundation, keys), child)
        registry = provider.registry(
            RegistrySpec(config.standard_environments, config.platform_image, config.image_registry), child
        )
        self._filesystems(config, provider, foundation, store, child)
        workloads = Workloads(config, provider, foundation, store, child)
        namespace = self._namespace()
        self.definitions = CustomResources("custom-resources", child).definitions
        Roles("roles", child)
        Priorities("priorities", child)
        described = _settings(config, foundation, store, registry)
        written = Settings("settings", namespace.metadata["name"], described, child)
        Admission("admission", described, self.definitions, child)
        self.teams = {
            team.name: Team(
                TeamArgs(
                    team.name,
                    team.members,
                    amounts(team.quota),
                    store.credentials,
                    workloads.annotations(team.name),
                    workloads.home_annotations(team.name),
                    foundation.cluster.metadata_identity,
                    team.admins,
                ),
                child,
            ).namespace
            for team in config.teams
        }
        self.environments = _catalogue(config, registry)
        Environments("environments", self.environments, self.definitions, child)
        Controllers(
            "controllers",
            ControllersArgs(
                namespace.metadata["name"],
                registry.platform_image,
                config.controllers.replicas,
                config.controllers.cpu,
                config.controllers.memory,
                system_nodes=bool(foundation.groups),
                after=(*self.definitions, written),
            ),
            child,
        )
        self.version = VERSION
        self.namespace = namespace.metadata["name"]
        self.object_store = {"state": store.state_uri, **store.team_uris}
        self.register_outputs({"version": VERSION, "namespace": self.namespace, "teams": self.teams})

    def _filesystems(
        self,
        config: PlatformConfig,
        provider: Provider,
        foundation: Foundation,
        store: ObjectStore,
        opts: pulumi.ResourceOptions,
    ) -> None:
        asked = SharedFilesystemSpec(
            foundation.cluster,
            foundation.network,
            store,
            [team.name for team in config.teams],
            config.shared_filesystem,
            config.scratch,
        )
        provider.shared_filesystem(asked, opts)

    def _namespace(self) -> kubernetes.core.v1.Namespace:
        return kubernetes.core.v1.Namespace(
            labels.SYSTEM_NAMESPACE,
            metadata={"name": labels.SYSTEM_NAMESPACE, "labels": {**standard_labels("system"), **RESTRICTED}},
            opts=pulumi.ResourceOptions(parent=self),
        )


def _store_spec(config: PlatformConfig, foundation: Foundation, keys: Keys) -> ObjectStoreSpec:
    store = config.object_store
    teams = [team.name for team in config.teams]
    return ObjectStoreSpec(
        foundation.target,
        teams,
        store.uri,
        store.endpoint,
        store.region,
        store.size,
        store.image,
        *keys,
        config.storage,
    )


def _settings(
    config: PlatformConfig, foundation: Foundation, store: ObjectStore, registry: Registry
) -> settings.Platform:
    return settings.Platform(
        version=VERSION,
        platform_image=registry.platform_image,
        state_uri=store.state_uri,
        teams=tuple(settings.Team(team.name, store.team_uris[team.name], team.idle) for team in config.teams),
        object_store=settings.ObjectStore(
            endpoint=store.endpoint,
            region=store.region,
            secret_name=settings.OBJECT_STORE_SECRET if store.credentials else "",
            keep_records=None if store.expires else RECORDS_KEPT,
        ),
        queueing=config.queueing,
        allowed_images=config.allowed_images,
        maximum=config.maximum,
        idle=config.idle,
        homes=config.homes,
        autoscaled_gpus=_autoscaled(foundation),
        gpu_shares=foundation.cluster.gpu_shares,
        gpu_taints=_tolerated(config, foundation),
        fabrics=tuple(pool.fabric for pool in foundation.pools if pool.fabric),
    )


def _autoscaled(foundation: Foundation) -> dict[str, int]:
    """GPU type → GPUs of the largest node that a pool can add."""
    found: dict[str, int] = {}
    for pool in foundation.pools:
        found[pool.group.gpu] = max(found.get(pool.group.gpu, 0), pool.group.gpus)
    return found


def _tolerated(config: PlatformConfig, foundation: Foundation) -> tuple[str, ...]:
    """Taints that the cloud wants on nodes with GPUs; those that the config adds are to keep pods off."""
    asked = {taint.key for pool in config.gpu_pools for taint in pool.taints}
    found = {taint.key for pool in foundation.pools for taint in pool.taints}
    return tuple(sorted(found - asked - {GPU_TAINT}))


def amounts(quota: Quota) -> dict[str, str]:
    given = {
        "cpu": quota.cpu,
        "memory": quota.memory,
        "gpu": quota.gpu,
        "storage": quota.storage,
        "pods": quota.pods,
    }
    return {name: str(amount) for name, amount in given.items() if amount is not None}


def _catalogue(config: PlatformConfig, registry: Registry) -> dict[str, EnvironmentSpec]:
    """The standard environments, then the stack's own; one of the same name takes its place."""
    standard = {
        name: EnvironmentSpec(image.reference, image.display_name, image.description, image.gpu, dict(image.packages))
        for name, image in registry.environments.items()
    }
    own = {
        environment.name: EnvironmentSpec(
            environment.image, environment.display_name, environment.description, environment.gpu, environment.packages
        )
        for environment in config.environments
    }
    return standard | own
