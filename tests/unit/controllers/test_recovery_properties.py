"""Random histories of one job, played to its end: the rules that hold whatever happens to its pods, nodes and Jobs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from footplate.api import TrainingJob
from footplate.api.podreport import PodReport
from footplate.controllers import kinds
from footplate.controllers.cluster import Job, Pod
from footplate.controllers.trainingjob.attempts import spent
from footplate.controllers.trainingjob.desired import desired
from footplate.controllers.trainingjob.observed import Observed, current
from footplate.controllers.trainingjob.status import status
from tests.unit.controllers.build import NOW, UID, facts, job

NODES = 2
RETRIES = {"app": 2, "infra": 2, "preemption": 2, "capacity": 1}
EVENTS = (
    "kill",
    "fail",
    "oom",
    "delete pod",
    "preempt",
    "delete job",
    "checkpoint",
    "forget",
    "wait",
    "suspend",
    "resume",
)


@dataclass
class World:
    """The API server with a Job controller and kubelets that do at once what they are told."""

    job: TrainingJob
    now: datetime = NOW
    jobs: dict[int, dict[str, Any]] = field(default_factory=dict)
    pods: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    step: int | None = None

    def observed(self) -> Observed:
        jobs = {number: msgspec.convert(found, Job) for number, found in self.jobs.items()}
        pods = {number: tuple(msgspec.convert(pod, Pod) for pod in found) for number, found in self.pods.items()}
        return Observed(facts(), jobs=jobs, pods=pods)

    def stamp(self) -> str:
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def reconcile(self) -> None:
        for _ in range(20):
            before = (self.job.status, repr(self.jobs), repr(self.pods))
            self._apply()
            self.job = msgspec.structs.replace(self.job, status=status(self.job, self.observed(), self.now))
            self._kubernetes()
            if before == (self.job.status, repr(self.jobs), repr(self.pods)):
                return
        raise AssertionError(f"it does not settle: {self.job.status}")

    def _apply(self) -> None:
        children = desired(self.job, self.observed(), self.now)
        wanted = {child.name for child in children if child.resource is kinds.JOB}
        for number in [n for n in self.jobs if f"train-{n}" not in wanted]:
            del self.jobs[number]
            self.pods.pop(number, None)
        kept = {child.name for child in children if child.resource is kinds.POD}
        number = current(self.job)
        if number in self.jobs:
            alive = self.pods.get(number, [])
            self.pods[number] = [p for p in alive if p["metadata"]["name"] in kept or ended(p)]
        for child in children:
            if child.resource is kinds.JOB and child.body is not None and int(child.name[6:]) not in self.jobs:
                self._create(int(child.name[6:]))

    def _create(self, number: int) -> None:
        metadata = {"name": f"train-{number}", "uid": f"j{number}", "creationTimestamp": self.stamp()}
        self.jobs[number] = {"metadata": metadata, "spec": {"completions": NODES}, "status": {"conditions": []}}
        self.pods[number] = [self._pod(number, rank) for rank in range(NODES)]
        running = [n for n, found in self.pods.items() if any(not ended(p) for p in found)]
        assert running == [number], f"attempts {running} run at once"

    def _pod(self, number: int, rank: int) -> dict[str, Any]:
        scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": self.stamp()}
        restored = PodReport(restored_step=self.step).encode()
        return {
            "metadata": {"name": f"train-{number}-{rank}-x", "ownerReferences": [{"uid": UID}]},
            "spec": {"nodeName": f"n{rank}"},
            "status": {
                "phase": "Running",
                "conditions": [scheduled],
                "initContainerStatuses": [{"name": "prepare", "state": {"terminated": {"message": restored}}}],
                "containerStatuses": [{"name": "main", "state": {"running": {}}}],
            },
        }

    def _kubernetes(self) -> None:
        """A Job whose pod is lost fails, and ends with its last pod."""
        for number, found in self.jobs.items():
            pods = self.pods.get(number, [])
            if len(pods) < NODES or any(ended(pod) for pod in pods):
                types = ["FailureTarget"] + (["Failed"] if all(ended(pod) for pod in pods) else [])
                have = {c["type"] for c in found["status"]["conditions"]}
                for type_ in types:
                    if type_ not in have:
                        condition = {"type": type_, "status": "True", "lastTransitionTime": self.stamp()}
                        found["status"]["conditions"].append(condition)

    def happens(self, event: str, rank: int) -> None:
        number = current(self.job)
        pods = self.pods.get(number, [])
        alive = next((p for p in pods[rank:] if not ended(p)), None)
        match event:
            case "checkpoint" if alive is not None:
                self.step = (self.step or 0) + 10
            case "delete job":
                self.jobs.pop(number, None)
                self.pods.pop(number, None)
            case "suspend" | "resume":
                spec = msgspec.structs.replace(self.job.spec, suspended=event == "suspend")
                self.job = msgspec.structs.replace(self.job, spec=spec)
            case "forget":
                pass  # the controllers start anew: nothing but the API is known
            case "delete pod" if alive is not None:
                pods.remove(alive)
            case "kill" | "fail" | "oom" | "preempt" if alive is not None:
                code, reason = {"kill": (137, "Error"), "oom": (137, "OOMKilled")}.get(event, (1, "Error"))
                end = {"exitCode": code, "reason": reason, "finishedAt": self.stamp()}
                report = PodReport(checkpoint_step=self.step).encode()
                state = alive["status"]
                state["phase"] = "Failed"
                state["containerStatuses"] = [{"name": "main", "state": {"terminated": end}}]
                state["initContainerStatuses"].append({"name": "agent", "state": {"terminated": {"message": report}}})
                if event == "preempt":
                    target = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
                    state["conditions"].append({**target, "lastTransitionTime": self.stamp()})
            case _:
                pass
        self._kubernetes()


def ended(pod: dict[str, Any]) -> bool:
    return pod["status"]["phase"] == "Failed"


HISTORY = st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 1), st.integers(0, 900)), min_size=1, max_size=30)


@settings(max_examples=150)
@given(HISTORY)
def test_never_two_attempts_at_once_never_over_budget_no_record_lost_and_always_an_end(
    history: list[tuple[str, int, int]],
) -> None:
    world = World(job(nodes=NODES, retries=RETRIES))
    world.reconcile()
    for event, rank, wait in history:
        before = [attempt for attempt in world.job.status.attempts if attempt.end is not None]
        world.happens(event, rank)
        world.reconcile()
        world.now += timedelta(seconds=wait)
        world.reconcile()
        after = world.job.status.attempts
        assert list(after[: len(before)]) == before, "an ended attempt stays as it is"
        assert [attempt.number for attempt in after] == list(range(1, len(after) + 1))
        for budget, limit in RETRIES.items():
            lost = spent(world.job, after, budget)  # pyright: ignore[reportArgumentType]
            assert lost <= limit + 1
            assert lost <= limit or world.job.status.phase == "Failed", f"{budget} is over and it goes on"
    # Without progress a job that goes on failing ends.
    world.happens("resume", 0)
    for _ in range(sum(RETRIES.values()) + 3):
        world.now += timedelta(hours=1)
        world.reconcile()
        world.happens("fail", 0)
        world.reconcile()
    phase = world.job.status.phase
    assert phase is not None
    assert phase.ended
