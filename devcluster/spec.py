"""What a cluster should be: chosen at its first start, kept beside its state, changed by a later start."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from devcluster.errors import ClusterNotFound, DevclusterError, PreflightError, UsageError
from devcluster.gpus import parse_gpus

Profile = Literal["full", "api"]

KUBERNETES_VERSION = "1.37.2"
DEFAULT_NAME = "default"
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")


class ClusterSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    profile: Profile = "full"
    kubernetes_version: str = KUBERNETES_VERSION
    api_port: int = 0  # 0: 6443 in a namespace of its own (full), any free port (api)
    s3_port: int = 9000  # full only
    pod_cidr: str = ""  # "": the first candidate that no route of the machine overlaps
    service_cidr: str = ""
    gpus: str = ""  # simulated on the real node, e.g. "H100:8" or "A100-80GB:6,1g.10gb:7"; full only
    kwok_nodes: int = 0
    kwok_gpus: str = ""
    kwok_cpu: str = "64"
    kwok_memory: str = "512Gi"
    kwok_taint: bool = False
    max_pods: int = 250
    client_qps: int = 500  # of controller-manager, scheduler and provisioner
    feature_gates: dict[str, bool] = msgspec.field(default_factory=lambda: {"GenericWorkload": True})
    api_versions: tuple[str, ...] = ("scheduling.k8s.io/v1beta1",)

    @property
    def context(self) -> str:
        return f"footplate-{self.name}"

    @property
    def node_name(self) -> str:
        return f"footplate-{self.name}"


def check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"cluster name {name!r}: use 1 to 32 lower-case letters, digits and hyphens, with a letter or digit at both ends"
        )
    return name


def check(spec: ClusterSpec) -> ClusterSpec:
    """Refuse what can never start; raises UsageError naming the option."""
    check_name(spec.name)
    if spec.kubernetes_version.removeprefix("v") != KUBERNETES_VERSION:
        raise UsageError(
            f"--kubernetes-version {spec.kubernetes_version}: this Footplate builds {KUBERNETES_VERSION} only; "
            "for another version use a cluster of your own with --context"
        )
    for option, port in (("--api-port", spec.api_port), ("--s3-port", spec.s3_port)):
        if not 0 <= port <= 65535:
            raise UsageError(f"{option} {port}: a port is between 1 and 65535 (0 chooses one)")
    if not 0 <= spec.kwok_nodes <= 5000:
        raise UsageError(f"--kwok-nodes {spec.kwok_nodes}: between 0 and 5000")
    if not 1 <= spec.max_pods <= 4000:
        raise UsageError(f"--max-pods {spec.max_pods}: between 1 and 4000")
    if spec.client_qps < 1:
        raise UsageError(f"--client-qps {spec.client_qps}: at least 1")
    parse_gpus(spec.gpus, "--gpu")
    parse_gpus(spec.kwok_gpus, "--kwok-gpu")
    if spec.kwok_gpus and not spec.kwok_nodes:
        raise UsageError("--kwok-gpu needs --kwok-nodes: there is no simulated node to put GPUs on")
    if spec.gpus and spec.profile == "api":
        raise UsageError(
            "--gpu needs the full profile: the api profile has no kubelet; use --kwok-nodes with --kwok-gpu"
        )
    for option, cidr in (("--pod-cidr", spec.pod_cidr), ("--service-cidr", spec.service_cidr)):
        if cidr:
            parse_cidr(cidr, option)
    return spec


def parse_gates(texts: Iterable[str]) -> dict[str, bool]:
    gates: dict[str, bool] = {}
    for text in texts:
        gate, _, value = text.partition("=")
        if not gate or value not in {"true", "false"}:
            raise UsageError(f"--feature-gate {text!r}: write NAME=true or NAME=false")
        gates[gate] = value == "true"
    return gates


def parse_cidr(text: str, option: str) -> ipaddress.IPv4Network:
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise UsageError(f"{option} {text!r}: {error}; write an IPv4 network such as 10.244.0.0/16") from error
    if not 8 <= network.prefixlen <= 24:
        raise UsageError(f"{option} {text!r}: a prefix between /8 and /24 is needed")
    return network


def read(path: Path, name: str) -> ClusterSpec:
    try:
        return msgspec.json.decode(path.read_bytes(), type=ClusterSpec)
    except FileNotFoundError:
        raise ClusterNotFound(f"no cluster {name!r} here; `footplate cluster start --name {name}` makes one") from None
    except PermissionError:
        raise PreflightError(f"cluster {name!r} belongs to another user: {path} is not readable") from None
    except msgspec.DecodeError as error:
        raise DevclusterError(
            f"{path} is unreadable ({error}); `footplate cluster delete --name {name}` removes the cluster"
        ) from error


def requested(name: str, changes: Mapping[str, object]) -> ClusterSpec:
    """The spec of a cluster that is not there yet."""
    return check(msgspec.structs.replace(ClusterSpec(check_name(name)), **changes))


def merged(stored: ClusterSpec, changes: Mapping[str, object]) -> ClusterSpec:
    """The stored spec with what this start asks for. The profile and networks of a cluster with state are fixed."""
    for field in ("profile", "pod_cidr", "service_cidr"):
        asked = changes.get(field)
        if asked is not None and asked != getattr(stored, field):
            have = getattr(stored, field) or "(chosen)"
            raise UsageError(
                f"cluster {stored.name!r} has {field.replace('_', ' ')} {have}, not {asked}",
                f"delete it first (`footplate cluster delete --name {stored.name}`) or use another --name",
            )
    return check(msgspec.structs.replace(stored, **changes))
