"""Karpenter: it makes the nodes that pods need, of the pools that the stack has, and removes them."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from providers import charts
from providers.aws import iam, machines, permissions
from providers.aws.cluster import AwsCluster
from providers.aws.place import Place
from providers.contract import POOL_LABEL, NodeGroup
from providers.spec import Nodes

_VERSION = "1.14.1"
CHART = charts.Chart(
    "karpenter",
    "oci://public.ecr.aws/karpenter/karpenter",
    _VERSION,
    "karpenter",
    crds=charts.Chart("karpenter-crd", "oci://public.ecr.aws/karpenter/karpenter-crd", _VERSION, "karpenter"),
)

#: Pinned, so that new nodes are what was tried. Source: awslabs/amazon-eks-ami and bottlerocket-os releases.
IMAGES = {"general": "al2023@v20260903", "minimal": "bottlerocket@v1.57.0"}
#: The disk that has images and pods.
DISKS = {"general": "/dev/xvda", "minimal": "/dev/xvdb"}

#: Events that announce the end of a node. Source: Karpenter's getting-started CloudFormation template.
EVENTS = {
    "spot": ("aws.ec2", "EC2 Spot Instance Interruption Warning"),
    "rebalance": ("aws.ec2", "EC2 Instance Rebalance Recommendation"),
    "state": ("aws.ec2", "EC2 Instance State-change Notification"),
    "reservation": ("aws.ec2", "EC2 Capacity Reservation Instance Interruption Warning"),
    "health": ("aws.health", "AWS Health Event"),
}


class Karpenter(pulumi.ComponentResource):
    """Its nodes join with the system group's role, which EKS admits with that group."""

    def __init__(self, name: str, place: Place, cluster: AwsCluster, opts: pulumi.ResourceOptions) -> None:
        super().__init__("footplate:aws:Karpenter", name, None, opts)
        self._place = place
        self._cluster = cluster
        self._child = pulumi.ResourceOptions(parent=self)
        queue = self._queue()
        role = iam.role(
            name,
            place,
            iam.pod_trust(place),
            permissions.karpenter(place, place.role_arn(f"{place.site.name}-node"), place.arn("sqs", place.cluster)),
            self._child,
        )
        identity = aws.eks.PodIdentityAssociation(
            name,
            cluster_name=cluster.eks.name,
            namespace=CHART.namespace,
            service_account="karpenter",
            role_arn=role.arn,
            opts=self._child,
        )
        namespace = charts.namespace(CHART.namespace, CHART.pod_security, self._child)
        values = {
            **charts.ON_SYSTEM_NODES,
            "serviceMonitor": {"enabled": False},
            "settings": {
                "clusterName": place.cluster,
                "clusterEndpoint": cluster.eks.endpoint,
                "interruptionQueue": queue.name,
                # Pods have addresses of subnets of their own.
                "reservedENIs": "1",
                # Without a way to the internet there are no prices to look up.
                "isolatedVPC": cluster.network.closed,
                # Static pools keep minNodes; overlays tell of MIG slices and shares of GPUs that are not there yet.
                "featureGates": {"reservedCapacity": True, "staticCapacity": True, "nodeOverlay": True},
            },
        }
        self.release = charts.release(
            CHART,
            values,
            self._child,
            within=namespace.metadata["name"],
            after=[identity, *cluster.ready],
        )
        self.register_outputs({})

    def _queue(self) -> aws.sqs.Queue:
        queue = aws.sqs.Queue(
            "interruptions",
            name=self._place.cluster,
            message_retention_seconds=300,
            sqs_managed_sse_enabled=True,
            opts=self._child,
        )
        arn = self._place.arn("sqs", self._place.cluster)
        statements: list[dict[str, Any]] = [
            {
                "Sid": "EventBridgeSends",
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn,
                "Condition": {
                    "ArnLike": {"aws:SourceArn": self._place.arn("events", f"rule/{self._place.site.name}-*")}
                },
            },
            {
                "Sid": "OverTlsAlone",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "sqs:*",
                "Resource": arn,
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
        ]
        aws.sqs.QueuePolicy(
            "interruptions",
            queue_url=queue.url,
            policy=json.dumps({"Version": "2012-10-17", "Statement": statements}),
            opts=self._child,
        )
        for name, (source, detail) in EVENTS.items():
            rule = aws.cloudwatch.EventRule(
                name,
                name=f"{self._place.site.name}-{name}",
                event_pattern=json.dumps({"source": [source], "detail-type": [detail]}),
                opts=self._child,
            )
            aws.cloudwatch.EventTarget(name, rule=rule.name, arn=queue.arn, opts=self._child)
        return queue


def node_class(
    name: str,
    place: Place,
    cluster: AwsCluster,
    spec: dict[str, Any],
    *,
    image: str,
    disk: str,
    opts: pulumi.ResourceOptions,
) -> kubernetes.apiextensions.CustomResource:
    """`spec`: what this one has beside what all have. `image` and `disk` as in a pool's config."""
    cluster_group = cluster.eks.vpc_config.apply(lambda config: config.cluster_security_group_id)
    more_groups: list[Any] = spec.pop("securityGroups", [])
    return kubernetes.apiextensions.CustomResource(
        f"{name}-class",
        api_version="karpenter.k8s.aws/v1",
        kind="EC2NodeClass",
        metadata={"name": name},
        spec={
            "amiSelectorTerms": [{"alias": IMAGES[image]}],
            "role": cluster.node_role.name,
            "subnetSelectorTerms": [{"tags": {"karpenter.sh/discovery": place.cluster}}],
            "securityGroupSelectorTerms": [{"id": cluster_group}, *({"id": group} for group in more_groups)],
            "metadataOptions": {
                "httpEndpoint": "enabled",
                "httpTokens": "required",
                # Containers cannot reach the node's identity: they have their own.
                "httpPutResponseHopLimit": 1,
            },
            "blockDeviceMappings": [
                {
                    "deviceName": DISKS[image],
                    "ebs": {
                        "volumeSize": disk,
                        "volumeType": "gp3",
                        "encrypted": True,
                        "deleteOnTermination": True,
                    },
                }
            ],
            "tags": {**place.site.labels, POOL_LABEL: name},
            **spec,
        },
        opts=opts,
    )


class CpuNodes(pulumi.ComponentResource):
    """Nodes without GPUs, for workspaces and jobs that ask for none."""

    def __init__(
        self,
        name: str,
        place: Place,
        cluster: AwsCluster,
        nodes: Nodes,
        karpenter: Karpenter,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("footplate:aws:CpuNodes", name, None, opts)
        machine = machines.for_nodes(nodes, "footplate:kubernetes.cpuNodes")
        child = pulumi.ResourceOptions(parent=self, depends_on=[karpenter.release])
        made = node_class(name, place, cluster, {}, image="minimal", disk=nodes.disk, opts=child)
        kinds = ["spot", "on-demand"] if nodes.spot else ["on-demand"]
        template = pool_template(name, [machine.type], place.site.zones, kinds, {}, [])
        opts = pulumi.ResourceOptions(parent=self, depends_on=[made])
        if nodes.min_nodes:
            static_pool(name, nodes.min_nodes, template, opts)
        dynamic_pool(name, {"cpu": str(machine.cpu * (nodes.max_nodes - nodes.min_nodes))}, "10m", template, opts)
        self.group = NodeGroup(name, machine.type, nodes.min_nodes, nodes.max_nodes, kinds, disk=nodes.disk)
        self.register_outputs({})


def pool_template(
    node_class: str,
    types: list[str],
    zones: tuple[str, ...],
    kinds: list[str],
    labels: dict[str, str],
    taints: list[dict[str, str]],
) -> dict[str, Any]:
    """`kinds`: Karpenter's capacity types."""
    requirements = {
        "node.kubernetes.io/instance-type": types,
        "topology.kubernetes.io/zone": list(zones),
        "karpenter.sh/capacity-type": kinds,
    }
    return {
        "metadata": {"labels": {POOL_LABEL: node_class, **labels}},
        "spec": {
            "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": node_class},
            "requirements": [{"key": key, "operator": "In", "values": values} for key, values in requirements.items()],
            "taints": taints,
            # Long jobs are not cut off for age: images change as nodes come and go.
            "expireAfter": "Never",
        },
    }


def dynamic_pool(
    name: str, limits: dict[str, str], after: str, template: dict[str, Any], opts: pulumi.ResourceOptions
) -> None:
    """From none to `limits`; nodes without pods of users go `after` that time."""
    kubernetes.apiextensions.CustomResource(
        name,
        api_version="karpenter.sh/v1",
        kind="NodePool",
        metadata={"name": name},
        spec={
            "template": template,
            "limits": limits,
            "disruption": {
                "consolidationPolicy": "WhenEmpty",
                "consolidateAfter": after,
                # A node with work on it is not replaced because the stack changed: it goes when it is empty.
                "budgets": [{"nodes": "0", "reasons": ["Drifted"]}, {"nodes": "100%", "reasons": ["Empty"]}],
            },
        },
        opts=opts,
    )


def static_pool(name: str, nodes: int, template: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
    """Nodes that are always there."""
    kubernetes.apiextensions.CustomResource(
        f"{name}-base",
        api_version="karpenter.sh/v1",
        kind="NodePool",
        metadata={"name": f"{name}-base"},
        spec={
            "replicas": nodes,
            "template": template,
            "limits": {"nodes": str(nodes)},
            "disruption": {"consolidateAfter": "0s", "budgets": [{"nodes": "1"}]},
        },
        opts=opts,
    )
