"""Of workloads, GPUs, labels and managed jobs."""

from __future__ import annotations

from policies.values import UNKNOWN
from tests.unit.policies.inputs import (
    CHEAP,
    DEPLOYMENT,
    DIGEST,
    GKE,
    GKE_POOL,
    KARPENTER,
    LABELLED,
    LIMITED,
    NAMESPACE,
    TEMPLATE,
    Case,
    domain,
    image,
    karpenter,
    pod,
)

KUBERNETES = (
    Case(
        "image-allowlist",
        DEPLOYMENT,
        right=[image("1234.dkr.ecr.us-east-1.amazonaws.com/train:1"), image("registry.k8s.io/kueue/kueue:v0.14.0")],
        wrong=[
            (image("python:3.12"), "python:3.12"),
            (image("evil.example.com/train:1"), "no registry that is allowed"),
        ],
    ),
    Case(
        "image-no-latest",
        DEPLOYMENT,
        right=[image("ghcr.io/a/b:1"), image("ghcr.io/a/b" + DIGEST), image("registry:5000/a:1"), image(UNKNOWN)],
        wrong=[(image("ghcr.io/a/b"), "name a version"), (image("registry:5000/a:latest"), "name a version")],
    ),
    Case(
        "image-digest-pinned",
        "kubernetes:footplate.dev/v1alpha1:Environment",
        right=[{"spec": {"image": "ghcr.io/a/b:1" + DIGEST}}],
        wrong=[({"spec": {"image": "ghcr.io/a/b:1"}}, "spec.image is ghcr.io/a/b:1")],
    ),
    Case(
        "pod-security-restricted",
        NAMESPACE,
        right=[
            {"metadata": {"name": "a", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}},
            {"metadata": {"name": "kube-system", "labels": {"pod-security.kubernetes.io/enforce": "privileged"}}},
        ],
        wrong=[
            ({"metadata": {"name": "a"}}, "unset: set it to restricted"),
            ({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}, "is baseline"),
            ({"metadata": {"name": "monitoring"}}, "set it to privileged"),
        ],
    ),
    Case(
        "gpu-limit-set",
        DEPLOYMENT,
        right=[
            pod(nodeSelector={"kubernetes.io/os": "linux"}),
            pod(nodeSelector={"footplate.dev/gpu-type": "H100"}, containers=[LIMITED]),
            pod(tolerations=[{"operator": "Exists"}]),
        ],
        wrong=[
            (pod(nodeSelector={"cloud.google.com/gke-accelerator": "nvidia-l4"}), "no container has a limit"),
            (pod(tolerations=[{"key": "nvidia.com/gpu", "operator": "Exists"}]), "tolerations[0]"),
            (
                pod(containers=[{"name": "main", "resources": {"requests": {"nvidia.com/gpu": 2}}}]),
                "requests 2 of nvidia.com/gpu and has no equal limit",
            ),
        ],
    ),
)

GPUS = (
    Case(
        "gpu-types",
        "aws:eks/nodeGroup:NodeGroup",
        right=[{"instanceTypes": ["g6.xlarge", "m7i.large"]}, {"instanceTypes": UNKNOWN}],
        wrong=[
            ({"instanceTypes": ["g6.xlarge", "p5.48xlarge"]}, "instanceTypes p5.48xlarge has the GPU H100"),
            ({"instanceTypes": ["p9.48xlarge"]}, "has the GPU p9.48xlarge"),
        ],
        settings=CHEAP,
    ),
    Case(
        "gpu-types",
        TEMPLATE,
        right=[{"instanceType": "g4dn.xlarge"}],
        wrong=[({"instanceType": "p4d.24xlarge"}, "A100-40GB: this environment allows T4, L4")],
        settings=CHEAP,
    ),
    Case(
        "gpu-types",
        GKE_POOL,
        right=[
            {
                "nodeConfig": {
                    "machineType": "n1-standard-8",
                    "guestAccelerators": [{"type": "nvidia-tesla-t4", "count": 1}],
                }
            },
            {"nodeConfig": {"machineType": "e2-standard-4"}},
        ],
        wrong=[
            ({"nodeConfig": {"machineType": "a3-highgpu-8g"}}, "nodeConfig.machineType a3-highgpu-8g has the GPU H100"),
            (
                {"nodeConfig": {"guestAccelerators": [{"type": "nvidia-tesla-v100", "count": 1}]}},
                "nodeConfig.guestAccelerators.type nvidia-tesla-v100",
            ),
        ],
        settings=CHEAP,
    ),
    Case(
        "gpu-types",
        GKE,
        right=[{"clusterAutoscaling": {"resourceLimits": [{"resourceType": "nvidia-l4", "maximum": 8}]}}],
        wrong=[
            (
                {"clusterAutoscaling": {"resourceLimits": [{"resourceType": "cpu"}, {"resourceType": "nvidia-b200"}]}},
                "B200",
            )
        ],
        settings=CHEAP,
    ),
    Case(
        "gpu-types",
        "aws:sagemaker/trainingJob:TrainingJob",
        right=[{"resourceConfig": {"instanceType": "ml.g6.xlarge"}}],
        wrong=[({"resourceConfig": {"instanceType": "ml.p5.48xlarge"}}, "H100")],
        settings=CHEAP,
    ),
    Case(
        "gpu-types",
        "gcp:vertex/aiPersistentResource:AiPersistentResource",
        right=[{"resourcePools": [{"machineSpec": {"machineType": "g2-standard-4", "acceleratorType": "NVIDIA_L4"}}]}],
        wrong=[({"resourcePools": [{"machineSpec": {"acceleratorType": "NVIDIA_H100_80GB"}}]}, "H100")],
        settings=CHEAP,
    ),
    Case(
        "gpu-types",
        "kubernetes:cloud.google.com/v1:ComputeClass",
        right=[{"spec": {"priorities": [{"nodepools": ["l4"]}, {"gpu": {"type": "nvidia-l4", "count": 1}}]}}],
        wrong=[
            ({"spec": {"priorities": [{"machineType": "a3-highgpu-8g"}]}}, "spec.priorities.machineType a3-highgpu-8g")
        ],
        settings=CHEAP,
    ),
    Case(
        "gpu-types",
        "kubernetes:footplate.dev/v1alpha1:TrainingJob",
        right=[{"spec": {"resources": {"gpu": {"count": 1, "type": "L4"}}}}],
        wrong=[({"spec": {"resources": {"gpu": {"count": 8, "type": "H100"}}}}, "spec.resources.gpu.type H100")],
        settings=CHEAP,
    ),
    Case(
        "gpu-types",
        KARPENTER,
        right=[karpenter(["g6.xlarge"]), karpenter(["m7i.large"])],
        wrong=[(karpenter(["g6.xlarge", "p5.48xlarge"]), "requirements admits H100")],
        settings=CHEAP,
    ),
    Case(
        "reservation-end-date",
        "aws:ec2/capacityReservation:CapacityReservation",
        right=[{"instanceType": "p5.48xlarge", "endDateType": "limited", "endDate": "2027-01-31T00:00:00Z"}],
        wrong=[({"instanceType": "p5.48xlarge"}, "until somebody cancels it"), ({"endDateType": "limited"}, "endDate")],
    ),
    Case(
        "reservation-end-date",
        "gcp:compute/reservation:Reservation",
        right=[{"deleteAtTime": "2027-01-31T00:00:00Z"}, {"deleteAfterDuration": {"seconds": "86400"}}],
        wrong=[({"specificReservation": {"count": 2}}, "deleteAtTime or deleteAfterDuration")],
    ),
    Case(
        "reservation-end-date",
        "gcp:compute/futureReservation:FutureReservation",
        right=[{"autoDeleteAutoCreatedReservations": True}],
        wrong=[({}, "autoCreatedReservationsDeleteTime")],
    ),
    Case(
        "idle-timeout",
        "kubernetes:footplate.dev/v1alpha1:Workspace",
        right=[{"spec": {"idle": {"timeout": "2h"}}}, {"spec": {"desiredState": "Stopped"}}],
        wrong=[({"spec": {"environment": "pytorch"}}, "spec.idle.timeout is unset")],
    ),
    Case(
        "idle-timeout",
        "aws:sagemaker/domain:Domain",
        right=[domain({"idleSettings": {"lifecycleManagement": "ENABLED", "idleTimeoutInMinutes": 60}})],
        wrong=[({"defaultUserSettings": {"executionRole": "r"}}, "is not ENABLED"), (domain({}), "is not ENABLED")],
    ),
    Case(
        "idle-timeout",
        "gcp:workbench/instance:Instance",
        right=[{"gceSetup": {"metadata": {"idle-timeout-seconds": "3600"}}}],
        wrong=[({"gceSetup": {"metadata": {}}}, "idle-timeout-seconds")],
    ),
    Case(
        "idle-timeout",
        "gcp:colab/runtimeTemplate:RuntimeTemplate",
        right=[{}, {"idleShutdownConfig": {"idleTimeout": "3600s"}}],
        wrong=[({"idleShutdownConfig": {"idleTimeout": "0s"}}, "never stop by themselves")],
    ),
)

COST = (
    Case(
        "cost-labels",
        "aws:eks/nodeGroup:NodeGroup",
        right=[{"tags": LABELLED}, {"tags": UNKNOWN}],
        wrong=[({"tags": {"environment": "dev"}}, "tags.owner is unset"), ({}, "tags.environment is unset")],
    ),
    Case(
        "cost-labels",
        GKE_POOL,
        right=[{"nodeConfig": {"resourceLabels": LABELLED}}],
        wrong=[({"nodeConfig": {"labels": LABELLED}}, "nodeConfig.resourceLabels.owner")],
    ),
    Case(
        "launch-template-tags",
        TEMPLATE,
        right=[
            {
                "tagSpecifications": [
                    {"resourceType": "instance", "tags": LABELLED},
                    {"resourceType": "volume", "tags": LABELLED},
                ]
            }
        ],
        wrong=[({"tagSpecifications": [{"resourceType": "instance", "tags": LABELLED}]}, "resourceType volume")],
    ),
)

OFFLOAD = (
    Case(
        "offload-private",
        "aws:sagemaker/domain:Domain",
        right=[{"appNetworkAccessType": "VpcOnly"}],
        wrong=[({}, "appNetworkAccessType")],
    ),
    Case(
        "offload-private",
        "aws:sagemaker/notebookInstance:NotebookInstance",
        right=[{"directInternetAccess": "Disabled"}],
        wrong=[({}, "directInternetAccess")],
    ),
    Case(
        "offload-private",
        "aws:sagemaker/trainingJob:TrainingJob",
        right=[{"vpcConfig": {"subnets": ["s"], "securityGroupIds": ["g"]}}],
        wrong=[({}, "vpcConfig is unset")],
    ),
    Case(
        "offload-private",
        "gcp:vertex/aiPersistentResource:AiPersistentResource",
        right=[{"network": "projects/1/global/networks/n"}, {"pscInterfaceConfig": {"networkAttachment": UNKNOWN}}],
        wrong=[({}, "name the platform's network")],
    ),
    Case(
        "offload-private",
        "gcp:vertex/aiEndpoint:AiEndpoint",
        right=[{"privateServiceConnectConfig": {"enablePrivateServiceConnect": True}}],
        wrong=[({}, "the endpoint is public")],
    ),
    Case(
        "offload-private",
        "gcp:workbench/instance:Instance",
        right=[{"gceSetup": {"disablePublicIp": True}}],
        wrong=[({"gceSetup": {}}, "disablePublicIp")],
    ),
    Case(
        "offload-private",
        "gcp:colab/runtimeTemplate:RuntimeTemplate",
        right=[{"networkSpec": {"enableInternetAccess": False}}],
        wrong=[({}, "enableInternetAccess")],
    ),
    Case(
        "offload-deadline",
        "aws:sagemaker/trainingJob:TrainingJob",
        right=[{"stoppingCondition": {"maxRuntimeInSeconds": 3600}}],
        wrong=[({}, "maxRuntimeInSeconds is unset")],
    ),
)
