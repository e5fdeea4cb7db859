"""Queues from quotas, rules and dashboards: what the charts are given."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from components.addons import dashboards, rules
from components.addons.addons import asked
from components.addons.queues import resource_groups
from components.config.schema import Addons, Observability, PlatformConfig, Quota, Team
from footplate.api.trainingjob import Goodput
from providers.contract import GpuPool, NodeGroup

H100 = GpuPool(NodeGroup("h100", "m", 0, 4, gpu="H100", gpus=8), {}, ())
MORE = GpuPool(NodeGroup("more", "m", 0, 2, gpu="H100", gpus=8), {}, ())
SHARED = GpuPool(NodeGroup("shared", "m", 0, 3, gpu="A10G", gpus=1), {}, (), "nvidia.com/gpu.shared", 4)


def nominal(team: Team, *pools: GpuPool) -> dict[str, dict[str, str]]:
    """Flavor → GPUs of it that are the team's."""
    (group,) = resource_groups(team, pools)
    return {
        flavor["name"]: {r["name"]: r["nominalQuota"] for r in flavor["resources"] if r["name"].startswith("nvidia")}
        for flavor in group["flavors"]
    }


def test_a_team_without_quota_may_use_all_of_every_pool() -> None:
    assert nominal(Team("a"), H100, SHARED) == {
        "cpu": {"nvidia.com/gpu": "0", "nvidia.com/gpu.shared": "0"},
        "h100": {"nvidia.com/gpu": "32", "nvidia.com/gpu.shared": "0"},
        "shared": {"nvidia.com/gpu": "0", "nvidia.com/gpu.shared": "12"},
    }


def test_a_teams_gpus_of_a_type_are_shared_out_over_the_pools_that_have_it() -> None:
    team = Team("a", quota=Quota(gpu_types={"H100": 40}))
    found = nominal(team, H100, MORE, SHARED)
    assert found["h100"]["nvidia.com/gpu"] == "32"
    assert found["more"]["nvidia.com/gpu"] == "8"
    assert found["shared"]["nvidia.com/gpu.shared"] == "0", "what gpuTypes does not name is not the team's"


def test_the_total_bounds_each_pool() -> None:
    assert nominal(Team("a", quota=Quota(gpu=8)), H100)["h100"]["nvidia.com/gpu"] == "8"


def test_each_flavor_has_each_covered_resource() -> None:
    """Kueue refuses a ClusterQueue otherwise."""
    (group,) = resource_groups(Team("a"), [H100, SHARED])
    for flavor in group["flavors"]:
        assert [resource["name"] for resource in flavor["resources"]] == group["coveredResources"]


def all_rules(prices: dict[str, float] | None = None) -> list[dict[str, Any]]:
    return [rule for group in rules.groups(Observability(), prices or {}) for rule in group["rules"]]


def test_an_alert_says_what_is_and_what_to_do() -> None:
    alerts = [rule for rule in all_rules() if "alert" in rule]
    assert {"FootplateGpuIdle", "FootplateQueueSlow", "FootplateGoodputLow"} <= {alert["alert"] for alert in alerts}
    for alert in alerts:
        assert alert["labels"]["severity"] in ("warning", "critical")
        assert alert["annotations"]["description"].endswith(".")


def test_a_dashboard_shows_only_what_a_rule_records() -> None:
    recorded = {rule["record"] for rule in all_rules({"l4": 0.8}) if "record" in rule}
    shown = {
        name
        for dashboard in dashboards.ALL.values()
        for panel in dashboard["panels"]
        for name in re.findall(r"footplate:[a-z_:0-9]+", panel["targets"][0]["expr"])
    }
    assert shown <= recorded
    assert {"gpus", "queues", "goodput", "cost"} == dashboards.ALL.keys()


def test_the_cost_of_pools_is_their_price_and_without_prices_there_is_none() -> None:
    prices = [rule for rule in all_rules({"l4": 0.8}) if rule.get("record", "").endswith("node_price:dollars_per_hour")]
    assert prices[0]["expr"] == "vector(0.8000)"
    assert prices[0]["labels"] == {"label_footplate_dev_pool": "l4"}
    assert not any("cost" in rule.get("record", "") for rule in all_rules())


def test_thresholds_are_those_of_the_config() -> None:
    found = rules.groups(Observability(idle_gpu_after="30m", queue_wait_alert="2h"), {})
    text = str(found)
    assert "[1800s]" in text
    assert "> 7200" in text


def test_the_metrics_of_jobs_are_fields_that_jobs_have() -> None:
    assert {"productiveSeconds", "lostSeconds"} <= msgspec.to_builtins(Goodput(1, {"a": 1})).keys()


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (PlatformConfig(), Addons(kueue=False, monitoring=False)),
        (PlatformConfig(provider="aws"), Addons()),
        (PlatformConfig(provider="local", addons=Addons(kube_ray=True)), Addons(kube_ray=True)),
    ],
)
def test_a_cluster_of_ours_has_what_belongs_to_it(config: PlatformConfig, expected: Addons) -> None:
    assert asked(config) == expected
