"""The Helm charts of the platform, each at one version, and how they are released.

A chart's custom resource definitions are a release of their own where their authors publish them so: Helm upgrades no
CRDs of `crds/` folders, and removing a chart must not remove what people made with its kinds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pulumi
import pulumi_kubernetes as kubernetes

from providers.contract import POOL_LABEL, SYSTEM_POOL, SYSTEM_TAINT


@dataclass(frozen=True)
class Chart:
    """`repository` empty: `chart` is an OCI reference. `crds`: the chart that has its kinds, and no more."""

    name: str
    chart: str
    version: str
    namespace: str
    repository: str = ""
    crds: Chart | None = None
    #: Its namespace's Pod Security level; what is not restricted says why.
    pod_security: str = "restricted"


_PROMETHEUS = "https://prometheus-community.github.io/helm-charts"

PROMETHEUS_CRDS = Chart(
    "prometheus-operator-crds",
    "prometheus-operator-crds",
    "31.0.1",
    "monitoring",
    _PROMETHEUS,
    pod_security="privileged",
)
PROMETHEUS = Chart(
    "kube-prometheus-stack",
    "kube-prometheus-stack",
    "88.5.3",
    "monitoring",
    _PROMETHEUS,
    crds=PROMETHEUS_CRDS,
    pod_security="privileged",  # the node exporter reads the host
)
#: Its hook upgrades its own CRDs (`operator.upgradeCRD`), and leaves them on removal.
GPU_OPERATOR = Chart(
    "gpu-operator",
    "gpu-operator",
    "v26.7.0",
    "gpu-operator",
    "https://helm.ngc.nvidia.com/nvidia",
    pod_security="privileged",  # drivers and device plugins
)
#: Its CRDs are templates of the chart, which Helm upgrades.
KUEUE = Chart("kueue", "oci://registry.k8s.io/kueue/charts/kueue", "0.19.2", "kueue-system")
KUBERAY = Chart(
    "kuberay-operator", "kuberay-operator", "1.7.0", "kuberay-system", "https://ray-project.github.io/kuberay-helm/"
)
EXTERNAL_DNS = Chart(
    "external-dns", "external-dns", "1.21.1", "external-dns", "https://kubernetes-sigs.github.io/external-dns/"
)

#: Puts a chart's pods on the system nodes.
ON_SYSTEM_NODES: dict[str, Any] = {
    "nodeSelector": {POOL_LABEL: SYSTEM_POOL},
    "tolerations": [{"key": SYSTEM_TAINT, "operator": "Exists", "effect": "NoSchedule"}],
}

#: Seconds that a release may take until its pods are ready.
TIMEOUT = 900


#: Pods, nodes, and control planes, which call webhooks. Source: RFC 1918, RFC 6598.
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")


def namespace(name: str, level: str, opts: pulumi.ResourceOptions) -> kubernetes.core.v1.Namespace:
    """Closed to all but private addresses; its pods reach whatever they look after."""
    made = kubernetes.core.v1.Namespace(
        name,
        metadata={
            "name": name,
            "labels": {
                "app.kubernetes.io/managed-by": "pulumi",
                "app.kubernetes.io/part-of": "footplate",
                "pod-security.kubernetes.io/enforce": level,
                "pod-security.kubernetes.io/warn": level,
            },
        },
        opts=opts,
    )
    rules: dict[str, Any] = {
        "default-deny": {"policyTypes": ["Ingress", "Egress"]},
        "allow-private": {
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"namespaceSelector": {}}, *({"ipBlock": {"cidr": cidr}} for cidr in PRIVATE)]}],
        },
        "allow-out": {"policyTypes": ["Egress"], "egress": [{}]},
    }
    for rule, spec in rules.items():
        kubernetes.networking.v1.NetworkPolicy(
            f"{name}-{rule}",
            metadata={"name": rule, "namespace": made.metadata["name"]},
            spec=cast(Any, {"podSelector": {}, **spec}),
            opts=opts,
        )
    return made


def release(
    chart: Chart,
    values: Mapping[str, Any],
    opts: pulumi.ResourceOptions,
    *,
    within: pulumi.Input[str] | None = None,
    after: Sequence[pulumi.Resource] = (),
) -> kubernetes.helm.v3.Release:
    """`within`: the namespace's name, from the resource that makes it. With the chart's CRDs before it, which stay."""
    where = within if within is not None else chart.namespace
    before = list(after)
    if chart.crds is not None:
        kept = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(retain_on_delete=True))
        before.append(_release(chart.crds, {}, where, kept, after))
    return _release(chart, values, where, opts, before, skip_crds=chart.crds is not None)


def _release(
    chart: Chart,
    values: Mapping[str, Any],
    where: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
    after: Sequence[pulumi.Resource],
    *,
    skip_crds: bool = False,
) -> kubernetes.helm.v3.Release:
    repository = kubernetes.helm.v3.RepositoryOptsArgs(repo=chart.repository) if chart.repository else None
    return kubernetes.helm.v3.Release(
        chart.name,
        name=chart.name,
        chart=chart.chart,
        version=chart.version,
        repository_opts=repository,
        namespace=where,
        create_namespace=False,
        values=dict(values),
        skip_crds=skip_crds,
        cleanup_on_fail=True,
        timeout=TIMEOUT,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=list(after))),
    )
