"""Simulated nodes: Node objects whose kubelet is KWOK, with the labels that a cloud's GPU nodes carry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from devcluster.addresses import Endpoints
from devcluster.gpus import parse_gpus
from devcluster.paths import ClusterPaths
from devcluster.plan import Check, Component
from devcluster.spec import ClusterSpec

ANNOTATION = "kwok.x-k8s.io/node"
SIMULATED_LABEL = "footplate.dev/simulated"
ZONES = ("sim-a", "sim-b", "sim-c")


def component(endpoints: Endpoints, paths: ClusterPaths, binaries: Mapping[str, Path]) -> Component:
    kubeconfig = paths.component_kubeconfig("kwok")
    command = (
        str(binaries["kwok"]),
        f"--kubeconfig={kubeconfig}",
        f"--config={paths.config / 'kwok.yaml'}",
        f"--manage-nodes-with-annotation-selector={ANNOTATION}=fake",
        f"--cidr={endpoints.simulated_cidr}",
        f"--node-ip={endpoints.simulated_node}",
        "--node-lease-duration-seconds=40",
        f"--server-address=127.0.0.1:{endpoints.kwok}",
    )
    check = Check("http", f"127.0.0.1:{endpoints.kwok}", "/healthz")
    inputs = (str(kubeconfig), str(paths.config / "kwok.yaml"))
    return Component("kwok", command, after=("kube-apiserver",), check=check, inputs=inputs)


def files(paths: ClusterPaths) -> dict[Path, bytes]:
    return {paths.config / "kwok.yaml": yaml.safe_dump_all(_stages(), sort_keys=False).encode()}


# KWOK's stages (https://kwok.sigs.k8s.io/docs/user/stages-configuration/): a node becomes Ready, a pod becomes Running
# and Ready at once, a deleted pod goes. Unlike KWOK's own, no stage ends the pods of a Job: a training run has no natural
# length here, so whoever simulates one writes the pod's status.
_NODE_READY = """
{{ $now := Now }}
conditions:
{{ range NodeConditions }}
- type: {{ .type | Quote }}
  status: {{ .status | Quote }}
  reason: {{ .reason | Quote }}
  message: {{ .message | Quote }}
  lastHeartbeatTime: {{ $now | Quote }}
  lastTransitionTime: {{ $now | Quote }}
{{ end }}
addresses:
- type: InternalIP
  address: {{ NodeIP | Quote }}
- type: Hostname
  address: {{ .metadata.name | Quote }}
nodeInfo:
  architecture: amd64
  operatingSystem: linux
  kubeletVersion: {{ printf "kwok-%s" Version | Quote }}
  containerRuntimeVersion: kwok
  kernelVersion: kwok
  kubeProxyVersion: kwok
  osImage: ""
  bootID: ""
  machineID: ""
  systemUUID: ""
phase: Running
"""

_POD_RUNNING = """
{{ $now := Now }}
{{ $host := NodeIPWith .spec.nodeName }}
{{ $address := PodIPWith .spec.nodeName (or .spec.hostNetwork false) .metadata.uid .metadata.name .metadata.namespace }}
phase: Running
startTime: {{ $now | Quote }}
hostIP: {{ $host | Quote }}
podIP: {{ $address | Quote }}
podIPs:
- ip: {{ $address | Quote }}
conditions:
{{ range $type := list "Initialized" "PodReadyToStartContainers" "ContainersReady" "Ready" }}
- type: {{ $type | Quote }}
  status: "True"
  lastTransitionTime: {{ $now | Quote }}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: true
  started: true
  restartCount: 0
  state:
    running:
      startedAt: {{ $now | Quote }}
{{ end }}
initContainerStatuses:
{{ range .spec.initContainers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: true
  restartCount: 0
  state:
    {{ if eq .restartPolicy "Always" }}
    running:
      startedAt: {{ $now | Quote }}
    {{ else }}
    terminated:
      exitCode: 0
      reason: Completed
      startedAt: {{ $now | Quote }}
      finishedAt: {{ $now | Quote }}
    {{ end }}
{{ end }}
"""


def _stages() -> list[dict[str, Any]]:
    deletion = ".metadata.deletionTimestamp"
    ready = '.status.conditions.[] | select( .type == "Ready" ) | .status'
    return [
        _stage("node-ready", "Node", {"statusTemplate": _NODE_READY}, (ready, "NotIn", "True")),
        _stage(
            "pod-running",
            "Pod",
            {"statusTemplate": _POD_RUNNING},
            (deletion, "DoesNotExist"),
            (".status.phase", "In", "Pending"),
        ),
        _stage("pod-gone", "Pod", {"delete": True}, (deletion, "Exists")),
    ]


def _stage(name: str, kind: str, then: Mapping[str, Any], *conditions: tuple[str, ...]) -> dict[str, Any]:
    expressions = [
        {"key": key, "operator": operator, **({"values": list(values)} if values else {})}
        for key, operator, *values in conditions
    ]
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": expressions},
            "next": dict(then),
        },
    }


def node_name(index: int) -> str:
    return f"kwok-{index:04d}"


def is_numbered(name: str) -> bool:
    return re.fullmatch(r"kwok-\d{4}", name) is not None


def node(spec: ClusterSpec, index: int) -> dict[str, Any]:
    gpus = parse_gpus(spec.kwok_gpus, "--kwok-gpu")
    name = node_name(index)
    resources = {
        "cpu": spec.kwok_cpu,
        "memory": spec.kwok_memory,
        "ephemeral-storage": "1Ti",
        "pods": str(spec.max_pods),
        **{resource: str(count) for resource, count in (gpus.resources() if gpus else {}).items()},
    }
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "node.kubernetes.io/instance-type": f"simulated-{gpus.type.name.lower()}" if gpus else "simulated-cpu",
        "topology.kubernetes.io/region": "sim",
        "topology.kubernetes.io/zone": ZONES[index % len(ZONES)],
        SIMULATED_LABEL: "true",
        **(gpus.labels() if gpus else {}),
    }
    taints = [{"key": ANNOTATION, "value": "fake", "effect": "NoSchedule"}] if spec.kwok_taint else []
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": {ANNOTATION: "fake"}},
        "spec": {"taints": taints} if taints else {},
        "status": {"capacity": resources, "allocatable": resources},
    }
