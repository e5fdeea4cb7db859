"""GKE Standard: private nodes, a private or CIDR-limited endpoint, secrets under the stack's own key, an identity for nodes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date

import pulumi
import pulumi_gcp as gcp
import pulumi_kubernetes as kubernetes

from providers.contract import SYSTEM_POOL, SYSTEM_TAINT, NodeGroup, ProviderError
from providers.gcp import network as networks
from providers.gcp.foundation import Foundation
from providers.gcp.identity import Identities
from providers.gcp.network import Network
from providers.gcp.nodes import SCOPES, Place, cpu_pool
from providers.gcp.versions import VERSIONS, channel
from providers.kubernetes_provider import kubernetes_provider
from providers.spec import Kubernetes

Args = gcp.container

#: Logs of the control plane, audit logs of all requests among them; what pods write is collected from the nodes.
LOGS = ("SYSTEM_COMPONENTS", "APISERVER", "CONTROLLER_MANAGER", "SCHEDULER", "WORKLOADS")
METRICS = ("SYSTEM_COMPONENTS", "APISERVER", "CONTROLLER_MANAGER", "SCHEDULER", "STORAGE")
MEMBER_KINDS = {"user": "User", "group": "Group", "serviceAccount": "User"}


class Cluster(pulumi.ComponentResource):
    """`groups`: nodes without GPUs, as they are paid for."""

    def __init__(
        self,
        foundation: Foundation,
        identities: Identities,
        asked: Kubernetes,
        network: Network,
        today: date,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("footplate:gcp:Cluster", "cluster", None, opts)
        self._foundation = foundation
        self._identities = identities
        self._asked = asked
        self._network = network
        self.protect = asked.deletion_protection
        self._child = pulumi.ResourceOptions(parent=self)
        self._channel = channel(asked.version, today)
        self._admins = [member(index, admin) for index, admin in enumerate(asked.admins)]
        self.disk_key, disk_grants = foundation.key("disks", ["compute"], protect=self.protect)
        secrets_key, secrets_grants = foundation.key("secrets", ["container"], protect=self.protect)
        account = identities.account("nodes", "Nodes of the cluster: logs, metrics and images, no data.", self._child)
        node_roles = identities.in_project("node", account.member, "nodes", self._child)
        self.cluster = self._cluster(secrets_key, account, [*secrets_grants, *network.ready])
        self.node_account = account
        self.place = Place(self.cluster, account, self.disk_key, foundation.site.zones, [node_roles, *disk_grants])
        self.kubernetes = kubernetes_provider("cluster", self._child, kubeconfig=self._kubeconfig())
        pools = self._pools()
        self.groups = [group for group, _ in pools]
        #: Pods find a node from then on.
        self.ready = [made for _, made in pools]
        self._admit()
        self._audit()
        self.register_outputs({"name": self.cluster.name})

    def _cluster(
        self, key: gcp.kms.CryptoKey, account: gcp.serviceaccount.Account, ready: Sequence[pulumi.Resource]
    ) -> gcp.container.Cluster:
        site, asked = self._foundation.site, self._asked
        return gcp.container.Cluster(
            site.name,
            name=site.name,
            project=self._foundation.project,
            location=self._foundation.region,
            node_locations=list(site.zones),
            deletion_protection=asked.deletion_protection,
            resource_labels=dict(site.labels),
            network=self._network.vpc.id,
            subnetwork=self._network.subnet.id,
            networking_mode="VPC_NATIVE",
            ip_allocation_policy=Args.ClusterIpAllocationPolicyArgs(
                cluster_secondary_range_name=networks.PODS_RANGE,
                services_secondary_range_name=networks.SERVICES_RANGE,
            ),
            # Both cannot be changed later without a new cluster, and pools with a fabric need them.
            datapath_provider="ADVANCED_DATAPATH",
            enable_multi_networking=True,
            private_cluster_config=Args.ClusterPrivateClusterConfigArgs(
                enable_private_nodes=True, enable_private_endpoint=not asked.endpoint.public
            ),
            master_authorized_networks_config=self._callers(),
            master_auth=Args.ClusterMasterAuthArgs(
                client_certificate_config=Args.ClusterMasterAuthClientCertificateConfigArgs(
                    issue_client_certificate=False
                )
            ),
            # The platform's settings, which hold no secret, are readable by all who can log in.
            rbac_binding_config=Args.ClusterRbacBindingConfigArgs(
                enable_insecure_binding_system_authenticated=True,
                enable_insecure_binding_system_unauthenticated=False,
            ),
            authenticator_groups_config=self._groups(),
            release_channel=Args.ClusterReleaseChannelArgs(channel=self._channel),
            min_master_version=asked.version,
            maintenance_policy=self._maintenance(),
            workload_identity_config=Args.ClusterWorkloadIdentityConfigArgs(
                workload_pool=f"{self._foundation.project}.svc.id.goog"
            ),
            database_encryption=Args.ClusterDatabaseEncryptionArgs(state="ENCRYPTED", key_name=key.id),
            enable_shielded_nodes=True,
            enable_legacy_abac=False,
            security_posture_config=Args.ClusterSecurityPostureConfigArgs(
                mode="BASIC", vulnerability_mode="VULNERABILITY_DISABLED"
            ),
            logging_config=Args.ClusterLoggingConfigArgs(enable_components=list(LOGS)),
            monitoring_config=Args.ClusterMonitoringConfigArgs(
                enable_components=list(METRICS),
                managed_prometheus=Args.ClusterMonitoringConfigManagedPrometheusArgs(enabled=False),
            ),
            cost_management_config=Args.ClusterCostManagementConfigArgs(enabled=True),
            addons_config=_addons(),
            cluster_autoscaling=Args.ClusterClusterAutoscalingArgs(
                enabled=False, autoscaling_profile="OPTIMIZE_UTILIZATION"
            ),
            # Pools are resources of their own. The one that a cluster begins with is removed, and has no default identity.
            remove_default_node_pool=True,
            initial_node_count=1,
            node_config=Args.ClusterNodeConfigArgs(
                service_account=account.email,
                oauth_scopes=list(SCOPES),
                shielded_instance_config=Args.ClusterNodeConfigShieldedInstanceConfigArgs(
                    enable_secure_boot=True, enable_integrity_monitoring=True
                ),
                workload_metadata_config=Args.ClusterNodeConfigWorkloadMetadataConfigArgs(mode="GKE_METADATA"),
            ),
            opts=self._foundation.options(
                self._child,
                apis=["container", "logging", "monitoring"],
                after=ready,
                protect=self.protect,
                # Both are of the pool that is removed.
                ignore_changes=["nodeConfig", "initialNodeCount"],
            ),
        )

    def _callers(self) -> gcp.container.ClusterMasterAuthorizedNetworksConfigArgs:
        inside = [("nodes", str(self._network.ranges.nodes))]
        outside = [(f"caller-{index}", cidr) for index, cidr in enumerate(self._asked.endpoint.cidrs)]
        return Args.ClusterMasterAuthorizedNetworksConfigArgs(
            cidr_blocks=[
                Args.ClusterMasterAuthorizedNetworksConfigCidrBlockArgs(display_name=name, cidr_block=cidr)
                for name, cidr in (*inside, *outside)
            ],
            gcp_public_cidrs_access_enabled=False,
            private_endpoint_enforcement_enabled=True,
        )

    def _maintenance(self) -> gcp.container.ClusterMaintenancePolicyArgs:
        """Patches on Saturday and Sunday nights; a new minor version only when the stack names it, or support ends."""
        version = next(version for version in VERSIONS if version.minor == self._asked.version)
        return Args.ClusterMaintenancePolicyArgs(
            recurring_window=Args.ClusterMaintenancePolicyRecurringWindowArgs(
                start_time="2026-01-03T01:00:00Z", end_time="2026-01-03T07:00:00Z", recurrence="FREQ=WEEKLY;BYDAY=SA,SU"
            ),
            maintenance_exclusions=[
                Args.ClusterMaintenancePolicyMaintenanceExclusionArgs(
                    exclusion_name="stays-on-its-minor-version",
                    start_time=f"{version.regular.isoformat()}T00:00:00Z",
                    exclusion_options=Args.ClusterMaintenancePolicyMaintenanceExclusionExclusionOptionsArgs(
                        scope="NO_MINOR_UPGRADES", end_time_behavior="UNTIL_END_OF_SUPPORT"
                    ),
                )
            ],
        )

    def _groups(self) -> gcp.container.ClusterAuthenticatorGroupsConfigArgs | None:
        """Groups in RBAC are those below one group of the domain, by Google's own name for it.

        Source: https://cloud.google.com/kubernetes-engine/docs/how-to/google-groups-rbac
        """
        domains = sorted({address.partition("@")[2] for kind, address in self._admins if kind == "group"})
        if len(domains) > 1:
            raise ProviderError(
                f"footplate:kubernetes.admins: groups of {', '.join(domains)}: GKE knows those of one domain: keep one"
            )
        if not domains:
            return None
        return Args.ClusterAuthenticatorGroupsConfigArgs(security_group=f"gke-security-groups@{domains[0]}")

    def _pools(self) -> list[tuple[NodeGroup, gcp.container.NodePool]]:
        path = "footplate:kubernetes"
        taint = Args.NodePoolNodeConfigTaintArgs(key=SYSTEM_TAINT, value="true", effect="NO_SCHEDULE")
        return [
            cpu_pool(
                self._foundation,
                self.place,
                SYSTEM_POOL,
                self._asked.system_nodes,
                f"{path}.systemNodes",
                self._child,
                taints=[taint],
            ),
            cpu_pool(self._foundation, self.place, "cpu", self._asked.cpu_nodes, f"{path}.cpuNodes", self._child),
        ]

    def _admit(self) -> None:
        """Admins reach the API server by IAM, and do there what RBAC lets them: no role of Google's is given."""
        for kind, address in self._admins:
            self._identities.in_project("cluster-access", f"{kind}:{address}", f"admin-{address}", self._child)
        if self._admins:
            kubernetes.rbac.v1.ClusterRoleBinding(
                "footplate-admins",
                metadata={"name": "footplate-admins"},
                role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
                subjects=[
                    {"api_group": "rbac.authorization.k8s.io", "kind": MEMBER_KINDS[kind], "name": address}
                    for kind, address in self._admins
                ],
                opts=pulumi.ResourceOptions(parent=self, provider=self.kubernetes),
            )

    def _audit(self) -> None:
        """Who changed what through the API server, kept as long as the stack says, and longer than other logs."""
        site, project = self._foundation.site, self._foundation.project
        bucket = gcp.logging.ProjectBucketConfig(
            "audit",
            project=project,
            location=self._foundation.region,
            bucket_id=f"{site.name}-audit",
            retention_days=self._asked.audit_log_days,
            description=f"Audit logs of cluster {site.name}",
            opts=self._foundation.options(self._child, apis=["logging"]),
        )
        gcp.logging.ProjectSink(
            "audit",
            name=f"{site.name}-audit",
            project=project,
            destination=bucket.id.apply("logging.googleapis.com/{}".format),
            filter=(
                f'resource.type="k8s_cluster" AND resource.labels.cluster_name="{site.name}" AND '
                'log_id("cloudaudit.googleapis.com/activity")'
            ),
            unique_writer_identity=False,
            opts=self._foundation.options(self._child),
        )

    def _kubeconfig(self) -> pulumi.Output[str]:
        """Credentials are the caller's own, got when they are needed: none are in the state."""
        cluster = self.cluster
        certificate = cluster.master_auth.cluster_ca_certificate
        return pulumi.Output.all(cluster.name, cluster.endpoint, certificate).apply(
            lambda known: _kubeconfig(known[0], known[1], known[2])
        )


def _addons() -> gcp.container.ClusterAddonsConfigArgs:
    return Args.ClusterAddonsConfigArgs(
        horizontal_pod_autoscaling=Args.ClusterAddonsConfigHorizontalPodAutoscalingArgs(disabled=False),
        http_load_balancing=Args.ClusterAddonsConfigHttpLoadBalancingArgs(disabled=False),
        dns_cache_config=Args.ClusterAddonsConfigDnsCacheConfigArgs(enabled=True),
        gce_persistent_disk_csi_driver_config=Args.ClusterAddonsConfigGcePersistentDiskCsiDriverConfigArgs(
            enabled=True
        ),
        gcs_fuse_csi_driver_config=Args.ClusterAddonsConfigGcsFuseCsiDriverConfigArgs(enabled=True),
        gcp_filestore_csi_driver_config=Args.ClusterAddonsConfigGcpFilestoreCsiDriverConfigArgs(enabled=True),
        lustre_csi_driver_config=Args.ClusterAddonsConfigLustreCsiDriverConfigArgs(enabled=True),
        gke_backup_agent_config=Args.ClusterAddonsConfigGkeBackupAgentConfigArgs(enabled=True),
    )


def member(index: int, admin: str) -> tuple[str, str]:
    kind, _, address = admin.partition(":")
    if kind not in MEMBER_KINDS or "@" not in address:
        raise ProviderError(
            f"footplate:kubernetes.admins[{index}]: {admin!r} is no principal of Google Cloud: "
            "write user:, group: or serviceAccount: and the address, such as group:ml-platform@example.com"
        )
    return kind, address


def _kubeconfig(name: str, endpoint: str, certificate: str) -> str:
    """Source: https://cloud.google.com/kubernetes-engine/docs/how-to/cluster-access-for-kubectl"""
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "gke-gcloud-auth-plugin",
        "installHint": "install it with `gcloud components install gke-gcloud-auth-plugin`",
        "provideClusterInfo": True,
        "interactiveMode": "Never",
    }
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": name, "cluster": {"server": f"https://{endpoint}", "certificate-authority-data": certificate}}
            ],
            "users": [{"name": name, "user": {"exec": plugin}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        }
    )
