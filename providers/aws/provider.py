"""The provider `aws`: EKS with Karpenter, S3, EBS, EFS, FSx for Lustre, ECR, Pod Identity, SageMaker's roles."""

from __future__ import annotations

import re

import pulumi
import pulumi_aws as aws

from providers import spec
from providers.aws import filesystems
from providers.aws.buckets import AwsBuckets
from providers.aws.cluster import AwsCluster
from providers.aws.filesystems import AwsFilesystems
from providers.aws.gpu_pool import AwsGpuPool, efa_plugin
from providers.aws.identity import AwsIdentity
from providers.aws.ingress import AwsIngress
from providers.aws.karpenter import CpuNodes, Karpenter
from providers.aws.network import AwsNetwork
from providers.aws.offload import AwsOffload
from providers.aws.place import Place
from providers.aws.registry import AwsRegistry
from providers.contract import (
    Cluster,
    ClusterSpec,
    GpuPool,
    GpuPoolSpec,
    Ingress,
    IngressSpec,
    Network,
    NetworkSpec,
    ObjectStore,
    ObjectStoreSpec,
    OffloadTarget,
    OffloadTargetSpec,
    ProviderError,
    Registry,
    RegistrySpec,
    SharedFilesystem,
    SharedFilesystemSpec,
    Site,
    WorkloadIdentity,
    WorkloadIdentitySpec,
)


class AwsProvider:
    """Everything is made in the account and region of `site`, and by the account's number nowhere else."""

    def __init__(self, site: Site) -> None:
        if not re.fullmatch(r"\d{12}", site.account):
            raise ProviderError(
                f"footplate:account: {site.account!r} is no AWS account: its number of 12 digits, in quotes"
            )
        if not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", site.region):
            raise ProviderError(f"footplate:region: {site.region!r} is no region of AWS: such as us-east-2")
        if len(site.zones) < 2:
            raise ProviderError("footplate:zones: EKS needs two zones at least: add one, of which no GPU is asked")
        self._place = Place(site)
        self._aws = aws.Provider(
            "aws",
            region=site.region,
            allowed_account_ids=[site.account],
            default_tags=aws.ProviderDefaultTagsArgs(tags={**site.labels, "footplate": site.name}),
        )
        self._made: tuple[AwsCluster, Karpenter] | None = None
        self._efa_plugin: list[pulumi.Resource] = []

    def _opts(self, opts: pulumi.ResourceOptions) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(providers=[self._aws]))

    @property
    def _cluster(self) -> tuple[AwsCluster, Karpenter]:
        assert self._made is not None, "cluster() comes first"
        return self._made

    def network(self, spec: NetworkSpec, opts: pulumi.ResourceOptions) -> Network:
        return AwsNetwork(self._place, spec, self._opts(opts)).result

    def cluster(self, spec: ClusterSpec, opts: pulumi.ResourceOptions) -> Cluster:
        assert spec.network is not None, "network() comes first"
        return self._make_cluster(spec, spec.network, self._opts(opts))

    def _make_cluster(self, asked: ClusterSpec, network: Network, opts: pulumi.ResourceOptions) -> Cluster:
        cluster = AwsCluster(self._place, asked, network, opts)
        within = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(providers=[cluster.kubernetes]))
        karpenter = Karpenter("karpenter", self._place, cluster, within)
        self._made = cluster, karpenter
        nodes = (asked.asked or spec.Kubernetes()).cpu_nodes
        cpu = CpuNodes("cpu", self._place, cluster, nodes, karpenter, within)
        child = pulumi.ResourceOptions(provider=cluster.kubernetes)
        home = filesystems.home_classes(asked.home or spec.Home(), cluster.ready, child)
        return Cluster(
            kubernetes=cluster.kubernetes,
            name=self._place.cluster,
            id=cluster.eks.name,
            home_class=home,
            groups=[cluster.group, cpu.group],
            values={"gpu-operator": {"driver": {"enabled": False}, "toolkit": {"enabled": False}}},
            ready=[*cluster.ready, karpenter.release],
        )

    def gpu_pool(self, spec: GpuPoolSpec, opts: pulumi.ResourceOptions) -> GpuPool:
        cluster, karpenter = self._cluster
        within = pulumi.ResourceOptions.merge(self._opts(opts), pulumi.ResourceOptions(providers=[cluster.kubernetes]))
        if spec.pool.fabric and not self._efa_plugin:
            self._efa_plugin = [efa_plugin(karpenter, cluster.ready)]
        return AwsGpuPool(self._place, cluster, karpenter, spec, within).result

    def object_store(self, spec: ObjectStoreSpec, opts: pulumi.ResourceOptions) -> ObjectStore:
        if spec.uri:
            raise ProviderError(
                "footplate:objectStore.uri: on AWS the stack makes its own buckets, which each team reaches by its own "
                "role: remove the key, and set storage.bucketPrefix"
            )
        assert spec.asked is not None, "checked with the config"
        return AwsBuckets("buckets", self._place, spec.asked, spec.teams, self._opts(opts)).result

    def shared_filesystem(self, spec: SharedFilesystemSpec, opts: pulumi.ResourceOptions) -> SharedFilesystem:
        if spec.shared is None and spec.scratch is None:
            return SharedFilesystem()
        cluster, _ = self._cluster
        within = pulumi.ResourceOptions.merge(self._opts(opts), pulumi.ResourceOptions(providers=[cluster.kubernetes]))
        return AwsFilesystems(self._place, cluster, spec, within).result

    def registry(self, spec: RegistrySpec, opts: pulumi.ResourceOptions) -> Registry:
        return AwsRegistry(self._place, spec, self._opts(opts)).result

    def workload_identity(self, spec: WorkloadIdentitySpec, opts: pulumi.ResourceOptions) -> WorkloadIdentity:
        cluster, _ = self._cluster
        return AwsIdentity(self._place, cluster, spec, self._opts(opts)).result

    def offload_target(self, spec: OffloadTargetSpec, opts: pulumi.ResourceOptions) -> OffloadTarget:
        return AwsOffload(self._place, spec, self._opts(opts)).result

    def ingress(self, spec: IngressSpec, opts: pulumi.ResourceOptions) -> Ingress:
        cluster, _ = self._cluster
        within = pulumi.ResourceOptions.merge(self._opts(opts), pulumi.ResourceOptions(providers=[cluster.kubernetes]))
        return AwsIngress(self._place, cluster, spec, within).result
