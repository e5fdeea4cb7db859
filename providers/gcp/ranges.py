"""How the stack's address range is divided, and how many nodes its pod range has room for. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network

from providers.contract import ProviderError
from providers.spec import Network

#: Of the networks beside the main one, to which GPU nodes have further interfaces.
FABRIC = IPv4Network("192.168.0.0/16")

#: A node has addresses for twice its pods. Source: https://cloud.google.com/kubernetes-engine/docs/how-to/flexible-pod-cidr
PODS = 64
GPU_PODS = 32


@dataclass(frozen=True)
class Ranges:
    """`nodes`: half of all. `services`: of Google's own machines (Filestore, Managed Lustre). `proxies`: load balancers."""

    nodes: IPv4Network
    services: IPv4Network
    proxies: IPv4Network
    offload: IPv4Network


def divide(cidr: str) -> Ranges:
    """A quarter is left for Google's services: Managed Lustre takes a /20 or more of it."""
    whole = IPv4Network(cidr)
    nodes, rest = whole.subnets(1)
    services, last = rest.subnets(1)
    eighths = list(last.subnets(1))
    return Ranges(nodes, services, *eighths)


def check(network: Network, path: str = "footplate:network") -> None:
    whole = IPv4Network(network.cidr)
    if whole.prefixlen > 20:
        raise ProviderError(
            f"{path}.cidr: {network.cidr!r} is too small for nodes and Google's services beside them: a /20 at least, such as 10.64.0.0/16"
        )
    for key, text in (("cidr", network.cidr), ("podCidr", network.pod_cidr), ("serviceCidr", network.service_cidr)):
        if IPv4Network(text).overlaps(FABRIC):
            raise ProviderError(
                f"{path}.{key}: {text!r} overlaps {FABRIC}, which GPU nodes' further networks have: choose another"
            )


def check_room(pod_cidr: str, pools: Iterable[tuple[int, int]], path: str = "footplate:network.podCidr") -> None:
    """`pools`: most nodes, pods a node."""
    needed = sum(nodes * _addresses(pods) for nodes, pods in pools)
    there = IPv4Network(pod_cidr).num_addresses
    if needed > there:
        raise ProviderError(
            f"{path}: {pod_cidr!r} has {there} addresses, and the pods of all nodes at most need {needed}: "
            "choose a larger range, or lower maxNodes"
        )


def _addresses(pods: int) -> int:
    """The power of two that is twice the pods at least."""
    return 1 << (2 * pods - 1).bit_length()
