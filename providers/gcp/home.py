"""Homes of workspaces: disks that follow their pod within a zone, snapshots on request, and a daily backup of them all."""

from __future__ import annotations

import pulumi
import pulumi_gcp as gcp
import pulumi_kubernetes as kubernetes

from footplate.api import labels
from providers.custom_object import custom_object
from providers.gcp.cluster import Cluster
from providers.gcp.foundation import Foundation
from providers.spec import Home

CLASS = "footplate-home"
DRIVER = "pd.csi.storage.gke.io"
#: Persistent Disk can be attached to all machines with GPUs but the newest (`Machine.attaches_homes`).
DISKS = {"balanced": "pd-balanced", "fast": "pd-ssd"}
MOST_DAYS = 365


class Homes(pulumi.ComponentResource):
    """A home is made in the zone of the node that its workspace is first put on."""

    def __init__(self, foundation: Foundation, cluster: Cluster, asked: Home, opts: pulumi.ResourceOptions) -> None:
        super().__init__("footplate:gcp:Homes", "homes", None, opts)
        inside = pulumi.ResourceOptions(parent=self, provider=cluster.kubernetes)
        kubernetes.storage.v1.StorageClass(
            CLASS,
            metadata={"name": CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
            provisioner=DRIVER,
            parameters={
                "type": DISKS[asked.performance],
                "disk-encryption-kms-key": cluster.disk_key.id,
                "labels": ",".join(f"{key}={value}" for key, value in sorted(foundation.site.labels.items())),
            },
            volume_binding_mode="WaitForFirstConsumer",
            allow_volume_expansion=True,
            reclaim_policy="Delete",
            opts=inside,
        )
        custom_object(
            f"{CLASS}-snapshots",
            "snapshot.storage.k8s.io/v1",
            "VolumeSnapshotClass",
            {
                "metadata": {"name": CLASS},
                "driver": DRIVER,
                "deletionPolicy": "Delete",
                "parameters": {"storage-locations": foundation.region},
            },
            inside,
        )
        if asked.snapshots:
            self._backup(foundation, cluster, asked.snapshots)
        self.register_outputs({})

    def _backup(self, foundation: Foundation, cluster: Cluster, days: int) -> None:
        """Backup for GKE, as disks made by CSI take no snapshot schedule.

        Source: https://cloud.google.com/kubernetes-engine/docs/add-on/backup-for-gke/concepts/backup-for-gke
        """
        key, grants = foundation.key("backups", ["gkebackup"], protect=cluster.protect)
        gcp.gkebackup.BackupPlan(
            "homes",
            name=f"{foundation.site.name}-homes",
            project=foundation.project,
            location=foundation.region,
            cluster=cluster.cluster.id,
            labels=dict(foundation.site.labels),
            retention_policy=gcp.gkebackup.BackupPlanRetentionPolicyArgs(backup_retain_days=days),
            backup_schedule=gcp.gkebackup.BackupPlanBackupScheduleArgs(cron_schedule="17 2 * * *"),
            backup_config=gcp.gkebackup.BackupPlanBackupConfigArgs(
                include_volume_data=True,
                include_secrets=False,
                encryption_key=gcp.gkebackup.BackupPlanBackupConfigEncryptionKeyArgs(gcp_kms_encryption_key=key.id),
                selected_namespace_labels=gcp.gkebackup.BackupPlanBackupConfigSelectedNamespaceLabelsArgs(
                    resource_labels=[
                        gcp.gkebackup.BackupPlanBackupConfigSelectedNamespaceLabelsResourceLabelArgs(
                            key=labels.COMPONENT, value="team"
                        )
                    ]
                ),
            ),
            opts=foundation.options(
                pulumi.ResourceOptions(parent=self), apis=["gkebackup"], after=[*grants, *cluster.ready]
            ),
        )
