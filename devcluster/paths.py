"""Where builds and clusters live on disk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


def cache_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """Content-addressed builds: `FOOTPLATE_CACHE`, else `$XDG_CACHE_HOME/footplate`."""
    if explicit := environment.get("FOOTPLATE_CACHE"):
        return Path(explicit).expanduser().absolute()
    base = environment.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "footplate"


def data_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """State that must outlive a restart: `FOOTPLATE_DATA`, else `$XDG_DATA_HOME/footplate`."""
    if explicit := environment.get("FOOTPLATE_DATA"):
        return Path(explicit).expanduser().absolute()
    base = environment.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser().absolute() / "footplate"


def clusters_directory(environment: Mapping[str, str] = os.environ) -> Path:
    return data_directory(environment) / "clusters"


@dataclass(frozen=True)
class ClusterPaths:
    """The files of one cluster; everything it keeps is below `root`."""

    root: Path

    @property
    def spec(self) -> Path:
        return self.root / "cluster.json"

    @property
    def network(self) -> Path:
        return self.root / "network.json"

    @property
    def kubeconfig(self) -> Path:
        return self.root / "kubeconfig"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def etcd(self) -> Path:
        return self.root / "etcd"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def audit_log(self) -> Path:
        return self.root / "audit" / "audit.log"

    @property
    def config(self) -> Path:
        return self.root / "config"

    @property
    def run(self) -> Path:
        """What describes running processes; worthless once they are gone."""
        return self.root / "run"

    @property
    def plan(self) -> Path:
        return self.run / "plan.json"

    @property
    def status(self) -> Path:
        return self.run / "status.json"

    @property
    def forwarding(self) -> Path:
        """Names the interface whose forwarding the cluster switched on."""
        return self.root / "forwarding"

    @property
    def object_store(self) -> Path:
        return self.root / "object-store.json"

    @property
    def gpu_health(self) -> Path:
        return self.root / "unhealthy-gpus.json"

    @property
    def volumes(self) -> Path:
        return self.root / "volumes"

    @property
    def objects(self) -> Path:
        """The S3 gateway's directory: one directory a bucket."""
        return self.root / "s3" / "buckets"

    @property
    def object_attributes(self) -> Path:
        """What the S3 gateway keeps of objects where files take no extended attributes."""
        return self.root / "s3" / "attributes"

    @property
    def kubelet(self) -> Path:
        return self.root / "kubelet"

    @property
    def containerd(self) -> Path:
        return self.root / "containerd"

    @property
    def pod_logs(self) -> Path:
        return self.root / "pod-logs"

    def log(self, component: str) -> Path:
        return self.logs / f"{component}.log"

    def key(self, name: str) -> Path:
        return self.pki / f"{name}.key"

    def certificate(self, name: str) -> Path:
        return self.pki / f"{name}.crt"

    @property
    def service_account_public_key(self) -> Path:
        return self.pki / "service-account.pub"

    def component_kubeconfig(self, component: str) -> Path:
        return self.config / f"{component}.kubeconfig"
