"""Ranges, versions, names and sizes of Google Cloud: what fits, and what is said where it does not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec
import pytest

from providers import spec as asked
from providers.contract import ProviderError
from providers.gcp import cluster, filesystems, names, nodes, ranges, versions
from providers.gcp.provider import GcpProvider
from tests.unit.providers.gcp.conftest import TODAY, site


def network(**fields: Any) -> asked.Network:
    return msgspec.convert(fields, asked.Network)


def test_the_range_is_halved_for_nodes_and_quartered_for_googles_own_machines() -> None:
    divided = ranges.divide("10.64.0.0/16")
    assert str(divided.nodes) == "10.64.0.0/17"
    assert str(divided.services) == "10.64.128.0/18"
    assert str(divided.proxies) == "10.64.192.0/19"
    assert str(divided.offload) == "10.64.224.0/19"


@pytest.mark.parametrize(
    ("day", "minor", "channel"),
    [
        (date(2026, 9, 30), "1.34", "REGULAR"),
        (TODAY, "1.34", "EXTENDED"),
        (TODAY, "1.35", "REGULAR"),
        (TODAY, "1.36", "REGULAR"),
    ],
)
def test_a_version_is_in_the_regular_channel_while_its_support_lasts(day: date, minor: str, channel: str) -> None:
    assert versions.channel(minor, day) == channel


def test_names_are_short_enough_and_stay_apart() -> None:
    long = "team-of-people-who-have-found-a-very-long-name"
    assert names.fit("short", 30) == "short"
    assert len(names.account_id("footplate-prod-gcp", long)) == 30
    assert names.account_id("footplate-prod-gcp", long) != names.account_id("footplate-prod-gcp", f"{long}s")
    assert len(names.bucket("p" * 25, f"team-{'t' * 40}")) == 63
    assert "-" not in names.role_id("ml-prod", "data-write")


@pytest.mark.parametrize(
    ("wanted", "machine"),
    [({}, "e2-standard-4"), ({"cpu": 2, "memory": "16Gi"}, "e2-highmem-2"), ({"cpu": 96, "memory": "512Gi"}, "n2-highmem-96")],
)  # fmt: skip
def test_nodes_without_gpus_are_the_smallest_that_fit(wanted: dict[str, Any], machine: str) -> None:
    assert nodes.machine_type(msgspec.convert(wanted, asked.Nodes), "path") == machine


def provider(**changes: Any) -> object:
    return GcpProvider(site(**changes))


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda: ranges.check(network(cidr="10.0.0.0/22")), "footplate:network.cidr: '10.0.0.0/22' is too small"),
        (
            lambda: ranges.check(network(cidr="192.168.0.0/16")),
            "footplate:network.cidr: '192.168.0.0/16' overlaps 192.168.0.0/16",
        ),
        (lambda: ranges.check(network(podCidr="192.168.128.0/17")), "footplate:network.podCidr: "),
        (lambda: ranges.check(network(serviceCidr="192.168.0.0/20")), "footplate:network.serviceCidr: "),
        (
            lambda: ranges.check_room("100.64.0.0/20", [(10, 64), (100, 32)]),
            "footplate:network.podCidr: '100.64.0.0/20' has 4096 addresses, and the pods of all nodes at most need 7680",
        ),
        (lambda: versions.channel("1.29", TODAY), "footplate:kubernetes.version: GKE does not support '1.29'; it supports 1.34"),
        (lambda: versions.channel("1.40", TODAY), "footplate:kubernetes.version: GKE does not support '1.40'"),
        (lambda: versions.channel("1.34", date(2027, 10, 1)), "footplate:kubernetes.version: GKE does not support '1.34'; it"),
        (
            lambda: nodes.machine_type(asked.Nodes(cpu=128, memory="2Ti"), "footplate:kubernetes.cpuNodes"),
            "footplate:kubernetes.cpuNodes.memory: no machine has 128 CPUs and 2Ti",
        ),
        (
            lambda: filesystems.capacity(asked.Scratch(size="36Ti", throughput=200)),
            "footplate:scratch.throughput: Managed Lustre has no 200 MB/s per TiB: 125, 250, 500, 1000 can be had",
        ),
        (
            lambda: filesystems.capacity(asked.Scratch()),
            "footplate:scratch.size: 1200Gi is no size of Managed Lustre with 250 MB/s per TiB: a multiple of 36000Gi",
        ),
        (
            lambda: cluster.member(1, "arn:aws:iam::123456789012:role/admin"),
            "footplate:kubernetes.admins[1]: 'arn:aws:iam::123456789012:role/admin' is no principal of Google Cloud",
        ),
        (lambda: provider(region="mars-central1"), "footplate:region: Google Cloud has no region 'mars-central1'"),
        (lambda: provider(region="us-east-2"), "footplate:region: Google Cloud has no region 'us-east-2'"),
        (lambda: provider(account="123456789012"), "footplate:account: '123456789012' is no project of Google Cloud"),
        (lambda: provider(name="a" * 31), "footplate:name: "),
    ],
)  # fmt: skip
def test_what_google_does_not_take_is_said_with_its_field(attempt: Callable[[], object], message: str) -> None:
    with pytest.raises(ProviderError) as caught:
        attempt()
    assert str(caught.value).startswith(message)


def test_a_size_that_lustre_has_is_taken() -> None:
    assert filesystems.capacity(asked.Scratch(size="72000Gi", throughput=250)) == 72000
