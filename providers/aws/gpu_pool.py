"""A pool of GPU nodes: what Karpenter may launch for it, and how its GPUs are offered to pods."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from footplate.api.gpu_types import FRACTION, GPU_TYPES, SHARE_LABEL, TYPE_LABEL
from footplate.api.platform import Fabric
from providers import charts, spec
from providers.aws import machines
from providers.aws.cluster import AwsCluster
from providers.aws.karpenter import Karpenter, dynamic_pool, node_class, pool_template, static_pool
from providers.aws.machines import Machine
from providers.aws.place import Place
from providers.contract import GPU_TAINT, POOL_LABEL, GpuPool, GpuPoolSpec, NodeGroup, ProviderError

#: Step of the ladder → Karpenter's capacity type. It tries them in this order, whatever the order of a list.
CAPACITY = {"reservation": "reserved", "flex": "reserved", "spot": "spot", "on-demand": "on-demand"}

#: The GPU operator's parts, on nodes whose image has them already. Source: gpu-operator, controllers/state_manager.go.
_IMAGE_HAS = ("driver", "container-toolkit", "device-plugin", "mig-manager")


class AwsGpuPool(pulumi.ComponentResource):
    def __init__(
        self, place: Place, cluster: AwsCluster, karpenter: Karpenter, asked: GpuPoolSpec, opts: pulumi.ResourceOptions
    ) -> None:
        pool = asked.pool
        super().__init__("footplate:aws:GpuPool", pool.name, None, opts)
        self._pool, self._path = pool, asked.path
        machine = machines.for_pool(pool, place.region, asked.path)
        kinds = capacity_types(pool, asked.path)
        zones = self._zones(place, machine)
        self._refuse()
        labels = {TYPE_LABEL: pool.gpu, **pool.labels, **self._share_labels(), **self._operator_labels()}
        taints = [spec.Taint(GPU_TAINT, "present"), *pool.taints]
        child = pulumi.ResourceOptions(parent=self, depends_on=[karpenter.release])
        made = node_class(
            pool.name,
            place,
            cluster,
            {
                **self._reservations(),
                **self._disks(machine),
                **self._fabric(machine, asked, child),
                **self._user_data(),
            },
            image=pool.image,
            disk=pool.boot_disk,
            opts=child,
        )
        template = pool_template(pool.name, [machine.type], zones, kinds, labels, [_taint(taint) for taint in taints])
        after = pulumi.ResourceOptions(parent=self, depends_on=[made])
        if pool.min_nodes:
            static_pool(pool.name, pool.min_nodes, template, after)
        if more := pool.max_nodes - pool.min_nodes:
            limits = {"nvidia.com/gpu": str(more * pool.count)}
            dynamic_pool(pool.name, limits, pool.scale_down_after, template, after)
        if pool.sharing is not None:
            self._overlay(machine, after)
        group = NodeGroup(
            pool.name,
            machine.type,
            pool.min_nodes,
            pool.max_nodes,
            [step.kind for step in pool.capacity],
            pool.gpu,
            pool.count,
            pool.boot_disk,
        )
        self.result = GpuPool(
            group, {**labels, POOL_LABEL: pool.name}, taints, resource(pool), shares(pool), fabric=efa(pool, machine)
        )
        self.register_outputs({})

    def _zones(self, place: Place, machine: Machine) -> tuple[str, ...]:
        zones = self._pool.zones or place.site.zones
        if not self._pool.fabric:
            return zones
        if not machine.efa:
            raise ProviderError(
                f"{self._path}.fabric: {machine.type} has no EFA: ask for more GPUs or CPUs a node (the next sizes have "
                "it), or set fabric to false"
            )
        if len(zones) > 1:
            raise ProviderError(
                f"{self._path}.zones: a fabric is within one zone, and there are {', '.join(zones)}: name one"
            )
        return zones

    def _refuse(self) -> None:
        pool, sharing = self._pool, self._pool.sharing
        if pool.driver == "operator":
            raise ProviderError(
                f"{self._path}.driver: AWS's node images bring the driver, and the GPU operator installs none on them: "
                "set it to image"
            )
        if sharing is not None and sharing.mode == "mps" and pool.image == "minimal":
            raise ProviderError(
                f"{self._path}.sharing.mode: Bottlerocket has no MPS: set image to general, or share otherwise"
            )

    def _reservations(self) -> dict[str, Any]:
        ids = [step.reservation for step in self._pool.capacity if step.reservation]
        return {"capacityReservationSelectorTerms": [{"id": id} for id in ids]} if ids else {}

    def _disks(self, machine: Machine) -> dict[str, Any]:
        return {"instanceStorePolicy": "RAID0"} if self._pool.local_disks and machine.disks else {}

    def _fabric(self, machine: Machine, asked: GpuPoolSpec, opts: pulumi.ResourceOptions) -> dict[str, Any]:
        """A cluster placement group, the group that EFA needs, and an EFA interface on every network card.

        Source: EC2 User Guide, "Maximize network bandwidth on Amazon EC2 instances with multiple network cards".
        """
        if not self._pool.fabric:
            return {}
        near = aws.ec2.PlacementGroup(
            self._pool.name,
            name=f"{asked.cluster.name}-{self._pool.name}",
            strategy="cluster",
            opts=opts,
        )
        cards = [{"networkCardIndex": 0, "deviceIndex": 0, "interfaceType": "interface"}]
        cards += [
            {"networkCardIndex": card, "deviceIndex": 0 if card else 1, "interfaceType": "efa-only"}
            for card in range(machine.efa)
        ]
        return {
            "placementGroupSelector": {"name": near.name},
            "securityGroups": [asked.network.fabric],
            "networkInterfaces": cards,
        }

    def _share_labels(self) -> dict[str, str]:
        """Karpenter would start a node of shares for a pod that asks for a whole GPU, were it not for this."""
        sharing = self._pool.sharing
        if sharing is None:
            return {}
        return {SHARE_LABEL: sharing.profile if sharing.mode == "mig" else FRACTION}

    def _operator_labels(self) -> dict[str, str]:
        """How the GPU operator treats the pool's nodes."""
        sharing = self._pool.sharing
        if self._pool.image == "minimal":
            return {f"nvidia.com/gpu.deploy.{part}": "false" for part in _IMAGE_HAS}
        if sharing is None:
            return {}
        if sharing.mode == "mig":
            return {"nvidia.com/mig.config": f"all-{sharing.profile}"}
        return {"nvidia.com/device-plugin.config": f"{sharing.mode}-{sharing.replicas}"}

    def _user_data(self) -> dict[str, Any]:
        """Bottlerocket's own device plugin. Source: bottlerocket.dev, settings.kubelet-device-plugins.nvidia."""
        sharing = self._pool.sharing
        if sharing is None or self._pool.image != "minimal":
            return {}
        lines = ["[settings.kubelet-device-plugins.nvidia]"]
        if sharing.mode == "mig":
            lines += [
                'device-partitioning-strategy = "mig"',
                "[settings.kubelet-device-plugins.nvidia.mig.profile]",
                f'"{_bottlerocket_gpu(self._pool.gpu)}" = "{sharing.profile}"',
            ]
        else:
            lines += [
                'device-sharing-strategy = "time-slicing"',
                "[settings.kubelet-device-plugins.nvidia.time-slicing]",
                f"replicas = {sharing.replicas}",
                "rename-by-default = true",
            ]
        return {"userData": "\n".join(lines) + "\n"}

    def _overlay(self, machine: Machine, opts: pulumi.ResourceOptions) -> None:
        """Karpenter knows whole GPUs; what shares of them a node of the pool will have, it is told."""
        pool = self._pool
        kubernetes.apiextensions.CustomResource(
            f"{pool.name}-shares",
            api_version="karpenter.sh/v1alpha1",
            kind="NodeOverlay",
            metadata={"name": pool.name},
            spec={
                "requirements": [
                    {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": [machine.type]},
                    {"key": "karpenter.sh/nodepool", "operator": "In", "values": [pool.name, f"{pool.name}-base"]},
                ],
                "capacity": {resource(pool): str(shares(pool) * pool.count)},
            },
            opts=opts,
        )


EFA = "vpc.amazonaws.com/efa"
EFA_PLUGIN = charts.Chart(
    "aws-efa-k8s-device-plugin",
    "aws-efa-k8s-device-plugin",
    "v0.5.30",
    "kube-system",
    "https://aws.github.io/eks-charts",
)


def efa_plugin(karpenter: Karpenter, after: list[pulumi.Resource]) -> pulumi.Resource:
    """Offers EFA interfaces to pods. One for all pools, so it is no pool's own."""
    tolerations = [{"key": GPU_TAINT, "operator": "Exists", "effect": "NoSchedule"}]
    return charts.release(
        EFA_PLUGIN, {"tolerations": tolerations}, pulumi.ResourceOptions(parent=karpenter), after=after
    )


def efa(pool: spec.GpuPool, machine: Machine) -> Fabric | None:
    """All of a node's interfaces for one rank. Huge pages are not asked for: Karpenter starts no node for them, so libfabric
    is told to do without.

    Source: EKS User Guide, "Run machine learning training on Amazon EKS with Elastic Fabric Adapter"; fi_efa(7).
    """
    if not pool.fabric:
        return None
    return Fabric(
        pool.gpu,
        pool.count,
        resources={EFA: str(machine.efa)},
        env={"FI_PROVIDER": "efa", "FI_EFA_USE_HUGE_PAGE": "0"},
    )


def capacity_types(pool: spec.GpuPool, path: str) -> list[str]:
    order = list(dict.fromkeys(CAPACITY.values()))
    found: list[str] = []
    for index, step in enumerate(pool.capacity):
        if step.kind == "flex" and not step.reservation:
            raise ProviderError(
                f"{path}.capacity[{index}].reservation: on AWS flexible capacity is a capacity block, which is bought "
                "first: name it (cr-…), or remove the step"
            )
        kind = CAPACITY[step.kind]
        if found and order.index(kind) < order.index(found[-1]):
            raise ProviderError(
                f"{path}.capacity[{index}].kind: on AWS {step.kind} is tried before {pool.capacity[index - 1].kind}: "
                "put it first"
            )
        if kind not in found:
            found.append(kind)
    return found


def resource(pool: spec.GpuPool) -> str:
    if pool.sharing is None:
        return "nvidia.com/gpu"
    return f"nvidia.com/mig-{pool.sharing.profile}" if pool.sharing.mode == "mig" else "nvidia.com/gpu.shared"


def shares(pool: spec.GpuPool) -> int:
    """Of one GPU."""
    if pool.sharing is None:
        return 1
    return GPU_TYPES[pool.gpu].mig[pool.sharing.profile] if pool.sharing.mode == "mig" else pool.sharing.replicas


def _bottlerocket_gpu(gpu: str) -> str:
    """`A100-40GB` → `a100.40gb`, `H100` → `h100.80gb`. Source: bottlerocket-settings-models, nvidia device plugin."""
    sizes = {"H100": "80gb", "H200": "141gb", "B200": "180gb"}
    name, _, size = gpu.partition("-")
    return f"{name}.{size or sizes[gpu]}".lower()


def _taint(taint: spec.Taint) -> dict[str, str]:
    return {"key": taint.key, "value": taint.value, "effect": taint.effect}
