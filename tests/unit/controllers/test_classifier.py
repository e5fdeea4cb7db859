"""Each source of evidence → class, budget, whether it is tried again, and which nodes are suspect."""

from typing import Any

import msgspec
import pytest

from footplate.api.trainingjob import CauseClass
from footplate.controllers.cluster import Node, Pod
from footplate.controllers.failure import gpu
from footplate.controllers.failure.nodes import gpu_trouble, lost
from footplate.controllers.failure.pods import ending
from footplate.controllers.failure.starts import start_rule
from footplate.controllers.failure.texts import recognise
from footplate.controllers.trainingjob.attempts import cause_of
from footplate.controllers.trainingjob.fate import first_cause
from footplate.controllers.trainingjob.observed import Observed
from tests.unit.controllers.build import BORN, NOW, ended_pod, facts, job, pod, running_pod

APP, INFRA, PREEMPTION, HANG = CauseClass.APP, CauseClass.INFRA, CauseClass.PREEMPTION, CauseClass.HANG


def node(name: str = "n1", *conditions: dict[str, Any], taints: tuple[str, ...] = (), ready: str = "True") -> Node:
    listed = [{"type": "Ready", "status": ready, "lastTransitionTime": BORN}, *conditions]
    spec = {"taints": [{"key": key, "effect": "NoSchedule"} for key in taints]}
    return msgspec.convert({"metadata": {"name": name}, "spec": spec, "status": {"conditions": listed}}, Node)


def failed(message: str = "", code: int = 1, **more: Any) -> Pod:
    return ended_pod(code, message=message, **more)


LOST_TO_MEMORY = "Rank 3 was killed by SIGKILL (out of memory).\nstep 10"
LOST_TO_KILL = "Rank 3 was killed by SIGKILL (not for memory).\nstep 10"
TRACEBACK = 'Traceback (most recent call last):\n  File "train.py", line 3, in <module>\n'


@pytest.mark.parametrize(
    ("found", "class_", "reason", "retry", "suspect"),
    [
        # 137 by itself says nothing.
        (failed(code=137, reason="OOMKilled"), APP, "OutOfMemory", True, False),
        (failed(LOST_TO_MEMORY, 137), APP, "OutOfMemory", True, False),
        (failed(LOST_TO_KILL, 137), INFRA, "Killed", True, False),
        (failed(code=137), INFRA, "Killed", True, False),
        (
            pod(phase="Failed", conditions=[{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]),
            PREEMPTION,
            "Preempted",
            True,
            False,
        ),
        (pod(phase="Failed", reason="DeadlineExceeded"), CauseClass.DEADLINE, "PodDeadline", True, False),
        (failed(code=137, deletionTimestamp=BORN), INFRA, "PodDeleted", True, False),
        # Other codes.
        (failed(code=1), APP, "ProgramFailed", True, False),
        (failed(code=127), APP, "CommandNotStarted", False, False),
        (failed(code=139), APP, "Crashed", True, False),
        (failed(code=143), INFRA, "Terminated", True, False),
        # The node and the kubelet.
        (pod(phase="Failed", reason="Evicted", message="The node was low on memory."), INFRA, "EvictedByNode", True, False),
        (
            pod(phase="Failed", reason="Evicted", message="Pod ephemeral local storage usage exceeds the total limit of containers 1Gi."),
            APP,
            "DiskLimit",
            True,
            False,
        ),
        (pod(phase="Failed", reason="UnexpectedAdmissionError"), INFRA, "DeviceNotAllocated", True, True),
        (pod(phase="Failed", reason="OutOfnvidia.com/gpu"), CauseClass.CAPACITY, "NodeFull", True, False),
        # What programs say.
        (failed("torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB"), APP, "GpuOutOfMemory", True, False),
        (failed("RuntimeError: CUDA error: uncorrectable ECC error encountered"), INFRA, "GpuHardware", True, True),
        (failed("NVRM: Xid (PCI:0000:65:00): 79, pid=1, GPU has fallen off the bus."), INFRA, "GpuHardware", True, True),
        (failed("NVRM: Xid (PCI:0000:65:00): 31, Ch 00000008, MMU Fault"), APP, "GpuProgramError", True, False),
        (failed("RuntimeError: CUDA error: device-side assert triggered"), APP, "GpuProgramError", True, False),
        (failed("RuntimeError: No CUDA-capable device; no CUDA-capable device is detected"), INFRA, "GpuMissing", True, True),
        (failed("CUDA error: no kernel image is available for execution on the device"), APP, "GpuImageMismatch", False, False),
        (failed("[Rank 5] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=3)"), HANG, "CollectiveTimeout", True, False),
        (failed("ncclRemoteError: A call failed possibly due to a network error"), INFRA, "RankLost", True, False),
        (failed("RuntimeError: [gloo/pair.cc:534] Connection closed by peer [10.0.0.3]:1"), INFRA, "RankLost", True, False),
        (failed("ncclSystemError: System call (e.g. socket, malloc) failed"), INFRA, "Network", True, False),
        (failed("OSError: [Errno 28] No space left on device"), INFRA, "DiskFull", True, True),
        (failed("OSError: [Errno 116] Stale file handle"), INFRA, "Storage", True, True),
        (failed('botocore.exceptions.EndpointConnectionError: Could not connect to the endpoint URL: "http://x"'), INFRA, "StoreAway", True, False),
        (failed(TRACEBACK + "footplate.data.errors.DataError: The object store of s3://b does not answer: x."), INFRA, "StoreAway", True, False),
        (failed(TRACEBACK + "footplate.data.errors.CorruptData: s3://b/1.tar is damaged."), APP, "DataDamaged", False, False),
        (failed(TRACEBACK + "ValueError: loss is nan"), APP, "PythonException", True, False),
        (failed(TRACEBACK + "ModuleNotFoundError: No module named 'einops'"), APP, "CodeError", False, False),
        (failed(TRACEBACK + "MemoryError"), APP, "OutOfMemory", True, False),
        # Before the program.
        (failed("Dataset x is missing.", 64, container="prepare"), APP, "RequestAtFault", False, False),
        (failed("The object store does not answer.", 75, container="prepare"), INFRA, "StoreAway", True, False),
        (failed("The disk of this node is full: x does not fit.", 75, container="prepare"), INFRA, "DiskFull", True, True),
    ],
)  # fmt: skip
def test_evidence_is_classified(found: Pod, class_: CauseClass, reason: str, retry: bool, suspect: bool) -> None:
    end = ending(found)
    assert end is not None
    cause = cause_of(end)
    assert (cause.class_, cause.reason, cause.retry) == (class_, reason, retry), cause.evidence
    assert cause.suspect_nodes == (("n1",) if suspect else ())
    assert cause.evidence
    assert not cause.evidence.endswith(".")
    budgets = {APP: "app", INFRA: "infra", PREEMPTION: "preemption", HANG: "infra", CauseClass.CAPACITY: "capacity"}
    assert cause.budget == budgets.get(class_)


def test_the_evidence_quotes_what_was_recognised() -> None:
    rank_3 = "Rank 3 exited with code 1: KeyError: 'x'.\n" + TRACEBACK + "KeyError: 'x'"
    xid = "NVRM: Xid (PCI:0000:65:00): 79, GPU has fallen off the bus"
    for found, evidence in (
        (failed(TRACEBACK + "ValueError: loss is nan"), "its process failed with exit code 1: ValueError: loss is nan"),
        (failed(rank_3), "rank 3 exited with code 1: KeyError: 'x'"),
        (
            failed(f"ok\n{xid}.\nlast"),
            f"a GPU of node n1 has fallen off the bus (Xid 79): its process failed with exit code 1: {xid}",
        ),
        (
            failed(LOST_TO_KILL, 137),
            "a process was killed from outside (SIGKILL, not for memory): rank 3 was killed by SIGKILL (not for memory)",
        ),
    ):
        end = ending(found)
        assert end is not None
        assert end.evidence == evidence


@pytest.mark.parametrize("code", gpu.XIDS)
def test_a_gpu_that_needs_a_reset_makes_its_node_suspect_and_a_programs_error_does_not(code: int) -> None:
    found = recognise(f"kernel: NVRM: Xid (PCI:0000:65:00): {code}, pid=7")
    assert found is not None
    assert found[0].suspect is (found[0].class_ is INFRA)
    assert found[0].class_ is (APP if code in (13, 31, 43, 45) else INFRA)


@pytest.mark.parametrize(
    ("condition", "bad"),
    [
        ({"type": "AcceleratedHardwareReady", "status": "False", "reason": "NvidiaXID79Error"}, True),
        ({"type": "AcceleratedHardwareReady", "status": "True"}, False),
        ({"type": "GPUMissing", "status": "True", "message": "7 of 8"}, True),
        ({"type": "NebiusGPUError", "status": "False"}, False),
        ({"type": "GpuXidError", "status": "True", "reason": "Xid48"}, True),
        ({"type": "MemoryPressure", "status": "True"}, False),
    ],
)
def test_conditions_by_which_monitors_report_gpus(condition: dict[str, str], bad: bool) -> None:
    assert (gpu_trouble(node("n1", condition)) is not None) is bad


def seen(*nodes: Node | None, name: str = "n1") -> Observed:
    return Observed(facts(), nodes={(found.metadata.name if found else name): found for found in nodes})


def test_a_rank_on_a_node_that_does_not_answer_is_lost_before_kubernetes_evicts_it() -> None:
    silent = node(ready="Unknown")
    early = NOW.replace(hour=11, minute=0, second=20)
    assert first_cause(job(), [running_pod()], seen(silent), early) is None, "it may come back at once"
    end = first_cause(job(), [running_pod()], seen(silent), NOW)
    assert end is not None
    assert (end.reason, end.evidence, end.suspects) == ("NodeNotReady", "node n1 does not answer", ("n1",))
    assert lost(node()) is None


def test_a_node_that_is_gone_is_a_cause_and_one_that_is_only_new_is_not() -> None:
    just = running_pod()
    assert first_cause(job(), [just], seen(None), NOW.replace(hour=11, minute=0, second=10)) is None
    end = first_cause(job(), [just], seen(None), NOW)
    assert end is not None
    assert end.reason == "NodeGone"


def test_an_unhealthy_gpu_ends_the_rank_that_uses_it() -> None:
    status = [{"name": "nvidia.com/gpu", "resources": [{"resourceID": "GPU-7", "health": "Unhealthy"}]}]
    main = {"name": "main", "state": {"running": {}}, "allocatedResourcesStatus": status}
    end = first_cause(job(), [pod(phase="Running", containerStatuses=[main])], seen(node()), NOW)
    assert end is not None
    assert (end.reason, end.suspects) == ("GpuUnhealthy", ("n1",))
    assert "GPU-7" in end.evidence


def test_what_a_node_says_explains_what_its_pod_could_not() -> None:
    sick = node("n1", {"type": "AcceleratedHardwareReady", "status": "False", "reason": "NvidiaXID79Error"})
    end = first_cause(job(), [failed(code=137)], seen(sick), NOW)
    assert end is not None
    assert (end.class_, end.suspects) == (INFRA, ("n1",))
    assert "Xid 79" in end.evidence
    own = first_cause(job(), [failed(TRACEBACK + "ValueError: x")], seen(sick), NOW)
    assert own is not None
    assert own.class_ is APP, "an exception of its own is still its own"


def test_a_spot_node_taken_back_is_a_preemption_and_its_node_is_not_suspect() -> None:
    taken = node("n1", taints=("aws-node-termination-handler/spot-itn",))
    end = first_cause(job(), [pod(deletionTimestamp=BORN)], seen(taken), NOW)
    assert end is not None
    assert (end.class_, end.reason, end.suspects) == (PREEMPTION, "NodeReclaimed", ())
    assert end.evidence == "the cloud takes spot node n1 back"


def test_of_ranks_that_fail_together_the_one_that_did_not_just_notice_is_the_cause() -> None:
    def at(second: int, message: str, code: int = 1) -> Pod:
        ended = {
            "exitCode": code,
            "reason": "Error",
            "message": message,
            "finishedAt": f"2026-01-01T11:00:{second:02d}Z",
        }
        return pod(f"r{second}", phase="Failed", containerStatuses=[{"name": "main", "state": {"terminated": ended}}])

    noticed = [at(s, "RuntimeError: Connection closed by peer") for s in (10, 11)]
    cause = first_cause(job(), [*noticed, at(12, TRACEBACK + "ValueError: x")], seen(), NOW)
    assert cause is not None
    assert cause.reason == "PythonException"
    killed = first_cause(job(), [*noticed, at(11, "", 137)], seen(), NOW)
    assert killed is not None
    assert killed.reason == "Killed"
    much_later = first_cause(job(), [*noticed, at(40, TRACEBACK + "ValueError: x")], seen(), NOW)
    assert much_later is not None
    assert much_later.reason == "RankLost"


def waiting_pod(reason: str, message: str = "") -> Pod:
    state = {"waiting": {"reason": reason, "message": message}}
    return pod(containerStatuses=[{"name": "main", "state": state}])


@pytest.mark.parametrize(
    ("found", "class_", "reason", "retry"),
    [
        (waiting_pod("ImagePullBackOff", "failed to pull: not found"), APP, "ImageNotFound", False),
        (waiting_pod("ErrImagePull", "401 unauthorized"), APP, "ImageNotFound", False),
        (waiting_pod("ImagePullBackOff", "dial tcp: i/o timeout"), INFRA, "ImagePull", True),
        (waiting_pod("ImagePullBackOff", "no space left on device"), INFRA, "DiskFull", True),
        (waiting_pod("CreateContainerConfigError", "secret x not found"), APP, "ContainerCreate", False),
        (waiting_pod("ContainerCreating"), INFRA, "NodeStuck", True),
        (pod(initContainerStatuses=[{"name": "prepare", "state": {"running": {}}}]), APP, "StartTimeout", True),
    ],
)
def test_why_it_did_not_start_in_time(found: Pod, class_: CauseClass, reason: str, retry: bool) -> None:
    rule = start_rule(found)
    assert (rule.class_, rule.reason, rule.retry) == (class_, reason, retry)
