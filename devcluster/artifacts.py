"""The programs of an embedded cluster: which Go module pins each, and the content address of its build."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from devcluster.spec import KUBERNETES_VERSION

TOOLS_DIRECTORY = Path(__file__).parent / "tools"
_KUBERNETES = "k8s.io/kubernetes/cmd"
_CONTAINERD = "github.com/containerd/containerd/v2"
_CNI = "github.com/containernetworking/plugins/plugins"


@dataclass(frozen=True, eq=False)
class Tool:
    """One directory below `tools/`: a go.mod that pins versions, and the packages to build there."""

    name: str
    packages: Mapping[str, str]  # binary → package
    variables: Mapping[str, str] = field(default_factory=dict[str, str])  # linker -X
    disk_mib: int = 500  # scratch needed by a build from nothing

    @property
    def directory(self) -> Path:
        return TOOLS_DIRECTORY / self.name

    @property
    def linker_flags(self) -> str:
        return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in sorted(self.variables.items()))])


def _kubernetes(*programs: str) -> Mapping[str, str]:
    return {program: f"{_KUBERNETES}/{program}" for program in programs}


_VERSION = "k8s.io/component-base/version"
_MAJOR, _MINOR, _ = KUBERNETES_VERSION.split(".")

TOOLS = (
    Tool("etcd", {"etcd": "go.etcd.io/etcd/server/v3"}),
    Tool("kwok", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"}),
    Tool("node", {"pause": "./pause", "provisioner": "./provisioner"}),
    Tool(
        "kubernetes",
        _kubernetes("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kubelet", "kube-proxy"),
        variables={
            f"{_VERSION}.gitVersion": f"v{KUBERNETES_VERSION}",
            f"{_VERSION}.gitMajor": _MAJOR,
            f"{_VERSION}.gitMinor": _MINOR,
            f"{_VERSION}.gitTreeState": "clean",
        },
        disk_mib=5000,
    ),
    Tool(
        "containerd",
        {
            "containerd": f"{_CONTAINERD}/cmd/containerd",
            "containerd-shim-runc-v2": f"{_CONTAINERD}/cmd/containerd-shim-runc-v2",
            "ctr": f"{_CONTAINERD}/cmd/ctr",
        },
    ),
    Tool(
        "cni",
        {
            "bridge": f"{_CNI}/main/bridge",
            "host-local": f"{_CNI}/ipam/host-local",
            "loopback": f"{_CNI}/main/loopback",
            "portmap": f"{_CNI}/meta/portmap",
        },
    ),
    Tool("coredns", {"coredns": "."}),
    Tool("versitygw", {"versitygw": "github.com/versity/versitygw/cmd/versitygw"}),
)

API_TOOLS = ("etcd", "kwok", "node", "kubernetes")


def tools_for(profile: str) -> tuple[Tool, ...]:
    return tuple(tool for tool in TOOLS if profile == "full" or tool.name in API_TOOLS)


# Without cgo the binaries are the same whether the machine has a C compiler or not.
BUILD_ENVIRONMENT = {
    "CGO_ENABLED": "0",
    "GOFLAGS": "-mod=readonly -buildvcs=false",
    "GOTOOLCHAIN": "local",
    "GOWORK": "off",
    "GO111MODULE": "on",
}


def address(tool: Tool, go_version: str, platform: str) -> str:
    """Content address of a build: sources, pins, flags, packages, compiler and platform."""
    digest = hashlib.sha256()
    for source in sorted(path for path in tool.directory.rglob("*") if path.suffix in {".go", ".mod", ".sum"}):
        digest.update(f"{source.relative_to(tool.directory)}\0".encode())
        digest.update(hashlib.sha256(source.read_bytes()).digest())
    for text in (go_version, platform, tool.linker_flags, *BUILD_ENVIRONMENT.items(), *sorted(tool.packages.items())):
        digest.update(f"{text}\0".encode())
    return digest.hexdigest()[:20]
