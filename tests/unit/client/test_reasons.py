"""Why a job waits or died: the sentence, the numbers, and what would help."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from footplate.api import TrainingJob, Workspace
from footplate.api.usage import Holder, Pool, Usage, Waiter, decode, encode
from footplate.client.reasons import Quota, explain, of_workspace, what_if

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
H100 = Pool("nvidia.com/gpu", "H100", 4, 32, 24, {"0": 3, "8": 1}, 8, "h100-1")
L4 = Pool("nvidia.com/gpu", "L4", 8, 8, 0, {"1": 8}, 1, "l4-1", {"16": 8}, 16)
CPU = Pool("cpu", "", 2, 128, 100, {"14": 2}, 64, "cpu-1")
HOLDERS = (
    Holder("vision", "sweep", "job", "nvidia.com/gpu", "H100", 16, "batch"),
    Holder("speech", "asr", "job", "nvidia.com/gpu", "H100", 8, "training"),
)
USAGE = Usage((H100, L4, CPU), HOLDERS, (Waiter("speech", "other", "training", gpu="H100", units=8), Waiter("vision", "train", "training", gpu="H100", units=8)))  # fmt: skip


def job(
    status: dict[str, Any] | None = None, nodes: int = 2, gpu: dict[str, Any] | None = None, **spec: Any
) -> TrainingJob:
    asked = {"cpu": "8", "memory": "64Gi", "gpu": gpu or {"count": 8, "type": "H100"}}
    metadata = {"name": "train", "namespace": "team-vision", "creationTimestamp": NOW - timedelta(hours=3)}
    body = {"environment": "pytorch", "command": ["x"], "nodes": nodes, "resources": asked, **spec}
    return msgspec.convert({"metadata": metadata, "spec": body, "status": status or {}}, TrainingJob)


QUEUED = {"phase": "Queued", "message": "No node has room for it now.", "pending": {"reason": "x", "message": "y"}}


def test_a_wait_in_one_sentence_then_numbers() -> None:
    found = explain(job(QUEUED), USAGE, (), NOW)
    assert found.sentence == "Job train has waited 3h: no node has room for it now."
    assert found.asked == "2 × (8 CPU, 64Gi memory, 8 H100 GPUs) (16 GPUs in all), priority training"
    assert (found.position, found.waiting) == (2, 2)
    assert found.pools == (H100,)
    assert [h.name for h in found.holders] == ["sweep", "asr"]
    assert found.fits_now is False


def test_a_workspace_that_waits_has_a_place_holders_and_a_way_without_a_gpu() -> None:
    spec = {"environment": "pytorch", "resources": {"cpu": "8", "memory": "64Gi", "gpu": {"count": 8, "type": "H100"}}}
    metadata = {"name": "mine", "namespace": "team-vision"}
    waits = {"phase": "Queued", "message": "No node has room for it now."}
    ws = msgspec.convert({"metadata": metadata, "spec": spec, "status": waits}, Workspace)
    queue = (Waiter("vision", "mine", kind="job"), Waiter("vision", "mine", gpu="H100", units=8, kind="workspace"))
    found = of_workspace(ws, Usage((H100, L4), HOLDERS, queue), ())
    assert found.sentence == "No node has room for it now."
    assert found.asked == "1 × (8 CPU, 64Gi memory, 8 H100 GPUs), priority interactive"
    assert (found.position, found.waiting, found.pools) == (2, 2, (H100,))
    assert [h.name for h in found.holders] == ["sweep", "asr"]
    assert found.next_action == "`footplate workspace resize mine --gpus 0` starts it without a GPU meanwhile"
    assert of_workspace(ws, None, ()).position is None


@pytest.mark.parametrize(
    ("wanted", "pools", "advice"),
    [
        (job(QUEUED), (H100,), "with --nodes 1 it would start now; or let it choose with elastic.minNodes: 1"),
        (job(QUEUED, gpu={"count": 1, "type": "H100"}, nodes=9), (H100, L4), "with --nodes 8 it would start now"),
        (
            job(QUEUED, gpu={"count": 1, "type": "H100"}),
            (msgspec.structs.replace(H100, free={"0": 4}), L4),
            "L4 has room for it: --gpu-type L4",
        ),
        (
            job(QUEUED),
            (msgspec.structs.replace(H100, free={"0": 3}, closed=1),),
            "1 of 4 H100 nodes take no pods: see `kubectl get nodes`",
        ),
        (
            job(QUEUED),
            (msgspec.structs.replace(H100, free={"0": 4}),),
            "it takes the place of jobs of lower priority, after their checkpoint: job sweep (16)",
        ),
        (
            job(QUEUED, priority="batch"),
            (msgspec.structs.replace(H100, free={"0": 4}),),
            "it starts when others end; your team holds job sweep (16)",
        ),
    ],
)
def test_what_would_help(wanted: TrainingJob, pools: tuple[Pool, ...], advice: str) -> None:
    found = explain(wanted, Usage(pools, HOLDERS), (), NOW)
    assert (found.next_action or "").startswith(advice)


def test_without_the_platforms_numbers_there_is_still_the_sentence() -> None:
    assert explain(job(QUEUED), None, (), NOW).sentence == "Job train: no node has room for it now."


def test_what_if_it_fits() -> None:
    found = what_if(job(nodes=1), Usage((H100, L4), HOLDERS), ())
    assert (found.sentence, found.fits_now, found.position) == ("It would start at once.", True, None)


def test_what_if_others_are_before_it() -> None:
    found = what_if(job(nodes=1), USAGE, ())
    assert found.sentence == "It would wait behind 2 that came first."
    assert what_if(job(nodes=4), USAGE, ()).sentence == "It would wait: 8 H100 GPUs are not free on 4 nodes now."
    assert what_if(job(nodes=4), USAGE, ()).position == 3
    assert what_if(job(nodes=4, priority="interactive"), USAGE, ()).position == 1


def test_what_if_no_node_has_such_a_gpu() -> None:
    found = what_if(job(gpu={"count": 1, "type": "B200"}), USAGE, ())
    assert found.sentence == "It could never start: no node offers 1 B200 GPU, and no pool adds nodes."
    assert found.next_action == "GPUs that are there: H100 ×8, L4 ×1"


def test_what_if_no_node_is_large_enough() -> None:
    found = what_if(job(nodes=1, gpu={"count": 9, "type": "H100"}), USAGE, ())
    assert found.sentence == (
        "It could never start: it asks for 9 H100 GPUs on one node, the largest, h100-1, has 8 (H100), "
        "and no pool adds nodes."
    )
    assert (found.next_action, found.position, found.fits_now) == ("--gpus 8 or fewer, on more --nodes", None, False)
    found = what_if(job(nodes=1, gpu={"count": 9}), USAGE, (), {"L4": 4})
    assert (
        "it asks for 9 GPUs on one node, the largest, h100-1, has 8 (H100), and no pool can add such" in found.sentence
    )
    assert what_if(job(nodes=1, gpu={"count": 16}), USAGE, (), {"B200": 16}).fits_now is False
    assert "wait" in what_if(job(nodes=1, gpu={"count": 16}), USAGE, (), {"B200": 16}).sentence


def test_what_if_all_nodes_together_are_too_few() -> None:
    found = what_if(job(nodes=5), USAGE, ())
    assert found.sentence == (
        "It could never start: it asks for 40 H100 GPUs in all, the cluster has 32, and no pool adds nodes."
    )


def test_what_if_without_gpus_nodes_with_gpus_count_too() -> None:
    wanted = msgspec.structs.replace(
        job().spec, nodes=8, resources=msgspec.convert({"cpu": "16", "memory": "1Gi"}, type(job().spec.resources))
    )
    small = msgspec.structs.replace(job(), spec=wanted)
    assert what_if(small, Usage((H100, L4, CPU)), ()).sentence == "It would start at once."
    assert what_if(small, Usage((H100, CPU)), ()).sentence == "It would wait: 16 CPUs are not free on 8 nodes now."


def test_what_if_the_team_has_no_quota_left() -> None:
    found = what_if(job(nodes=1), Usage((H100,)), (Quota("requests.nvidia.com/gpu", "16", "12"),))
    assert found.sentence == "It would wait for quota: 12 of 16 requests.nvidia.com/gpu are in use."
    found = what_if(job(nodes=1), Usage((H100,)), (Quota("requests.nvidia.com/gpu", "0", "0"),))
    assert found.sentence == "It would wait for a larger quota: the team may have 0 requests.nvidia.com/gpu in all."


def test_why_it_died_and_what_follows() -> None:
    cause = {"class": "Infra", "evidence": "node n3 does not answer"}
    attempt = {"number": 1, "end": NOW, "cause": cause}
    failed = explain(job({"phase": "Failed", "message": "It failed: x.", "attempts": [attempt]}), USAGE, (), NOW)
    assert (failed.sentence, failed.next_action) == ("Job train: it failed: x.", "footplate job retry train")
    hopeless = {**attempt, "cause": {**cause, "retry": False}}
    found = explain(job({"phase": "Failed", "message": "It failed: x.", "attempts": [hopeless]}), USAGE, (), NOW)
    assert found.next_action == "correct what the evidence names and submit it again"
    again = explain(job({"phase": "Running", "message": "It is running.", "attempts": [attempt]}), USAGE, (), NOW)
    assert again.sentence == "Job train: it is running. Attempt 1 was lost: node n3 does not answer."
    told = {"phase": "Recovering", "message": "Attempt 1 failed: node n3 does not answer.", "attempts": [attempt]}
    assert explain(job(told), USAGE, (), NOW).sentence == "Job train: attempt 1 failed: node n3 does not answer."


def test_what_is_published_reads_back() -> None:
    assert decode(encode(USAGE)) == USAGE
