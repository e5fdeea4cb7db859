"""From a stack's config to the Platform on its provider: what the Pulumi program does, and every program that reuses it."""

from __future__ import annotations

from typing import NamedTuple

import pulumi

from components.config import PlatformConfig
from components.platform import Keys, Platform
from providers import select
from providers.contract import Cluster, ClusterSpec, Site


class Assembled(NamedTuple):
    platform: Platform
    cluster: Cluster


def assemble(
    config: PlatformConfig, keys: Keys = (None, None), opts: pulumi.ResourceOptions | None = None
) -> Assembled:
    """`keys`: access and secret key of the object store, where pods need one. Resources without a parent get that of `opts`."""
    name = config.name or f"{pulumi.get_project()}-{pulumi.get_stack()}"
    provider = select(config.provider, Site(name, config.account, config.region, config.zones, config.labels))
    target = ClusterSpec("cluster", config.cluster, config.context, config.kubeconfig, config.kubernetes)
    cluster = provider.cluster(target, opts or pulumi.ResourceOptions())
    own = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(providers={"kubernetes": cluster.kubernetes}))
    return Assembled(Platform("platform", config, provider, target, keys, own), cluster)
