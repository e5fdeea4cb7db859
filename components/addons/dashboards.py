"""Grafana dashboards: what a platform engineer and a team look at. Each panel is one query of `rules` or its metrics."""

from __future__ import annotations

from typing import Any

_SOURCE = {"type": "prometheus", "uid": "prometheus"}
_WIDTH, _HEIGHT, _ACROSS = 12, 8, 2


def _panel(title: str, expression: str, legend: str, unit: str, index: int) -> dict[str, Any]:
    return {
        "id": index + 1,
        "title": title,
        "type": "timeseries",
        "datasource": _SOURCE,
        "gridPos": {
            "h": _HEIGHT,
            "w": _WIDTH,
            "x": index % _ACROSS * _WIDTH,
            "y": index // _ACROSS * _HEIGHT,
        },
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [{"refId": "A", "datasource": _SOURCE, "expr": expression, "legendFormat": legend}],
    }


def _dashboard(name: str, title: str, *panels: tuple[str, str, str, str]) -> dict[str, Any]:
    return {
        "uid": f"footplate-{name}",
        "title": title,
        "tags": ["footplate"],
        "schemaVersion": 41,
        "editable": False,
        "time": {"from": "now-24h", "to": "now"},
        "refresh": "1m",
        "panels": [_panel(*panel, index) for index, panel in enumerate(panels)],
    }


#: Units: Grafana's own ids (percentunit, s, currencyUSD, short).
ALL: dict[str, dict[str, Any]] = {
    "gpus": _dashboard(
        "gpus",
        "Footplate: GPUs",
        ("GPUs by type", "footplate:gpus:count", "{{label_footplate_dev_gpu_type}}", "short"),
        ("Utilisation by team", "footplate:gpu_utilisation:ratio", "{{exported_namespace}}", "percentunit"),
        (
            "GPUs that do nothing",
            "sum by (exported_namespace) (footplate:gpus_idle:count)",
            "{{exported_namespace}}",
            "short",
        ),
        (
            "Memory in use by team",
            "sum by (exported_namespace) (DCGM_FI_DEV_FB_USED) * 1024 * 1024",
            "{{exported_namespace}}",
            "bytes",
        ),
        ("Temperature, hottest", "max by (Hostname) (DCGM_FI_DEV_GPU_TEMP)", "{{Hostname}}", "celsius"),
        ("Xid errors", "increase(DCGM_FI_DEV_XID_ERRORS[1h])", "{{Hostname}} GPU {{gpu}}", "short"),
    ),
    "queues": _dashboard(
        "queues",
        "Footplate: queues",
        ("Jobs that wait", "footplate:jobs_waiting:count", "{{cluster_queue}}", "short"),
        ("Wait of one job of ten, at least", "footplate:queue_wait:p90_seconds", "{{cluster_queue}}", "s"),
        (
            "Use of quota",
            'sum by (cluster_queue, resource) (kueue_cluster_queue_resource_usage{resource=~"nvidia.*"}) / '
            'sum by (cluster_queue, resource) (kueue_cluster_queue_nominal_quota{resource=~"nvidia.*"} > 0)',
            "{{cluster_queue}} {{resource}}",
            "percentunit",
        ),
        (
            "Jobs that gave way",
            "increase(kueue_preempted_workloads_total[1h])",
            "{{preempting_cluster_queue}}",
            "short",
        ),
    ),
    "goodput": _dashboard(
        "goodput",
        "Footplate: goodput",
        ("Goodput by team", "footplate:goodput:ratio", "{{namespace}}", "percentunit"),
        ("Lost, by cause", "footplate:lost:seconds", "{{namespace}} {{reason}}", "s"),
        ("Productive time", "sum by (namespace) (footplate_job_productive_seconds)", "{{namespace}}", "s"),
    ),
    "cost": _dashboard(
        "cost",
        "Footplate: cost",
        ("$ an hour by pool", "footplate:cost:dollars_per_hour", "{{label_footplate_dev_pool}}", "currencyUSD"),
        ("$ an hour, all nodes", "sum(footplate:cost:dollars_per_hour)", "all", "currencyUSD"),
        (
            "$ an hour of GPUs that do nothing",
            "sum(footplate:cost:dollars_per_hour) * sum(footplate:gpus_idle:count) / sum(footplate:gpus:count)",
            "idle",
            "currencyUSD",
        ),
        (
            "$ of the last 30 days",
            "sum(avg_over_time(footplate:cost:dollars_per_hour[30d])) * 720",
            "all",
            "currencyUSD",
        ),
    ),
}
