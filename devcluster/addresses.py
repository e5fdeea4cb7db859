"""Ports and networks of a cluster: chosen once so that they clash with nothing here, then kept in `network.json`."""

from __future__ import annotations

import hashlib
import ipaddress
import socket
from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Network
from pathlib import Path

import msgspec

from devcluster import link
from devcluster.errors import PreflightError
from devcluster.paths import ClusterPaths
from devcluster.plan import NodeNetwork, write_atomically
from devcluster.spec import ClusterSpec

LOOPBACK = "127.0.0.1"

# Below the range that Linux gives to outgoing connections (32768…), so that no connection takes the port of a component
# that is being restarted.
PORT_BLOCKS = range(20000, 32000, 20)

# Simulated nodes' and pods' addresses. None may lead off this machine: in a namespace of the cluster's own the whole
# range is local; on a shared loopback it is administratively scoped multicast (RFC 2365), to which the kernel refuses
# every TCP connection with "network is unreachable". (Loopback addresses are refused in Endpoints.)
SIMULATED_IN_NAMESPACE = "10.200.0.0/16"
SIMULATED_ON_LOOPBACK = "239.200.0.0/16"

POD_CIDRS = tuple(IPv4Network(f"10.{second}.0.0/16") for second in range(244, 210, -1))
SERVICE_CIDRS = tuple(IPv4Network(f"10.{second}.0.0/16") for second in range(96, 128))
LINKS = tuple(IPv4Network("10.199.0.0/16").subnets(new_prefix=30))


class Endpoints(msgspec.Struct, frozen=True):
    """Where a cluster's components listen. Everything but the API server, S3 and the kubelet is for the node itself."""

    address: str  # of the API server, the kubelet and S3
    api: int
    etcd: int
    etcd_peer: int
    controller_manager: int
    scheduler: int
    kwok: int
    s3: int
    service_cidr: str
    pod_cidr: str
    simulated_cidr: str
    node: NodeNetwork | None = None  # None: profile api, on loopback

    @property
    def loopback(self) -> bool:
        return self.node is None

    @property
    def service_address(self) -> str:
        """Of `kubernetes.default`."""
        return str(IPv4Network(self.service_cidr)[1])

    @property
    def pod_gateway(self) -> str:
        """The pod bridge's own address, where DNS answers too."""
        return str(IPv4Network(self.pod_cidr)[1])

    @property
    def server(self) -> str:
        return f"https://{self.address}:{self.api}"

    @property
    def s3_url(self) -> str:
        return f"http://{self.address}:{self.s3}"

    @property
    def simulated_node(self) -> str:
        return str(IPv4Network(self.simulated_cidr)[0])


def identity(root: Path) -> str:
    """Ten hex digits that tell this cluster from every other of the machine: names its interface and cgroup."""
    return hashlib.sha256(str(root).encode()).hexdigest()[:10]


def read(paths: ClusterPaths) -> Endpoints | None:
    try:
        return msgspec.json.decode(paths.network.read_bytes(), type=Endpoints)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def write(paths: ClusterPaths, endpoints: Endpoints) -> None:
    write_atomically(paths.network, msgspec.json.format(msgspec.json.encode(endpoints)))


def reserved(clusters: Path) -> list[Endpoints]:
    """What the other clusters of a data directory have, running or not."""
    return [found for path in sorted(clusters.glob("*/network.json")) if (found := read(ClusterPaths(path.parent)))]


def settle(
    spec: ClusterSpec, root: Path, stored: Endpoints | None, others: Iterable[Endpoints], *, running: bool
) -> Endpoints:
    """The stored addresses where they still do, else new ones; raises PreflightError when a wanted port is in use."""
    others = [other for other in others if other != stored]
    if spec.profile == "api":
        return on_loopback(spec, root, stored, others, port_is_free, running=running)
    if running and stored is not None:
        return msgspec.structs.replace(stored, api=spec.api_port or 6443, s3=spec.s3_port)
    routes = [*read_routes(besides=interface(root)), *(IPv4Network(other.pod_cidr) for other in others)]
    linked = [IPv4Network(f"{other.node.node_address}/30", strict=False) for other in others if other.node]
    return in_namespace(spec, root, stored, [*routes, *linked], link.way_out_mtu())


def in_namespace(
    spec: ClusterSpec, root: Path, stored: Endpoints | None, taken: Iterable[IPv4Network], mtu: int
) -> Endpoints:
    taken = list(taken)
    start = int(identity(root), 16)
    kept_pods = [IPv4Network(stored.pod_cidr)] if stored else []
    pods = _wanted(spec.pod_cidr) or _first_free([*kept_pods, *_rotated(POD_CIDRS, start)], taken, "--pod-cidr")
    if stored is not None:  # Services have their addresses from it for as long as the cluster lives
        services = IPv4Network(stored.service_cidr)
    else:
        services = _wanted(spec.service_cidr) or _first_free(SERVICE_CIDRS, [*taken, pods], "--service-cidr")
    kept_link = [IPv4Network(f"{stored.node.node_address}/30", strict=False)] if stored and stored.node else []
    between = _first_free([*kept_link, *_rotated(LINKS, start)], taken, "")
    node = NodeNetwork(
        interface=interface(root),
        machine_address=str(between[1]),
        node_address=str(between[2]),
        prefix=between.prefixlen,
        pod_cidr=str(pods),
        mtu=mtu,
        local_cidrs=(SIMULATED_IN_NAMESPACE,),
    )
    return Endpoints(
        address=node.node_address,
        api=spec.api_port or 6443,
        etcd=2379,
        etcd_peer=2380,
        controller_manager=10257,
        scheduler=10259,
        kwok=10247,
        s3=spec.s3_port,
        service_cidr=str(services),
        pod_cidr=str(pods),
        simulated_cidr=SIMULATED_IN_NAMESPACE,
        node=node,
    )


def interface(root: Path) -> str:
    return f"{link.INTERFACE_PREFIX}{identity(root)}"


def _wanted(cidr: str) -> IPv4Network | None:
    return IPv4Network(cidr) if cidr else None


def _rotated(networks: tuple[IPv4Network, ...], start: int) -> tuple[IPv4Network, ...]:
    """Clusters of different data directories begin at different places, so that starting both at once seldom clashes."""
    middle = start % len(networks)
    return networks[middle:] + networks[:middle]


def _first_free(candidates: Iterable[IPv4Network], taken: list[IPv4Network], option: str) -> IPv4Network:
    for candidate in candidates:
        if not any(candidate.overlaps(other) for other in taken):
            return candidate
    remedy = f"name a free one with {option}" if option else "delete clusters that are not needed"
    raise PreflightError("every private network that a cluster would use overlaps a route of this machine", remedy)


def parse_routes(text: str, besides: str) -> list[IPv4Network]:
    """Destinations of /proc/net/route (little-endian hexadecimal), the default route and one interface's aside."""
    rows = [line.split() for line in text.splitlines()[1:]]
    networks: list[IPv4Network] = []
    for row in rows:
        address = ipaddress.IPv4Address(int.from_bytes(bytes.fromhex(row[1]), "little"))
        mask = ipaddress.IPv4Address(int.from_bytes(bytes.fromhex(row[7]), "little"))
        if row[0] != besides and int(mask):
            networks.append(IPv4Network(f"{address}/{mask}"))
    return networks


def read_routes(besides: str) -> list[IPv4Network]:
    return parse_routes(Path("/proc/net/route").read_text(), besides)


def on_loopback(
    spec: ClusterSpec,
    root: Path,
    stored: Endpoints | None,
    others: list[Endpoints],
    is_free: Callable[[int], bool],
    *,
    running: bool,
) -> Endpoints:
    mine = ports(stored) if running and stored else frozenset[int]()
    if spec.api_port and spec.api_port not in mine and not is_free(spec.api_port):
        raise PreflightError(
            f"--api-port {spec.api_port} is in use by another program",
            "leave the option out to have a free port chosen, or name another",
        )
    if stored is not None and (running or all(map(is_free, ports(stored)))):
        return msgspec.structs.replace(stored, api=spec.api_port or stored.api)
    taken = frozenset(port for other in others for port in ports(other))
    block = next(candidate for candidate in _blocks(root, taken) if all(map(is_free, candidate)))
    etcd, peer, manager, scheduler, kwok, api = block
    return Endpoints(
        address=LOOPBACK,
        api=spec.api_port or api,
        etcd=etcd,
        etcd_peer=peer,
        controller_manager=manager,
        scheduler=scheduler,
        kwok=kwok,
        s3=0,
        service_cidr=stored.service_cidr if stored else spec.service_cidr or str(SERVICE_CIDRS[0]),
        pod_cidr=spec.pod_cidr or str(POD_CIDRS[0]),
        simulated_cidr=SIMULATED_ON_LOOPBACK,
    )


def _blocks(root: Path, taken: frozenset[int]) -> Iterator[range]:
    middle = int(identity(root), 16) % len(PORT_BLOCKS)
    for base in [*PORT_BLOCKS[middle:], *PORT_BLOCKS[:middle]]:
        block = range(base, base + 6)
        if taken.isdisjoint(block):
            yield block
    raise PreflightError("no six free ports together between 20000 and 32000", "stop clusters that are not needed")


def ports(endpoints: Endpoints) -> frozenset[int]:
    e = endpoints
    return (
        frozenset({e.api, e.etcd, e.etcd_peer, e.controller_manager, e.scheduler, e.kwok})
        if e.loopback
        else frozenset()
    )


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
