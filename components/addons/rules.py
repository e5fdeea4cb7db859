"""Prometheus rules: what the dashboards show, and what wakes somebody.

Metrics: DCGM exporter (DCGM_FI_*), kube-state-metrics (kube_*), Kueue (kueue_*), and TrainingJobs as
`components.addons.monitoring` has kube-state-metrics tell of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.config.schema import Observability
from footplate.api import duration

#: A GPU that is given to a pod. The exporter names the pod that has it.
_HELD = 'DCGM_FI_DEV_GPU_UTIL{exported_pod!=""}'
#: Below this percentage a GPU does nothing worth its price.
IDLE_PERCENT = 5


def groups(asked: Observability, prices: Mapping[str, float]) -> list[dict[str, Any]]:
    """`prices`: $ an hour of one node, by pool; without them there is no cost."""
    return [
        {"name": "footplate.gpus", "rules": _gpus(asked)},
        {"name": "footplate.queues", "rules": _queues(asked)},
        {"name": "footplate.jobs", "rules": _jobs()},
        {"name": "footplate.cost", "rules": _cost(prices)},
        {"name": "footplate.platform", "rules": _platform()},
    ]


def _record(name: str, expression: str, **labels: str) -> dict[str, Any]:
    return {"record": name, "expr": expression, **({"labels": labels} if labels else {})}


def _alert(name: str, expression: str, after: str, severity: str, summary: str, what_to_do: str) -> dict[str, Any]:
    return {
        "alert": name,
        "expr": expression,
        "for": after,
        "labels": {"severity": severity},
        "annotations": {"summary": summary, "description": what_to_do},
    }


def _gpus(asked: Observability) -> list[dict[str, Any]]:
    window = prometheus_duration(asked.idle_gpu_after)
    return [
        _record(
            "footplate:gpus:count",
            'sum by (label_footplate_dev_gpu_type) (kube_node_status_capacity{resource="nvidia_com_gpu"} '
            "* on (node) group_left (label_footplate_dev_gpu_type) kube_node_labels)",
        ),
        _record("footplate:gpu_utilisation:ratio", f"avg by (exported_namespace) ({_HELD}) / 100"),
        _record(
            "footplate:gpus_idle:count",
            f"count by (exported_namespace, exported_pod) (max_over_time({_HELD}[{window}]) < {IDLE_PERCENT})",
        ),
        _alert(
            "FootplateGpuIdle",
            "footplate:gpus_idle:count > 0",
            "5m",
            "warning",
            "{{ $value }} GPUs of {{ $labels.exported_namespace }}/{{ $labels.exported_pod }} have done nothing for "
            f"{asked.idle_gpu_after}",
            "Ask its owner, or let the workspace's idle timeout stop it: `footplate workspace list`.",
        ),
        _alert(
            "FootplateGpuErrors",
            "increase(DCGM_FI_DEV_XID_ERRORS[10m]) > 0",
            "0m",
            "critical",
            "GPU {{ $labels.gpu }} of {{ $labels.Hostname }} reported an Xid error",
            "Drain the node, and look the Xid up in NVIDIA's catalogue: `footplate doctor` lists suspect nodes.",
        ),
    ]


def _queues(asked: Observability) -> list[dict[str, Any]]:
    longest = int(duration.parse(asked.queue_wait_alert).total_seconds())
    return [
        _record("footplate:jobs_waiting:count", "sum by (cluster_queue) (kueue_pending_workloads)"),
        _record(
            "footplate:queue_wait:p90_seconds",
            "histogram_quantile(0.9, sum by (cluster_queue, le) (rate(kueue_admission_wait_time_seconds_bucket[1h])))",
        ),
        _alert(
            "FootplateQueueSlow",
            f"footplate:queue_wait:p90_seconds > {longest}",
            "15m",
            "warning",
            f"One job of ten in {{{{ $labels.cluster_queue }}}} waits longer than {asked.queue_wait_alert}",
            "Raise the team's quota or a pool's maxNodes, or let jobs take other capacity: `footplate job explain`.",
        ),
    ]


def _jobs() -> list[dict[str, Any]]:
    lost = "sum by (namespace) (footplate_job_lost_seconds)"
    productive = "sum by (namespace) (footplate_job_productive_seconds)"
    return [
        _record("footplate:goodput:ratio", f"{productive} / ({productive} + {lost})"),
        _record("footplate:lost:seconds", "sum by (namespace, reason) (footplate_job_lost_seconds)"),
        _alert(
            "FootplateGoodputLow",
            "footplate:goodput:ratio < 0.8",
            "1h",
            "warning",
            "A fifth of the GPU time of {{ $labels.namespace }} is lost",
            "See what it is lost to (footplate:lost:seconds by reason): checkpoint more often, or look at the nodes.",
        ),
    ]


def _cost(prices: Mapping[str, float]) -> list[dict[str, Any]]:
    """The price is known for a pool's first step of capacity: spot and reservations cost less, so this is the most."""
    rules = [
        _record("footplate:node_price:dollars_per_hour", f"vector({price:.4f})", label_footplate_dev_pool=pool)
        for pool, price in sorted(prices.items())
    ]
    if rules:
        rules.append(
            _record(
                "footplate:cost:dollars_per_hour",
                'count by (label_footplate_dev_pool) (kube_node_labels{label_footplate_dev_pool!=""}) '
                "* on (label_footplate_dev_pool) group_left () footplate:node_price:dollars_per_hour",
            )
        )
    return rules


def _platform() -> list[dict[str, Any]]:
    return [
        _alert(
            "FootplateControllersDown",
            'absent(leader_election_master_status{name="footplate-controllers"} == 1)',
            "10m",
            "critical",
            "No controller leads: workspaces and jobs are not looked after",
            "Look at the pods: `kubectl -n footplate-system get pods`.",
        ),
        _alert(
            "FootplateReconcilesFail",
            "rate(controller_runtime_reconcile_errors_total[15m]) > 0.1",
            "15m",
            "warning",
            "The {{ $labels.controller }} controller fails again and again",
            "Its log says why: `kubectl -n footplate-system logs deploy/footplate-controllers`.",
        ),
    ]


def prometheus_duration(text: str) -> str:
    """Prometheus takes no mixed order, so in seconds."""
    return f"{int(duration.parse(text).total_seconds())}s"
