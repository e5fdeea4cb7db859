"""The charts that a stack asks for, and those that its GPU pools need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from components.addons.gpu_sharing import plugin_config
from components.addons.monitoring import Monitoring
from components.addons.queues import Queues
from components.config import PlatformConfig
from components.config.schema import Addons as Asked
from components.foundation import Foundation
from providers import charts
from providers.charts import Chart


def asked(config: PlatformConfig) -> Asked:
    """A cluster that is there already gets what is named; one of ours gets all that belongs to it."""
    if config.addons is not None:
        return config.addons
    return Asked(kueue=False, monitoring=False) if config.provider == "local" else Asked()


class Addons(pulumi.ComponentResource):
    """`after`: what the queues wait for, such as the teams' namespaces. `prices`: $ an hour of one node, by pool."""

    def __init__(
        self,
        name: str,
        config: PlatformConfig,
        foundation: Foundation,
        teams: Mapping[str, pulumi.Output[str]],
        prices: Mapping[str, float],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("footplate:index:Addons", name, None, opts)
        self._foundation = foundation
        self._child = pulumi.ResourceOptions(parent=self)
        wanted = asked(config)
        monitoring = Monitoring("monitoring", config, foundation, prices, self._child) if wanted.monitoring else None
        metrics: list[pulumi.Resource] = [monitoring.release] if monitoring is not None else []
        if config.gpu_pools:
            self._chart(
                charts.GPU_OPERATOR,
                {
                    "operator": {"upgradeCRD": True, "cleanupCRD": False, **charts.ON_SYSTEM_NODES},
                    "node-feature-discovery": {"master": charts.ON_SYSTEM_NODES, "gc": charts.ON_SYSTEM_NODES},
                    "mig": {"strategy": "mixed"},
                    "devicePlugin": {"config": plugin_config(config.gpu_pools)},
                    "dcgmExporter": {"serviceMonitor": {"enabled": monitoring is not None}},
                },
                metrics,
            )
        if wanted.kueue:
            kueue = self._chart(
                charts.KUEUE,
                {
                    "controllerManager": {"replicas": 2, **charts.ON_SYSTEM_NODES},
                    "enablePrometheus": monitoring is not None,
                },
                metrics,
            )
            Queues("queues", config, foundation.pools, teams, [kueue] if kueue else [], self._child)
        if wanted.kube_ray:
            self._chart(charts.KUBERAY, dict(charts.ON_SYSTEM_NODES), [])
        self.register_outputs({})

    def _chart(self, chart: Chart, values: dict[str, Any], after: list[pulumi.Resource]) -> pulumi.Resource | None:
        """None where the cloud has it already."""
        cluster = self._foundation.cluster
        if chart.name in cluster.brings:
            return None
        namespace = charts.namespace(chart.namespace, chart.pod_security, self._child)
        return charts.release(
            chart,
            _merged(values, cluster.values.get(chart.name, {})),
            self._child,
            within=namespace.metadata["name"],
            after=[*cluster.ready, *after],
        )


def _merged(values: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(values)
    for key, value in more.items():
        old = found.get(key)
        found[key] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value  # pyright: ignore[reportUnknownArgumentType]
    return found
