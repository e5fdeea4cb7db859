"""EKS: the control plane, who may enter it, the system nodes, and the add-ons that AWS keeps."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from footplate.api import quantity
from providers import charts, spec
from providers.aws import iam, keys, machines, versions
from providers.aws.place import Place
from providers.contract import POOL_LABEL, SYSTEM_POOL, SYSTEM_TAINT, ClusterSpec, Network, NodeGroup, ProviderError
from providers.kubernetes_provider import kubernetes_provider

LOGS = ("api", "audit", "authenticator", "controllerManager", "scheduler")

NODE_POLICIES = (
    iam.Managed("AmazonEKSWorkerNodePolicy", "A node describes itself and joins the cluster."),
    iam.Managed("AmazonEC2ContainerRegistryPullOnly", "The kubelet pulls images."),
)


@dataclass(frozen=True)
class AddOn:
    """`account`: the service account in kube-system that `policy` is for. `needs`: what of the stack asks for it."""

    name: str
    account: str = ""
    policy: iam.Managed | None = None
    needs: str = ""
    values: dict[str, Any] | None = None


#: Until Karpenter runs there are no other nodes. The rest of the add-ons tolerate the taint of their own accord.
ON_SYSTEM_NODES = {"tolerations": charts.ON_SYSTEM_NODES["tolerations"]}

#: Source: EKS User Guide, "AWS add-ons". The versions are those that EKS has as default for the cluster's version.
ADD_ONS = (
    AddOn("eks-pod-identity-agent"),
    AddOn(
        "vpc-cni",
        "aws-node",
        iam.Managed("AmazonEKS_CNI_Policy", "The CNI attaches network interfaces and addresses for pods."),
        values={
            # Network policies are enforced by the CNI's own agent; prefixes give a node as many pods as the kubelet takes.
            "enableNetworkPolicy": "true",
            "env": {"ENABLE_PREFIX_DELEGATION": "true", "WARM_PREFIX_TARGET": "1"},
        },
    ),
    AddOn("kube-proxy"),
    AddOn("coredns"),
    AddOn("metrics-server", values=ON_SYSTEM_NODES),
    AddOn("eks-node-monitoring-agent"),
    AddOn(
        "aws-ebs-csi-driver",
        "ebs-csi-controller-sa",
        iam.Managed(
            "AmazonEBSCSIDriverPolicyV2", "The driver makes and attaches the volumes that it has tagged itself."
        ),
    ),
    AddOn("snapshot-controller", values=ON_SYSTEM_NODES),
    # Each pod reads with its own identity, so the driver has none.
    AddOn("aws-mountpoint-s3-csi-driver"),
)

#: Installed with the filesystem that needs it.
FILESYSTEM_ADD_ONS = {
    "efs": AddOn(
        "aws-efs-csi-driver",
        "efs-csi-controller-sa",
        iam.Managed(
            "service-role/AmazonEFSCSIDriverPolicy", "The driver makes access points that it has tagged itself."
        ),
    ),
    "fsx": AddOn("aws-fsx-csi-driver"),
}


class AwsCluster(pulumi.ComponentResource):
    def __init__(self, place: Place, asked: ClusterSpec, network: Network, opts: pulumi.ResourceOptions) -> None:
        super().__init__("footplate:aws:Cluster", asked.name, None, opts)
        self._place = place
        self._kubernetes = asked.asked or spec.Kubernetes()
        self.network = network
        self._child = pulumi.ResourceOptions(parent=self)
        versions.check(self._kubernetes.version)
        if not self._kubernetes.admins:
            raise ProviderError(
                "footplate:kubernetes.admins: is empty: name the roles that administer the cluster by their ARNs, that of "
                "`pulumi up` among them"
            )
        self.eks = self._control_plane(asked.name)
        admins = [self._admin(arn) for arn in self._kubernetes.admins]
        self.node_role = iam.role("node", place, iam.trust("ec2.amazonaws.com", place), NODE_POLICIES, self._child)
        cni = [self.add_on(add_on) for add_on in ADD_ONS[:3]]
        self.group, nodes = self._system_nodes(cni)
        self.add_ons = [self.add_on(add_on, after=[nodes]) for add_on in ADD_ONS[3:]]
        self.ready: list[pulumi.Resource] = [*admins, nodes, *cni, *self.add_ons]
        self.kubernetes = self._access(asked.name, admins)
        self.register_outputs({"name": self.eks.name, "endpoint": self.eks.endpoint})

    def _control_plane(self, name: str) -> aws.eks.Cluster:
        place, asked = self._place, self._kubernetes
        role = iam.role(
            "cluster",
            place,
            iam.trust("eks.amazonaws.com", place, tag_session=True),
            [iam.Managed("AmazonEKSClusterPolicy", "The control plane manages network interfaces of its own.")],
            self._child,
        )
        log_name = f"/aws/eks/{place.cluster}/cluster"
        key = keys.key(
            "cluster",
            place,
            "Kubernetes secrets and audit logs",
            self._child,
            {f"logs.{place.region}.amazonaws.com": place.arn("logs", f"log-group:{log_name}")},
        )
        logs = aws.cloudwatch.LogGroup(
            "audit",
            name=log_name,
            retention_in_days=_retention(asked.audit_log_days),
            kms_key_id=key.arn,
            opts=self._child,
        )
        endpoint = asked.endpoint
        return aws.eks.Cluster(
            name,
            name=place.cluster,
            role_arn=role.arn,
            version=asked.version,
            vpc_config=aws.eks.ClusterVpcConfigArgs(
                subnet_ids=list(self.network.subnets.values()),
                endpoint_private_access=True,
                endpoint_public_access=endpoint.public,
                public_access_cidrs=list(endpoint.cidrs) if endpoint.public else None,
            ),
            kubernetes_network_config=aws.eks.ClusterKubernetesNetworkConfigArgs(
                service_ipv4_cidr=self.network.service_cidr, ip_family="ipv4"
            ),
            access_config=aws.eks.ClusterAccessConfigArgs(
                authentication_mode="API", bootstrap_cluster_creator_admin_permissions=False
            ),
            encryption_config=aws.eks.ClusterEncryptionConfigArgs(
                provider=aws.eks.ClusterEncryptionConfigProviderArgs(key_arn=key.arn), resources=["secrets"]
            ),
            enabled_cluster_log_types=list(LOGS),
            upgrade_policy=aws.eks.ClusterUpgradePolicyArgs(support_type="STANDARD"),
            bootstrap_self_managed_addons=False,
            deletion_protection=asked.deletion_protection,
            opts=pulumi.ResourceOptions(
                parent=self, protect=asked.deletion_protection, depends_on=[logs, *self.network.ready]
            ),
        )

    def _admin(self, arn: str) -> pulumi.Resource:
        """`arn:aws:iam::111122223333:role/platform` → `admin-111122223333-role-platform`."""
        name = f"admin-{arn.rpartition('::')[2].replace(':', '-').replace('/', '-')}"
        entry = aws.eks.AccessEntry(
            name, cluster_name=self.eks.name, principal_arn=arn, type="STANDARD", opts=self._child
        )
        return aws.eks.AccessPolicyAssociation(
            name,
            cluster_name=self.eks.name,
            principal_arn=entry.principal_arn,
            policy_arn=f"arn:{self._place.partition}:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
            access_scope=aws.eks.AccessPolicyAssociationAccessScopeArgs(type="cluster"),
            opts=self._child,
        )

    def _system_nodes(self, after: list[pulumi.Resource]) -> tuple[NodeGroup, aws.eks.NodeGroup]:
        nodes = self._kubernetes.system_nodes
        machine = machines.for_nodes(nodes, "footplate:kubernetes.systemNodes")
        template = aws.ec2.LaunchTemplate(
            "system",
            metadata_options=aws.ec2.LaunchTemplateMetadataOptionsArgs(
                http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1
            ),
            block_device_mappings=[
                aws.ec2.LaunchTemplateBlockDeviceMappingArgs(
                    # Bottlerocket's second disk, which has images and pods. Source: bottlerocket-os, "Storage".
                    device_name="/dev/xvdb",
                    ebs=aws.ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
                        volume_size=gib(nodes.disk), volume_type="gp3", encrypted="true", delete_on_termination="true"
                    ),
                )
            ],
            tag_specifications=[
                aws.ec2.LaunchTemplateTagSpecificationArgs(
                    resource_type=kind, tags={**self._place.site.labels, "Name": f"{self._place.site.name}-system"}
                )
                for kind in ("instance", "volume", "network-interface")
            ],
            update_default_version=True,
            opts=self._child,
        )
        made = aws.eks.NodeGroup(
            "system",
            cluster_name=self.eks.name,
            node_group_name="system",
            node_role_arn=self.node_role.arn,
            subnet_ids=list(self.network.subnets.values()),
            ami_type="BOTTLEROCKET_x86_64",
            capacity_type="SPOT" if nodes.spot else "ON_DEMAND",
            instance_types=[machine.type],
            version=self._kubernetes.version,
            launch_template=aws.eks.NodeGroupLaunchTemplateArgs(
                id=template.id, version=template.latest_version.apply(str)
            ),
            scaling_config=aws.eks.NodeGroupScalingConfigArgs(
                min_size=nodes.min_nodes, max_size=nodes.max_nodes, desired_size=nodes.min_nodes
            ),
            update_config=aws.eks.NodeGroupUpdateConfigArgs(max_unavailable=1),
            labels={POOL_LABEL: SYSTEM_POOL},
            taints=[
                aws.eks.NodeGroupTaintArgs(key=SYSTEM_TAINT, value="true", effect="NO_SCHEDULE"),
            ],
            node_repair_config=aws.eks.NodeGroupNodeRepairConfigArgs(enabled=True),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[*after, *self.network.ready],
                # What somebody or something scaled it to stays.
                ignore_changes=["scalingConfig.desiredSize"],
            ),
        )
        capacity = ("spot",) if nodes.spot else ("on-demand",)
        return NodeGroup("system", machine.type, nodes.min_nodes, nodes.max_nodes, capacity, disk=nodes.disk), made

    def add_on(self, add_on: AddOn, after: list[pulumi.Resource] | None = None) -> pulumi.Resource:
        identity: list[aws.eks.AddonPodIdentityAssociationArgs] = []
        if add_on.policy is not None:
            role = iam.role(add_on.name, self._place, iam.pod_trust(self._place), [add_on.policy], self._child)
            identity = [aws.eks.AddonPodIdentityAssociationArgs(role_arn=role.arn, service_account=add_on.account)]
        return aws.eks.Addon(
            add_on.name,
            cluster_name=self.eks.name,
            addon_name=add_on.name,
            configuration_values=json.dumps(add_on.values) if add_on.values else None,
            pod_identity_associations=identity or None,
            resolve_conflicts_on_create="OVERWRITE",
            resolve_conflicts_on_update="OVERWRITE",
            opts=pulumi.ResourceOptions(parent=self, depends_on=after or []),
        )

    def _access(self, name: str, admins: list[pulumi.Resource]) -> kubernetes.Provider:
        place = self._place

        def kubeconfig(values: dict[str, Any]) -> str:
            authority = values["certificate_authority"]
            return json.dumps(_kubeconfig(place, values["endpoint"], authority["data"]))

        made = pulumi.Output.all(
            endpoint=self.eks.endpoint, certificate_authority=self.eks.certificate_authority
        ).apply(kubeconfig)
        return kubernetes_provider(name, pulumi.ResourceOptions(parent=self, depends_on=admins), kubeconfig=made)


def _kubeconfig(place: Place, endpoint: str, authority: str) -> dict[str, Any]:
    """With the AWS CLI's login, so that no token is kept."""
    command = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "aws",
        "args": ["eks", "get-token", "--cluster-name", place.cluster, "--region", place.region, "--output", "json"],
        "interactiveMode": "Never",
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": place.cluster, "cluster": {"server": endpoint, "certificate-authority-data": authority}}],
        "users": [{"name": "aws", "user": {"exec": command}}],
        "contexts": [{"name": place.cluster, "context": {"cluster": place.cluster, "user": "aws"}}],
        "current-context": place.cluster,
    }


def gib(size: str) -> int:
    """Rounded up, as EBS sells whole GiB."""
    return -(-int(quantity.parse(size)) // 1024**3)


#: Source: CloudWatch Logs API reference, PutRetentionPolicy.
_RETENTIONS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)


def _retention(days: int) -> int:
    """The next that CloudWatch offers."""
    return next(offered for offered in _RETENTIONS if offered >= days)
