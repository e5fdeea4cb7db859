"""Prometheus, Alertmanager and Grafana, with the platform's rules and dashboards."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.addons import dashboards, rules
from components.config import PlatformConfig
from components.foundation import Foundation
from components.objects import standard_labels
from footplate.api import labels
from footplate.api.gpu_types import TYPE_LABEL
from footplate.api.meta import GROUP, VERSION
from providers import charts
from providers.contract import POOL_LABEL

#: Grafana's sidecar loads ConfigMaps with this label. Source: kube-prometheus-stack values, grafana.sidecar.dashboards.
DASHBOARD_LABEL = "grafana_dashboard"

#: What kube-state-metrics tells of TrainingJobs. Source: its docs, "Custom Resource State Metrics".
JOB_METRICS = {
    "footplate_job_productive_seconds": ["status", "goodput", "productiveSeconds"],
    "footplate_job_nodes": ["spec", "nodes"],
}


class Monitoring(pulumi.ComponentResource):
    def __init__(
        self,
        name: str,
        config: PlatformConfig,
        foundation: Foundation,
        prices: Mapping[str, float],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("footplate:index:Monitoring", name, None, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        chart = charts.PROMETHEUS
        namespace = charts.namespace(chart.namespace, chart.pod_security, self._child)
        within = namespace.metadata["name"]
        self.release = charts.release(
            chart, _values(config, foundation), self._child, within=within, after=foundation.cluster.ready
        )
        self._rules(config, prices, within)
        self._dashboards(within)
        self._controllers(within)
        self.register_outputs({})

    def _metadata(self, name: str, namespace: pulumi.Input[str], **more: str) -> Any:
        return {"name": name, "namespace": namespace, "labels": {**standard_labels("monitoring"), **more}}

    def _rules(self, config: PlatformConfig, prices: Mapping[str, float], namespace: pulumi.Input[str]) -> None:
        kubernetes.apiextensions.CustomResource(
            "rules",
            api_version="monitoring.coreos.com/v1",
            kind="PrometheusRule",
            metadata=self._metadata("footplate", namespace),
            spec={"groups": rules.groups(config.observability, prices)},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self.release]),
        )

    def _dashboards(self, namespace: pulumi.Input[str]) -> None:
        for name, dashboard in dashboards.ALL.items():
            kubernetes.core.v1.ConfigMap(
                f"dashboard-{name}",
                metadata=self._metadata(f"footplate-{name}", namespace, **{DASHBOARD_LABEL: "1"}),
                data={f"footplate-{name}.json": json.dumps(dashboard, indent=1)},
                opts=self._child,
            )

    def _controllers(self, namespace: pulumi.Input[str]) -> None:
        kubernetes.apiextensions.CustomResource(
            "controllers",
            api_version="monitoring.coreos.com/v1",
            kind="ServiceMonitor",
            metadata=self._metadata("footplate-controllers", namespace),
            spec={
                "namespaceSelector": {"matchNames": [labels.SYSTEM_NAMESPACE]},
                "selector": {"matchLabels": {labels.NAME: "footplate", labels.COMPONENT: "controllers"}},
                "endpoints": [{"port": "http", "path": "/metrics", "interval": "30s"}],
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self.release]),
        )


def _values(config: PlatformConfig, foundation: Foundation) -> dict[str, Any]:
    asked, placed = config.observability, charts.ON_SYSTEM_NODES
    storage = {
        "volumeClaimTemplate": {
            "spec": {
                **({"storageClassName": foundation.cluster.home_class} if foundation.cluster.home_class else {}),
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": asked.storage}},
            }
        }
    }
    everywhere = {
        f"{kind}SelectorNilUsesHelmValues": False for kind in ("rule", "serviceMonitor", "podMonitor", "probe")
    }
    return {
        "crds": {"enabled": False},
        "prometheus": {
            "prometheusSpec": {
                **placed,
                **everywhere,
                "retention": f"{asked.retention}d",
                "storageSpec": storage,
                "externalLabels": {"cluster": foundation.cluster.name},
            }
        },
        "alertmanager": {"alertmanagerSpec": dict(placed)},
        "grafana": {
            **placed,
            # Who reaches it has come through the API server: it shows, and nobody logs in to change.
            "grafana.ini": {
                "auth": {"disable_login_form": True},
                "auth.anonymous": {"enabled": True, "org_role": "Viewer"},
                "security": {"disable_initial_admin_creation": True},
            },
            "sidecar": {"dashboards": {"enabled": True, "label": DASHBOARD_LABEL, "searchNamespace": "ALL"}},
        },
        "prometheusOperator": {
            **placed,
            "admissionWebhooks": {"patch": dict(placed)},
        },
        "kube-state-metrics": {
            **placed,
            "metricLabelsAllowlist": [
                f"nodes=[{POOL_LABEL},{TYPE_LABEL},topology.kubernetes.io/zone]",
                f"pods=[{labels.TEAM},{labels.JOB},{labels.WORKSPACE},{labels.OWNER}]",
                f"namespaces=[{labels.TEAM}]",
            ],
            "customResourceState": {"enabled": True, "config": _job_metrics()},
            "rbac": {"extraRules": [{"apiGroups": [GROUP], "resources": ["trainingjobs"], "verbs": ["list", "watch"]}]},
        },
        # The clouds run these out of sight.
        "kubeControllerManager": {"enabled": False},
        "kubeEtcd": {"enabled": False},
        "kubeScheduler": {"enabled": False},
    }


def _job_metrics() -> dict[str, Any]:
    named = {"name": ["metadata", "name"], "namespace": ["metadata", "namespace"]}
    metrics: list[dict[str, Any]] = [
        {"name": name, "help": name, "each": {"type": "Gauge", "gauge": {"path": path, "nilIsZero": True}}}
        for name, path in JOB_METRICS.items()
    ]
    metrics.append(
        {
            "name": "footplate_job_lost_seconds",
            "help": "footplate_job_lost_seconds",
            "each": {
                "type": "Gauge",
                "gauge": {"path": ["status", "goodput", "lostSeconds"], "labelFromKey": "reason", "nilIsZero": True},
            },
        }
    )
    kind = {"group": GROUP, "version": VERSION, "kind": "TrainingJob"}
    resource = {"groupVersionKind": kind, "metricNamePrefix": "", "labelsFromPath": named, "metrics": metrics}
    return {"kind": "CustomResourceStateMetrics", "spec": {"resources": [resource]}}
