"""A GPU pool on GKE: a node pool for each step of its ladder, and the ComputeClass that tries them in order.

A node pool has one kind of capacity, so a ladder is several. What a step cannot get, GKE's autoscaler looks for in the next:
https://cloud.google.com/kubernetes-engine/docs/concepts/about-custom-compute-classes
"""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_gcp as gcp
import pulumi_kubernetes as kubernetes

from footplate.api import duration
from footplate.api.gpu_types import FRACTION, GPU_TYPES, SHARE_LABEL, TYPE_LABEL
from providers import spec as asked
from providers.contract import GPU_TAINT, POOL_LABEL, GpuPool, GpuPoolSpec, NodeGroup, ProviderError
from providers.gcp import choosing
from providers.gcp.fabric import FabricNetworks, Interface, fabric_access
from providers.gcp.foundation import Foundation
from providers.gcp.machines import Fabric, Machine
from providers.gcp.names import digest
from providers.gcp.nodes import Place, node_config, node_pool
from providers.gcp.ranges import GPU_PODS

Args = gcp.container

#: Of nodes: the step of the pool's ladder that they came by.
CAPACITY_LABEL = "footplate.dev/capacity"
#: The GPU operator's parts that GKE has its own of. Source: gpu-operator, controllers/state_manager.go.
GKE_HAS = ("driver", "device-plugin", "mig-manager")
CLASS_LABEL = "cloud.google.com/compute-class"
#: Set by GKE itself on nodes with GPUs beside others without; named, so that it is no difference.
PRESENT = asked.Taint(GPU_TAINT, "present")
#: Flex-start's limit. Source: https://cloud.google.com/kubernetes-engine/docs/concepts/dws
FLEX_SECONDS = 7 * 24 * 3600
RESERVATION_KEY = "compute.googleapis.com/reservation-name"
SHARING = {"time-slicing": "TIME_SHARING", "mps": "MPS"}
EFFECTS = {"NoSchedule": "NO_SCHEDULE", "PreferNoSchedule": "PREFER_NO_SCHEDULE", "NoExecute": "NO_EXECUTE"}
#: Of a ComputeClass. Source: https://cloud.google.com/kubernetes-engine/docs/reference/crds/computeclass
MOST_DELAY_MINUTES = 1440


class Pool(pulumi.ComponentResource):
    """`fabric`: makes, or finds, the networks of a fabric in a zone."""

    def __init__(
        self,
        foundation: Foundation,
        place: Place,
        spec: GpuPoolSpec,
        machine: Machine,
        zones: tuple[str, ...],
        fabric: FabricNetworks | None,
        opts: pulumi.ResourceOptions,
    ) -> None:
        self._asked = spec.pool
        super().__init__("footplate:gcp:GpuPool", self._asked.name, None, opts)
        self._foundation = foundation
        self._place = place
        self._machine = machine
        self._zones = zones
        self._interfaces: list[Interface] = fabric.interfaces if fabric else []
        names = [self._step(step, first=index == 0) for index, step in enumerate(self._asked.capacity)]
        self._compute_class(names, spec)
        self.result = GpuPool(
            NodeGroup(
                self._asked.name,
                machine.type,
                self._asked.min_nodes,
                self._asked.max_nodes,
                tuple(step.kind for step in self._asked.capacity),
                self._asked.gpu,
                self._asked.count,
                self._asked.boot_disk,
            ),
            labels={POOL_LABEL: self._asked.name, TYPE_LABEL: self._asked.gpu, **self._asked.labels},
            taints=self._taints(),
            shares=shares(self._asked),
            selector={CLASS_LABEL: self._asked.name, **_share(self._asked)},
            fabric=fabric_access(self._asked, self._interfaces),
        )
        self.register_outputs({})

    def _taints(self) -> list[asked.Taint]:
        return [PRESENT, asked.Taint(CLASS_LABEL, self._asked.name), *self._asked.taints]

    def _step(self, step: asked.Capacity, *, first: bool) -> str:
        """The name of the node pool. The pool's least nodes are the first step's to keep."""
        name = f"{self._asked.name}-{suffix(step)}"
        flex = step.kind == "flex"
        node_pool(
            self._foundation,
            self._place,
            name,
            config=self._node_config(step, name),
            zones=self._zones,
            least=self._asked.min_nodes if first else 0,
            most=self._asked.max_nodes,
            pods=GPU_PODS,
            location_policy="BALANCED" if step.kind == "on-demand" else "ANY",
            # A flex-start node is not replaced: it ends with what runs on it.
            auto_repair=not flex,
            upgrade=_upgrade(flex),
            networks=[
                Args.NodePoolNetworkConfigAdditionalNodeNetworkConfigArgs(network=one.vpc, subnetwork=one.subnet)
                for one in self._interfaces
            ],
            placement=self._placement(step),
            opts=pulumi.ResourceOptions(parent=self),
        )
        return name

    def _node_config(self, step: asked.Capacity, name: str) -> gcp.container.NodePoolNodeConfigArgs:
        pool, ubuntu = self._asked, self._asked.image == "general"
        ssds = self._machine.local_ssds
        return node_config(
            self._foundation,
            self._place,
            machine=self._machine.type,
            disk=pool.boot_disk,
            disk_type=self._machine.disk,
            node_labels=self._labels(step),
            pool=pool.name,
            # Drivers that Google has not signed are not loaded under secure boot.
            secure_boot=not ubuntu,
            ubuntu=ubuntu,
            taints=[
                Args.NodePoolNodeConfigTaintArgs(key=taint.key, value=taint.value, effect=EFFECTS[taint.effect])
                for taint in self._taints()
            ],
            guest_accelerators=[self._accelerator()],
            ephemeral_storage_local_ssd_config=Args.NodePoolNodeConfigEphemeralStorageLocalSsdConfigArgs(
                local_ssd_count=ssds
            )
            if ssds
            else None,
            **_consumption(step),
        )

    def _labels(self, step: asked.Capacity) -> dict[str, str]:
        return {
            POOL_LABEL: self._asked.name,
            CAPACITY_LABEL: step.kind,
            TYPE_LABEL: self._asked.gpu,
            CLASS_LABEL: self._asked.name,
            **_share(self._asked),
            **{f"nvidia.com/gpu.deploy.{part}": "false" for part in GKE_HAS},
            **self._asked.labels,
        }

    def _accelerator(self) -> gcp.container.NodePoolNodeConfigGuestAcceleratorArgs:
        sharing = self._asked.sharing
        profile = sharing.profile if sharing and sharing.mode == "mig" else None
        shared = None
        if sharing and sharing.mode != "mig":
            shared = Args.NodePoolNodeConfigGuestAcceleratorGpuSharingConfigArgs(
                gpu_sharing_strategy=SHARING[sharing.mode], max_shared_clients_per_gpu=sharing.replicas
            )
        return Args.NodePoolNodeConfigGuestAcceleratorArgs(
            type=self._machine.accelerator,
            count=self._asked.count,
            gpu_driver_installation_config=Args.NodePoolNodeConfigGuestAcceleratorGpuDriverInstallationConfigArgs(
                gpu_driver_version="DEFAULT"
            ),
            gpu_partition_size=profile,
            gpu_sharing_config=shared,
        )

    def _placement(self, step: asked.Capacity) -> gcp.container.NodePoolPlacementPolicyArgs | None:
        """A reservation of machines with a fabric is close together by itself."""
        fabric = self._machine.fabric if self._asked.fabric else None
        if fabric is None or step.kind == "reservation":
            return None
        if step.kind == "flex" and fabric is not Fabric.RDMA:
            return None
        return Args.NodePoolPlacementPolicyArgs(type="COMPACT")

    def _compute_class(self, node_pools: list[str], spec: GpuPoolSpec) -> None:
        """Running jobs are not moved to a better step, and only nodes without any GPU in use are taken away."""
        kubernetes.apiextensions.CustomResource(
            self._asked.name,
            api_version="cloud.google.com/v1",
            kind="ComputeClass",
            metadata={"name": self._asked.name},
            spec={
                "priorities": [{"nodepools": [name]} for name in node_pools],
                "nodePoolAutoCreation": {"enabled": False},
                "whenUnsatisfiable": "DoNotScaleUp",
                "activeMigration": {"optimizeRulePriority": False},
                "autoscalingPolicy": {
                    "consolidationDelayMinutes": delay_minutes(self._asked, spec.path),
                    "consolidationThreshold": 0,
                    "gpuConsolidationThreshold": 0,
                },
            },
            opts=pulumi.ResourceOptions(parent=self, provider=spec.cluster.kubernetes),
        )


def suffix(step: asked.Capacity) -> str:
    """Short: a node pool's name has 40 letters at most. A reservation has its own, as there may be several."""
    if step.kind == "reservation":
        return f"res-{digest(step.reservation, 4)}"
    return {"flex": "flex", "spot": "spot", "on-demand": "demand"}[step.kind]


def delay_minutes(pool: asked.GpuPool, path: str) -> int:
    minutes = int(duration.parse(pool.scale_down_after).total_seconds() // 60)
    if not 1 <= minutes <= MOST_DELAY_MINUTES:
        raise ProviderError(
            f"{path}.scaleDownAfter: {pool.scale_down_after!r} is not what GKE can wait: 1m at least, 24h at most"
        )
    return minutes


def check(pool: asked.GpuPool, machine: Machine, zones: tuple[str, ...], path: str) -> None:
    """What only the whole of the pool shows."""
    choosing.check_steps(pool, path)
    choosing.check_sharing(pool, path)
    choosing.check_local_disks(pool, machine, path)
    delay_minutes(pool, path)
    if pool.driver == "operator":
        raise ProviderError(
            f"{path}.driver: GKE installs the driver with the node's image, and the GPU operator none beside it: "
            "set it to image"
        )
    reserved = [step for step in pool.capacity if step.kind == "reservation"]
    if reserved and len(zones) > 1:
        raise ProviderError(
            f"{path}.zones: reservation {reserved[0].reservation!r} is of one zone, and the pool has "
            f"{', '.join(zones)}: name the reservation's alone"
        )


def _consumption(step: asked.Capacity) -> dict[str, Any]:
    if step.kind == "reservation":
        return {
            "reservation_affinity": Args.NodePoolNodeConfigReservationAffinityArgs(
                consume_reservation_type="SPECIFIC_RESERVATION", key=RESERVATION_KEY, values=[step.reservation]
            )
        }
    none = Args.NodePoolNodeConfigReservationAffinityArgs(consume_reservation_type="NO_RESERVATION")
    if step.kind == "flex":
        return {"reservation_affinity": none, "flex_start": True, "max_run_duration": f"{FLEX_SECONDS}s"}
    return {"reservation_affinity": none, "spot": step.kind == "spot"}


def shares(pool: asked.GpuPool) -> int:
    """Of one GPU."""
    if pool.sharing is None:
        return 1
    return GPU_TYPES[pool.gpu].mig[pool.sharing.profile] if pool.sharing.mode == "mig" else pool.sharing.replicas


def _share(pool: asked.GpuPool) -> dict[str, str]:
    """GKE's device plugin counts shares as GPUs: the label tells which nodes have which."""
    if pool.sharing is None:
        return {}
    return {SHARE_LABEL: pool.sharing.profile if pool.sharing.mode == "mig" else FRACTION}


def _upgrade(flex: bool) -> gcp.container.NodePoolUpgradeSettingsArgs:
    """There are no GPUs to spare, so a node is upgraded in place. Flex-start nodes live too short for it."""
    if flex:
        return Args.NodePoolUpgradeSettingsArgs(strategy="SHORT_LIVED")
    return Args.NodePoolUpgradeSettingsArgs(strategy="SURGE", max_surge=0, max_unavailable=1)
