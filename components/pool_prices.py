"""What one node of each pool costs an hour, for the dashboards."""

from __future__ import annotations

from components.config import PlatformConfig
from components.foundation import Foundation
from footplate.costs.prices import Market, load


def node_prices(config: PlatformConfig, foundation: Foundation) -> dict[str, float]:
    """On-demand prices of the packaged table, by pool; those that it does not have are left out."""
    table = load()
    found = {
        group.name: table.find(config.provider, config.region, group.machine, Market.ON_DEMAND)
        for group in foundation.groups
    }
    return {name: price.hourly for name, price in found.items() if price is not None}
