from typing import Any

import msgspec

from footplate.api.usage import Holder, Pool
from footplate.controllers.capacity import measure
from footplate.controllers.cluster import Pod
from footplate.controllers.room import Usage
from footplate.controllers.usage import measure as usage
from footplate.controllers.usage import queue
from tests.unit.controllers.build import NOW, job, node, pod, workspace


def on(name: str, gpus: int, **labels: str) -> Pod:
    containers = [{"resources": {"requests": {"nvidia.com/gpu": str(gpus), "cpu": "1"}}}]
    made = pod(f"p-{name}", labels={f"footplate.dev/{key}": value for key, value in labels.items()})
    return msgspec.structs.replace(
        made, spec=msgspec.convert({"nodeName": name, "containers": containers}, type(made.spec))
    )


def test_pools_holders_and_what_is_free_node_by_node() -> None:
    nodes = [node("n1", 8, "H100"), node("n2", 8, "H100"), node("c1", cpu="64")]
    pods = [on("n1", 6, job="train"), on("n2", 8, workspace="demo")]
    used = Usage()
    for found in pods:
        used.change(None, found)
    seen = usage(measure(nodes).rooms, dict(used.by_node), pods, [job()], [], NOW)
    assert seen.pools == (  # of n1 and n2 one CPU each is in use
        Pool(
            "nvidia.com/gpu",
            "H100",
            nodes=2,
            capacity=16,
            used=14,
            free={"0": 1, "2": 1},
            most=8,
            largest="n1",
            cpus={"63": 2},
            most_cpus=64,
        ),
        Pool("cpu", nodes=1, capacity=64, used=0, free={"64": 1}, most=64, largest="c1"),
    )
    assert seen.holders == (
        Holder("vision", "demo", "workspace", "nvidia.com/gpu", "H100", 8, "interactive"),
        Holder("vision", "train", "job", "nvidia.com/gpu", "H100", 6, "training"),
    )


def test_the_queue_is_ordered_by_priority_then_age() -> None:
    def waiting(name: str, priority: str, created: str, **status: Any) -> Any:
        made = job({"phase": "Queued", **status}, priority=priority)
        metadata = msgspec.convert(
            {**msgspec.to_builtins(made.metadata), "name": name, "creationTimestamp": created}, type(made.metadata)
        )
        return msgspec.structs.replace(made, metadata=metadata)

    early, late = "2026-01-01T10:00:00Z", "2026-01-01T11:00:00Z"
    jobs = [
        waiting("c", "batch", early),
        waiting("b", "training", late),
        waiting("a", "training", early),
        waiting("r", "training", early, phase="Running"),
    ]
    assert [w.name for w in queue(jobs)] == ["a", "b", "c"]


def test_a_workspace_that_waits_for_a_gpu_has_its_place_in_the_queue() -> None:
    waits = {"phase": "Queued", "conditions": [condition("Scheduled", "False", "Unschedulable")]}
    gpu = {"cpu": "1", "memory": "1Gi", "gpu": {"count": 2, "type": "H100"}}
    spaces = [workspace(waits, resources=gpu), workspace({"phase": "Running"}, resources=gpu)]
    first, second = queue([job({"phase": "Queued"}, priority="training"), *spaces])
    assert (first.kind, first.name, first.units, first.gpu) == ("workspace", "demo", 2, "H100")
    assert (second.kind, second.name) == ("job", "train")


def condition(type_: str, status: str, reason: str) -> dict[str, object]:
    return {"type": type_, "status": status, "reason": reason, "message": "x", "lastTransitionTime": NOW}
