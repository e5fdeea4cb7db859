from ipaddress import IPv4Network
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devcluster import addresses
from devcluster.addresses import Endpoints
from devcluster.errors import PreflightError
from devcluster.spec import ClusterSpec

ROOT = Path("/data/clusters/dev")
FULL, API = ClusterSpec("dev"), ClusterSpec("dev", profile="api")
ROUTES = """Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010200C0	0003	0	0	0	00000000	0	0	0
eth0	000200C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
fpaadd6f05e0	0000F40A	8217C70A	0003	0	0	0	0000FFFF	0	0	0
"""


def networks(endpoints: Endpoints) -> list[IPv4Network]:
    assert endpoints.node is not None
    link = IPv4Network(f"{endpoints.node.node_address}/{endpoints.node.prefix}", strict=False)
    return [IPv4Network(endpoints.pod_cidr), IPv4Network(endpoints.service_cidr), link]


def test_routes_of_the_machine_are_read_without_the_default_and_the_clusters_own() -> None:
    found = addresses.parse_routes(ROUTES, besides="fpaadd6f05e0")
    assert found == [IPv4Network("192.0.2.0/24")]


@given(st.lists(st.sampled_from([*addresses.POD_CIDRS[:-1], *addresses.SERVICE_CIDRS[:-1], *addresses.LINKS[:50]])))
def test_a_new_cluster_overlaps_no_route_and_not_itself(taken: list[IPv4Network]) -> None:
    chosen = networks(addresses.in_namespace(FULL, ROOT, None, taken, 1500))
    for index, network in enumerate(chosen):
        assert not any(network.overlaps(other) for other in [*taken, *chosen[index + 1 :]])


def test_a_cluster_keeps_its_networks_and_moves_only_what_a_new_route_overlaps() -> None:
    first = addresses.in_namespace(FULL, ROOT, None, [], 1500)
    assert addresses.in_namespace(FULL, ROOT, first, [], 1500) == first
    moved = addresses.in_namespace(FULL, ROOT, first, [IPv4Network(first.pod_cidr)], 1500)
    assert moved == msgspec.structs.replace(first, pod_cidr=moved.pod_cidr, node=moved.node)
    assert not IPv4Network(moved.pod_cidr).overlaps(IPv4Network(first.pod_cidr))


def test_a_machine_without_free_networks_is_told_which_option_to_use() -> None:
    with pytest.raises(PreflightError) as refused:
        addresses.in_namespace(FULL, ROOT, None, [IPv4Network("10.0.0.0/8")], 1500)
    assert refused.value.remedy == "name a free one with --pod-cidr"


def on_loopback(
    spec: ClusterSpec, stored: Endpoints | None = None, *, used: frozenset[int] = frozenset(), running: bool = False
) -> Endpoints:
    return addresses.on_loopback(spec, ROOT, stored, [], lambda port: port not in used, running=running)


def test_ports_of_the_api_profile_stay_while_they_are_free_and_move_when_another_program_has_one() -> None:
    first = on_loopback(API)
    assert on_loopback(API, first) == first
    moved = on_loopback(API, first, used=frozenset({first.etcd}))
    assert addresses.ports(moved).isdisjoint({first.etcd})
    assert on_loopback(API, first, used=addresses.ports(first), running=True) == first


def test_a_port_that_was_asked_for_and_is_in_use_is_an_error_unless_the_cluster_itself_has_it() -> None:
    asked = ClusterSpec("dev", profile="api", api_port=6443)
    with pytest.raises(PreflightError, match="--api-port 6443 is in use"):
        on_loopback(asked, used=frozenset({6443}))
    mine = on_loopback(asked)
    assert on_loopback(asked, mine, used=frozenset({6443}), running=True).api == 6443


def test_clusters_side_by_side_have_different_ports() -> None:
    first = on_loopback(API)
    second = addresses.on_loopback(API, ROOT, None, [first], lambda _: True, running=False)
    assert addresses.ports(first).isdisjoint(addresses.ports(second))
