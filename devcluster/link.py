"""The veth pair between a cluster's network namespace and the machine, and the way out for pods.

On the machine: one interface, a route to the pods, three iptables rules whose comment is the interface's name, and
forwarding on the interface of the default route where it was off (a file remembers that, so that it can be put back).
Inside: an address, the bridge of the pods with the address at which DNS answers, masquerading of what leaves.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network
from pathlib import Path

from devcluster.errors import DevclusterError
from devcluster.plan import NodeNetwork

INSIDE = "eth0"  # the cluster's end of the link
BRIDGE = "cni0"
INTERFACE_PREFIX = "fp"

_IPTABLES = "iptables -w 10"


def in_namespace(path: str) -> tuple[str, ...]:
    """Prefix of a command that is to run in the network namespace at `path`."""
    return ("nsenter", f"--net={path}", "--")


def connect(network: NodeNetwork, machine: Sequence[str], pid: int) -> None:
    """Link the machine (`machine` is the prefix that leads to its namespace) with the namespace of process `pid`."""
    _shell(machine, machine_script(network, pid))
    _shell(in_namespace(f"/proc/{pid}/ns/net"), node_script(network))


def repair(network: NodeNetwork, pid: int, record: Path) -> None:
    """Bring back what somebody has taken from the machine while the cluster ran: rules, or the interface."""
    open_way_out(network, record)
    if not Path(f"/sys/class/net/{network.interface}").exists():
        connect(network, (), pid)


def machine_script(network: NodeNetwork, pid: int) -> list[str]:
    name = network.interface
    return [
        f"ip link delete {name} 2>/dev/null || true",  # of namespaces that the kernel has not cleared away yet
        f"ip link add {name} mtu {network.mtu} type veth peer name {INSIDE} mtu {network.mtu} netns {pid}",
        f"ip address add {network.machine_address}/{network.prefix} dev {name}",
        f"ip link set {name} up",
        f"ip route replace {network.pod_cidr} via {network.node_address} dev {name}",
        f"echo 1 >/proc/sys/net/ipv4/conf/{name}/forwarding",
    ]


def node_script(network: NodeNetwork) -> list[str]:
    pods = IPv4Network(network.pod_cidr)
    return [
        "ip link set lo up",
        f"ip address add {network.node_address}/{network.prefix} dev {INSIDE}",
        f"ip link set {INSIDE} up",
        f"ip route replace default via {network.machine_address}",
        f"ip link add {BRIDGE} mtu {network.mtu} type bridge 2>/dev/null || true",
        f"ip address replace {pods[1]}/{pods.prefixlen} dev {BRIDGE}",
        f"ip link set {BRIDGE} up",
        *(f"ip route replace local {cidr} dev lo" for cidr in network.local_cidrs),
        "echo 1 >/proc/sys/net/ipv4/ip_forward",
        # What pods of one bridge send to a Service must pass iptables to be sent back translated.
        "if [ -d /proc/sys/net/bridge ]; then echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables; fi",
        _rule("nat", f"POSTROUTING -s {pods} ! -d {pods} -o {INSIDE} -j MASQUERADE"),
    ]


def machine_rules(network: NodeNetwork) -> list[tuple[str, str]]:
    """(table, rule). What the cluster begins may go out and be answered; nothing from elsewhere may come in."""
    name = network.interface
    mark = f"-m comment --comment {name}"
    return [
        ("nat", f"POSTROUTING -s {network.node_address}/32 ! -o {name} {mark} -j MASQUERADE"),
        ("filter", f"FORWARD -i {name} ! -o {INTERFACE_PREFIX}+ {mark} -j ACCEPT"),
        ("filter", f"FORWARD -o {name} {mark} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"),
        ("filter", f"FORWARD -o {name} {mark} -m conntrack ! --ctstate RELATED,ESTABLISHED -j DROP"),
    ]


def open_way_out(network: NodeNetwork, record: Path) -> None:
    """Let the cluster reach what the machine reaches; called in the machine's namespace."""
    _shell((), [_rule(table, rule, insert=table == "filter") for table, rule in reversed(machine_rules(network))])
    uplink = default_interface(Path("/proc/net/route").read_text())
    switch = Path(f"/proc/sys/net/ipv4/conf/{uplink}/forwarding")
    if uplink and switch.read_text().strip() == "0":
        record.write_text(uplink)
        switch.write_text("1")


def disconnect(interface: str, record: Path) -> None:
    """Undo all of it on the machine, whatever is left of it."""
    if Path(f"/sys/class/net/{interface}").exists():
        subprocess.run(["ip", "link", "delete", interface], check=False, capture_output=True)
    for table in ("nat", "filter"):
        listed = subprocess.run(
            [*_IPTABLES.split(), "-t", table, "-S"], check=False, capture_output=True, text=True
        ).stdout
        _shell((), [f"{_IPTABLES} -t {table} {deletion}" for deletion in deletions(listed, interface)])
    _restore_forwarding(record)


def deletions(listed: str, interface: str) -> list[str]:
    """From `iptables -S` the arguments that remove the rules with that comment."""
    rules = (line for line in listed.splitlines() if line.startswith("-A ") and interface in shlex.split(line))
    return ["-D" + rule.removeprefix("-A") for rule in rules]


def _restore_forwarding(record: Path) -> None:
    """Put the machine's setting back, unless another cluster still needs it."""
    others = [name.name for name in Path("/sys/class/net").iterdir() if name.name.startswith(INTERFACE_PREFIX)]
    if not record.exists() or others:
        return
    switch = Path(f"/proc/sys/net/ipv4/conf/{record.read_text().strip()}/forwarding")
    if switch.exists():
        switch.write_text("0")
    record.unlink()


def way_out_mtu() -> int:
    """Of the machine's default route: what pods send then needs no fragmenting."""
    interface = default_interface(Path("/proc/net/route").read_text())
    return int(Path(f"/sys/class/net/{interface}/mtu").read_text()) if interface else 1500


def default_interface(routes: str) -> str:
    """The interface of the default route in /proc/net/route; empty without one."""
    rows = [line.split() for line in routes.splitlines()[1:]]
    return next((row[0] for row in rows if row[1] == "00000000" and row[7] == "00000000"), "")


def _rule(table: str, rule: str, *, insert: bool = False) -> str:
    """Add a rule once."""
    add = "-I" if insert else "-A"
    return f"{_IPTABLES} -t {table} -C {rule} 2>/dev/null || {_IPTABLES} -t {table} {add} {rule}"


def _shell(prefix: Iterable[str], lines: list[str]) -> None:
    if not lines:
        return
    script = "\n".join(["PATH=$PATH:/usr/sbin:/sbin", *lines])
    attempt = subprocess.run([*prefix, "sh", "-ec", script], check=False, capture_output=True, text=True)
    if attempt.returncode:
        raise DevclusterError(f"the cluster's network could not be set up: {attempt.stderr.strip()}")
