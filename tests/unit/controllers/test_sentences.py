"""What people read: why a pod waits, why it ended, what it asks for."""

from typing import Any

import pytest

from footplate.api.resources import Gpu, Resources
from footplate.api.trainingjob import CauseClass
from footplate.controllers import gpus
from footplate.controllers.failure.pods import ending
from footplate.controllers.waiting import pull_cause, unschedulable, waiting
from tests.unit.controllers.build import BORN, ended_pod, pod, running_pod, scheduled

ONE_GPU = Resources(gpu=Gpu(type="H100"))
ASKS = "it asks for 1 CPU, 2Gi memory and 1 H100 GPU"


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            "0/3 nodes are available: 3 Insufficient nvidia.com/gpu. preemption: 0/3 nodes are available: 3 Preemption is "
            "not helpful for scheduling.",
            f"No node has room for it now: {ASKS}, and the nodes lack free GPUs.",
        ),
        (
            "0/9 nodes are available: 1 Insufficient cpu, 2 Insufficient memory, 3 node(s) didn't match Pod's node "
            "affinity/selector, 3 node(s) had untolerated taint(s). no new claims to deallocate",
            f"No node has room for it now: {ASKS}, and the nodes lack free CPUs, lack free memory, have another GPU type "
            "or are reserved for others.",
        ),
        (
            "0/2 nodes are available: 2 node(s) had untolerated taint {node.kubernetes.io/unreachable: }.",
            f"No node has room for it now: {ASKS}, and the nodes do not answer.",
        ),
        (
            "0/2 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }, 1 node(s) had "
            "untolerated taint {dedicated: infra}.",
            f"No node has room for it now: {ASKS}, and the nodes do not answer or are reserved for others.",
        ),
        (
            "0/4 nodes are available: 4 node(s) had volume node affinity conflict.",
            f"No node has room for it now: {ASKS}, and the nodes cannot reach its volume, which is in another zone or on "
            "another node.",
        ),
        (
            "0/1 nodes are available: 1 node(s) were unschedulable.",
            f"No node has room for it now: {ASKS}, and the nodes are closed to new pods.",
        ),
        ('persistentvolumeclaim "data" not found', "It waits for volume claim data, which does not exist."),
        (
            "pod has unbound immediate PersistentVolumeClaims",
            "It waits for its volume to be made by the storage class.",
        ),
        (
            "pod group is unschedulable, minCount (2) cannot be satisfied: 1 scheduled, 0 remaining, pod group preemption: "
            "not eligible due to preemptionPolicy=Never.",
            "There is no room for all of its nodes now: each asks for 1 CPU, 2Gi memory and 1 H100 GPU.",
        ),
        (
            "no nodes available to schedule pods",
            "The cluster has no nodes; it asks for 1 CPU, 2Gi memory and 1 H100 GPU.",
        ),
        (
            "0/1 nodes are available: 1 node(s) had a mood. More.",
            "No node can take it now (0/1 nodes are available: 1 node(s) had a mood).",
        ),
    ],
)
def test_the_scheduler_in_a_persons_words(said: str, sentence: str) -> None:
    assert unschedulable(said, ONE_GPU) == sentence


def test_a_sentence_holds_no_counts_that_change_by_the_minute() -> None:
    few = "0/50 nodes are available: 12 Insufficient nvidia.com/gpu, 38 Insufficient cpu."
    many = "0/50 nodes are available: 44 Insufficient nvidia.com/gpu, 6 Insufficient cpu."
    assert unschedulable(few, ONE_GPU) == unschedulable(many, ONE_GPU)


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ('failed to pull "x": not found', "it does not exist in its registry"),
        (
            "pull access denied, repository does not exist or may require authorization",
            "it does not exist in its registry",
        ),
        ("401 Unauthorized", "its registry does not let the cluster have it"),
        ("dial tcp: lookup registry.invalid: no such host", "its registry cannot be reached"),
        ("write /var/lib: no space left on device", "the node's disk is full"),
        ('couldn\'t parse image name "A:B:C"', "its name is not a valid image reference"),
        ("something else. And more.", "something else"),
        ("", "the node does not say why"),
    ],
)
def test_why_an_image_cannot_be_pulled(message: str, cause: str) -> None:
    assert pull_cause(message) == cause


def main_waits(reason: str, message: str = "") -> dict[str, Any]:
    return {"name": "main", "image": "img:1", "state": {"waiting": {"reason": reason, "message": message}}}


def test_the_same_sentence_whether_the_pull_failed_or_backs_off() -> None:
    pods = [
        pod(conditions=[scheduled()], containerStatuses=[main_waits(reason, message)])
        for reason, message in (
            ("ErrImagePull", 'failed to pull "img:1": not found'),
            ("ImagePullBackOff", 'Back-off pulling image "img:1": ErrImagePull: not found'),
        )
    ]
    first, second = (waiting(p, Resources(), "JupyterLab") for p in pods)
    assert first == second
    assert (first.message, first.stuck) == ("Image img:1 cannot be pulled: it does not exist in its registry.", True)


@pytest.mark.parametrize(
    ("fields", "reason", "placed"),
    [
        ({"node": "", "conditions": []}, "Scheduling", False),
        (
            {"node": "", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]},
            "SchedulingGated",
            False,
        ),
        (
            {"node": "", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]},
            "Unschedulable",
            False,
        ),
        ({"conditions": [scheduled()], "containerStatuses": [main_waits("ContainerCreating")]}, "Starting", True),
        (
            {"conditions": [scheduled()], "containerStatuses": [main_waits("CreateContainerConfigError", "no secret")]},
            "ContainerCreate",
            True,
        ),
        (
            {"conditions": [scheduled()], "initContainerStatuses": [{"name": "prepare", "state": {"running": {}}}]},
            "Preparing",
            True,
        ),
        (
            {
                "conditions": [scheduled()],
                "initContainerStatuses": [{"name": "prepare", "state": {"terminated": {"exitCode": 0}}}],
                "containerStatuses": [main_waits("PodInitializing")],
            },
            "Launching",
            True,
        ),
    ],
)
def test_how_far_a_start_has_come(fields: dict[str, Any], reason: str, placed: bool) -> None:
    found = waiting(pod(**fields), Resources(), "JupyterLab")
    assert (found.reason, found.placed) == (reason, placed)


APP, INFRA, PREEMPTION = CauseClass.APP, CauseClass.INFRA, CauseClass.PREEMPTION


def disrupted(reason: str) -> dict[str, Any]:
    return {"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": reason}], "phase": "Failed"}


@pytest.mark.parametrize(
    ("found", "class_", "evidence"),
    [
        (ended_pod(1), APP, "its process failed with exit code 1"),
        (
            ended_pod(1, message="Traceback:\n  ...\nValueError: bad\n"),
            APP,
            "its process failed with exit code 1: ValueError: bad",
        ),
        (ended_pod(139), APP, "its process failed with exit code 139 (SIGSEGV)"),
        (ended_pod(137, reason="OOMKilled"), APP, "its process ran out of memory"),
        (ended_pod(127), APP, "its process could not be started (exit code 127: command not found)"),
        (
            ended_pod(128, reason="StartError", message='exec: "jupyter": executable file not found in $PATH'),
            APP,
            'its process could not be started (exit code 128: exec: "jupyter": executable file not found in $PATH)',
        ),
        (ended_pod(64, container="prepare", message="Dataset x is missing."), APP, "dataset x is missing"),
        (ended_pod(75, container="prepare", message="The store is away."), INFRA, "the store is away"),
        (ended_pod(1, container="prepare"), APP, "getting code and data ready failed with exit code 1"),
        (pod(**disrupted("PreemptionByScheduler")), PREEMPTION, "its pod was preempted by one of higher priority"),
        (pod(**disrupted("DeletionByTaintManager")), INFRA, "its node n1 became unusable"),
        (pod(**disrupted("EvictionByEvictionAPI")), INFRA, "its pod was evicted from node n1, which is being emptied"),
        (pod(**disrupted("DeletionByPodGC")), INFRA, "its node n1 is gone"),
        (
            pod(phase="Failed", reason="Evicted", message="The node was low on resource: memory."),
            INFRA,
            "node n1 evicted its pod (The node was low on resource: memory)",
        ),
        (
            pod(phase="Failed", reason="UnexpectedAdmissionError", message="no healthy devices"),
            INFRA,
            "node n1 could not give it what it asked for (no healthy devices)",
        ),
        (pod(deletionTimestamp=BORN), INFRA, "its pod was deleted"),
        (ended_pod(143, deletionTimestamp=BORN, deletionGracePeriodSeconds=30), INFRA, "its pod was deleted"),
        (
            ended_pod(1, deletionTimestamp="2026-01-01T11:01:00Z", deletionGracePeriodSeconds=30),
            APP,
            "its process failed with exit code 1",
        ),
    ],
)
def test_why_a_pod_ended(found: Any, class_: CauseClass, evidence: str) -> None:
    end = ending(found)
    assert end is not None
    assert (end.class_, end.evidence) == (class_, evidence)


def test_a_running_pod_has_not_ended_and_only_a_request_at_fault_is_hopeless() -> None:
    assert ending(running_pod()) is None
    hopeless = ending(ended_pod(64, container="prepare"))
    temporary = ending(ended_pod(75, container="prepare"))
    assert hopeless
    assert temporary
    assert (hopeless.hopeless, temporary.hopeless) == (True, False)


@pytest.mark.parametrize(
    ("gpu", "phrase", "resource"),
    [
        (Gpu(), "1 GPU", "nvidia.com/gpu"),
        (Gpu(count=8, type="H100"), "8 H100 GPUs", "nvidia.com/gpu"),
        (Gpu(count=2, type="H100", share="1g.10gb"), "2 1g.10gb shares of H100", "nvidia.com/mig-1g.10gb"),
        (Gpu(share="0.5"), "1 0.5 share of any GPU", "nvidia.com/gpu.shared"),
    ],
)
def test_a_gpu_request_in_words_and_as_a_resource(gpu: Gpu, phrase: str, resource: str) -> None:
    assert (gpu.phrase, gpus.resource(gpu)) == (phrase, resource)


def test_nodes_are_known_by_our_label_or_by_nvidias() -> None:
    assert gpus.type_of({"footplate.dev/gpu-type": "H100"}) == "H100"
    assert gpus.type_of({"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"}) == "A100-80GB"
    assert gpus.type_of({"nvidia.com/gpu.product": "Something-New"}) == "Something-New"
    assert gpus.carries({"nvidia.com/gpu.product": "Tesla-T4"}, "T4")
    assert not gpus.carries({}, "T4")
