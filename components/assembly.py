"""From a stack's config to the Platform on its provider: what the Pulumi program does, and every program that reuses it."""

from __future__ import annotations

from typing import NamedTuple

import pulumi

from components.addons import Addons
from components.config import PlatformConfig
from components.foundation import Foundation, lay
from components.platform import Keys, Platform
from components.pool_prices import node_prices
from providers import select
from providers.contract import Site


class Assembled(NamedTuple):
    platform: Platform
    foundation: Foundation


def assemble(
    config: PlatformConfig, keys: Keys = (None, None), opts: pulumi.ResourceOptions | None = None
) -> Assembled:
    """`keys`: access and secret key of the object store, where pods need one. Resources without a parent get that of `opts`."""
    name = config.name or f"{pulumi.get_project()}-{pulumi.get_stack()}"
    provider = select(config.provider, Site(name, config.account, config.region, config.zones, config.labels))
    foundation = lay(config, provider, opts or pulumi.ResourceOptions())
    own = pulumi.ResourceOptions.merge(
        opts, pulumi.ResourceOptions(providers={"kubernetes": foundation.cluster.kubernetes})
    )
    platform = Platform("platform", config, provider, foundation, keys, own)
    if config.provider != "local" or config.addons is not None:
        Addons("addons", config, foundation, platform.teams, node_prices(config, foundation), own)
    return Assembled(platform, foundation)
