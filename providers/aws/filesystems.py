"""Volumes: EBS for homes, EFS for many writers, FSx for Lustre beside the GPUs."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from providers import scratch_volumes, spec
from providers.aws.cluster import FILESYSTEM_ADD_ONS, AwsCluster, gib
from providers.aws.place import Place
from providers.contract import ProviderError, SharedFilesystem, SharedFilesystemSpec
from providers.custom_object import custom_object

HOME_CLASS = "footplate-home"
SHARED_CLASS = "footplate-shared"

#: MB/s per TiB of persistent SSD filesystems. Source: FSx for Lustre User Guide, "Performance" (PERSISTENT_2).
LUSTRE_THROUGHPUT = (125, 250, 500, 1000)
#: GiB: 1200, then multiples of 2400. Source: FSx API reference, CreateFileSystem, StorageCapacity.
LUSTRE_STEP = 2400


def home_classes(home: spec.Home, after: list[pulumi.Resource], opts: pulumi.ResourceOptions) -> str:
    """A volume is made in the zone where its pod will run."""
    child = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=after))
    fast = {"iops": "6000", "throughput": "500"} if home.performance == "fast" else {}
    kubernetes.storage.v1.StorageClass(
        HOME_CLASS,
        metadata={"name": HOME_CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        provisioner="ebs.csi.aws.com",
        parameters={"type": "gp3", "encrypted": "true", **fast},
        volume_binding_mode="WaitForFirstConsumer",
        allow_volume_expansion=True,
        reclaim_policy="Delete",
        opts=child,
    )
    if home.snapshots:
        custom_object(
            f"{HOME_CLASS}-snapshots",
            "snapshot.storage.k8s.io/v1",
            "VolumeSnapshotClass",
            {"metadata": {"name": HOME_CLASS}, "driver": "ebs.csi.aws.com", "deletionPolicy": "Delete"},
            child,
        )
    return HOME_CLASS


class AwsFilesystems(pulumi.ComponentResource):
    def __init__(
        self, place: Place, cluster: AwsCluster, asked: SharedFilesystemSpec, opts: pulumi.ResourceOptions
    ) -> None:
        super().__init__("footplate:aws:Filesystems", "filesystems", None, opts)
        self._place = place
        self._cluster = cluster
        self._network = asked.network
        self._key = asked.store.key
        self._child = pulumi.ResourceOptions(parent=self)
        if asked.shared is not None:
            self._efs(asked.shared)
        if asked.scratch is not None:
            self._lustre(asked.scratch, asked.teams)
        self.result = SharedFilesystem(
            SHARED_CLASS if asked.shared is not None else "",
            scratch_volumes.SCRATCH_CLASS if asked.scratch is not None else "",
        )
        self.register_outputs({})

    def _group(self, name: str, ports: list[tuple[int, int]]) -> aws.ec2.SecurityGroup:
        group = aws.ec2.SecurityGroup(
            name,
            description=f"{name} from the stack's nodes",
            vpc_id=self._network.id,
            tags={"Name": f"{self._place.site.name}-{name}"},
            opts=self._child,
        )
        for first, last in ports:
            aws.vpc.SecurityGroupIngressRule(
                f"{name}-{first}",
                security_group_id=group.id,
                cidr_ipv4=self._network.cidr,
                ip_protocol="tcp",
                from_port=first,
                to_port=last,
                opts=self._child,
            )
        return group

    def _efs(self, shared: spec.SharedFilesystem) -> None:
        group = self._group("shared", [(2049, 2049)])
        filesystem = aws.efs.FileSystem(
            "shared",
            encrypted=True,
            kms_key_id=self._key,
            performance_mode="generalPurpose",
            throughput_mode="elastic" if shared.performance == "fast" else "bursting",
            lifecycle_policies=[
                aws.efs.FileSystemLifecyclePolicyArgs(transition_to_ia="AFTER_30_DAYS"),
                aws.efs.FileSystemLifecyclePolicyArgs(transition_to_primary_storage_class="AFTER_1_ACCESS"),
            ],
            tags={"Name": f"{self._place.site.name}-shared"},
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        aws.efs.BackupPolicy(
            "shared",
            file_system_id=filesystem.id,
            backup_policy=aws.efs.BackupPolicyBackupPolicyArgs(status="ENABLED"),
            opts=self._child,
        )
        targets: list[pulumi.Resource] = [
            aws.efs.MountTarget(
                f"shared-{zone}",
                file_system_id=filesystem.id,
                subnet_id=subnet,
                security_groups=[group.id],
                opts=self._child,
            )
            for zone, subnet in self._network.subnets.items()
        ]
        driver = self._cluster.add_on(FILESYSTEM_ADD_ONS["efs"], after=self._cluster.ready)
        kubernetes.storage.v1.StorageClass(
            SHARED_CLASS,
            metadata={"name": SHARED_CLASS},
            provisioner="efs.csi.aws.com",
            parameters={
                "provisioningMode": "efs-ap",
                "fileSystemId": filesystem.id,
                "directoryPerms": "0770",
                "basePath": "/volumes",
            },
            mount_options=["tls"],
            reclaim_policy="Retain",
            opts=pulumi.ResourceOptions(parent=self, depends_on=[driver, *targets]),
        )

    def _lustre(self, scratch: spec.Scratch, teams: Sequence[str]) -> None:
        if scratch.throughput not in LUSTRE_THROUGHPUT:
            offered = ", ".join(str(step) for step in LUSTRE_THROUGHPUT)
            raise ProviderError(
                f"footplate:scratch.throughput: FSx for Lustre has no {scratch.throughput} MB/s per TiB: {offered} can be had"
            )
        size = gib(scratch.size)
        if size != LUSTRE_STEP // 2 and size % LUSTRE_STEP:
            raise ProviderError(
                f"footplate:scratch.size: {scratch.size} is no size of FSx for Lustre: 1200Gi, or a multiple of {LUSTRE_STEP}Gi"
            )
        zone = scratch.zone or self._place.site.zones[0]
        group = self._group("scratch", [(988, 988), (1018, 1023)])
        aws.vpc.SecurityGroupIngressRule(
            "scratch-itself",
            security_group_id=group.id,
            referenced_security_group_id=group.id,
            ip_protocol="-1",
            opts=self._child,
        )
        aws.vpc.SecurityGroupEgressRule(
            "scratch", security_group_id=group.id, cidr_ipv4=self._network.cidr, ip_protocol="-1", opts=self._child
        )
        filesystem = aws.fsx.LustreFileSystem(
            "scratch",
            subnet_ids=self._network.subnets[zone],
            security_group_ids=[group.id],
            deployment_type="PERSISTENT_2",
            storage_type="SSD",
            storage_capacity=size,
            per_unit_storage_throughput=scratch.throughput,
            data_compression_type="LZ4",
            kms_key_id=self._key,
            tags={"Name": f"{self._place.site.name}-scratch"},
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        driver = self._cluster.add_on(FILESYSTEM_ADD_ONS["fsx"], after=self._cluster.ready)
        scratch_volumes.storage_class(self._child)
        for team in teams:
            csi = {
                "driver": "fsx.csi.aws.com",
                "volume_handle": filesystem.id.apply(lambda id, team=team: f"{id}-{team}"),
                "volume_attributes": {"dnsname": filesystem.dns_name, "mountname": filesystem.mount_name},
            }
            after = pulumi.ResourceOptions(parent=self, depends_on=[driver])
            scratch_volumes.team_volume(team, scratch.size, csi, after, mount_options=["flock"])
