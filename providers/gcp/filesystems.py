"""Volumes for many writers: Filestore shares made on demand, and one Managed Lustre instance beside the GPUs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_gcp as gcp
import pulumi_kubernetes as kubernetes

from providers import scratch_volumes, spec
from providers.contract import ProviderError, SharedFilesystem, SharedFilesystemSpec
from providers.gcp.foundation import Foundation
from providers.gcp.network import Network, PrivateServices
from providers.gcp.nodes import gibibytes

SHARED_CLASS = "footplate-shared"

#: MB/s per TiB → GiB that an instance has at least, and grows by.
#: Source: https://cloud.google.com/managed-lustre/docs/create-instance#performance-tiers
LUSTRE_STEPS: Mapping[int, int] = {125: 72000, 250: 36000, 500: 18000, 1000: 9000}


class Filesystems(pulumi.ComponentResource):
    def __init__(
        self,
        foundation: Foundation,
        network: Network,
        asked: SharedFilesystemSpec,
        protect: bool,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("footplate:gcp:Filesystems", "filesystems", None, opts)
        self._foundation = foundation
        self._network = network
        self._kept = protect
        self._child = pulumi.ResourceOptions(parent=self)
        self._inside = pulumi.ResourceOptions(parent=self, provider=asked.cluster.kubernetes)
        self._services = PrivateServices(foundation, network, self._child)
        if asked.shared is not None:
            self._filestore(asked.shared)
        if asked.scratch is not None:
            self._lustre(asked.scratch, asked.teams)
        self.result = SharedFilesystem(
            SHARED_CLASS if asked.shared is not None else "",
            scratch_volumes.SCRATCH_CLASS if asked.scratch is not None else "",
        )
        self.register_outputs({})

    def _filestore(self, shared: spec.SharedFilesystem) -> None:
        """`standard`: shares of instances that GKE makes and grows. `fast`: an instance for each volume, 1Ti at least.

        Source: https://cloud.google.com/kubernetes-engine/docs/how-to/persistent-volumes/optimize-multishares
        """
        key, grants = self._foundation.key("shared", ["file"], protect=self._kept)
        several = {"tier": "enterprise", "multishare": "true", "max-volume-size": "128Gi"}
        kubernetes.storage.v1.StorageClass(
            SHARED_CLASS,
            metadata={"name": SHARED_CLASS},
            provisioner="filestore.csi.storage.gke.io",
            parameters={
                **(several if shared.performance == "standard" else {"tier": "zonal"}),
                "network": self._network.vpc.name,
                "connect-mode": "PRIVATE_SERVICE_ACCESS",
                "instance-encryption-kms-key": key.id,
                "labels": ",".join(f"{name}={value}" for name, value in sorted(self._foundation.site.labels.items())),
            },
            volume_binding_mode="Immediate" if shared.performance == "standard" else "WaitForFirstConsumer",
            allow_volume_expansion=True,
            reclaim_policy="Retain",
            opts=pulumi.ResourceOptions.merge(
                self._inside,
                pulumi.ResourceOptions(depends_on=[self._services.connection, self._foundation.api("file"), *grants]),
            ),
        )

    def _lustre(self, scratch: spec.Scratch, teams: Sequence[str]) -> None:
        site, zone = self._foundation.site, scratch.zone or self._foundation.site.zones[0]
        key, grants = self._foundation.key("scratch", ["lustre"], protect=self._kept)
        instance = gcp.lustre.Instance(
            "scratch",
            instance_id=f"{site.name}-scratch",
            project=self._foundation.project,
            location=zone,
            network=self._network.vpc.id,
            filesystem="scratch",
            capacity_gib=str(capacity(scratch)),
            per_unit_storage_throughput=str(scratch.throughput),
            kms_key=key.id,
            labels=dict(site.labels),
            opts=self._foundation.options(
                self._child,
                apis=["lustre"],
                after=[self._services.connection, *grants],
                protect=self._kept,
            ),
        )
        scratch_volumes.storage_class(self._inside)
        # Source: https://cloud.google.com/kubernetes-engine/docs/how-to/persistent-volumes/lustre-csi-driver-existing-instance
        csi = {
            "driver": "lustre.csi.storage.gke.io",
            "volume_handle": f"{self._foundation.project}/{zone}/{site.name}-scratch",
            "volume_attributes": {
                "ip": instance.mount_point.apply(lambda point: point.partition("@")[0]),
                "filesystem": instance.filesystem,
            },
        }
        for team in teams:
            scratch_volumes.team_volume(team, scratch.size, csi, self._inside)


def capacity(scratch: spec.Scratch) -> int:
    """GiB of the instance."""
    step = LUSTRE_STEPS.get(scratch.throughput)
    if step is None:
        raise ProviderError(
            f"footplate:scratch.throughput: Managed Lustre has no {scratch.throughput} MB/s per TiB: "
            f"{', '.join(map(str, LUSTRE_STEPS))} can be had"
        )
    size = gibibytes(scratch.size)
    if not size or size % step:
        raise ProviderError(
            f"footplate:scratch.size: {scratch.size} is no size of Managed Lustre with {scratch.throughput} MB/s per "
            f"TiB: a multiple of {step}Gi"
        )
    return size
