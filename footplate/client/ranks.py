"""The ranks of a job as they are now: how far each is, what it uses, and what it is doing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import msgspec
import obstore

from footplate.api import TrainingJob
from footplate.api.reports import LAST_BEAT, LastBeat, RankBeat, Stack
from footplate.api.stragglers import Slow, Stragglers, stragglers
from footplate.client import jobs, pods
from footplate.client.observing import read
from footplate.client.pods import Pod
from footplate.client.session import Session
from footplate.client.store import at, using
from footplate.errors import Conflict, FootplateError, NotFound
from footplate.kube.errors import KubeError

AGENT = "agent"
AT_ONCE = 16
"""Pods that are looked into at the same time."""
LOOK = f'cat "$FOOTPLATE_RUN_DIR/{LAST_BEAT}"; echo; date +%s.%N'
"""By the node's clock on both sides."""
LOAD = (
    'if [ -n "$FOOTPLATE_SIMULATED_GPU_LOAD" ]; then echo simulated; echo "$NVIDIA_VISIBLE_DEVICES"; '
    'cat "$FOOTPLATE_SIMULATED_GPU_LOAD"; else '
    "nvidia-smi --query-gpu=utilization.gpu --format=csv,noheader,nounits; fi"
)
"""In the container that has the GPUs: the driver's tool is there wherever a GPU is."""
DUMP = ("python3", "-m", "footplate.agent.stacks")


@dataclass(frozen=True)
class Row:
    """`age`: seconds since its last report of a step; None: it has reported none. `gpu`: percent, as `nvidia-smi` has it."""

    beat: RankBeat
    node: str
    pod: str
    age: float | None
    gpu: float | None
    slow: Slow | None = None

    def data(self) -> dict[str, object]:
        """For scripts."""
        beat = self.beat
        return {
            "rank": beat.rank,
            "node": self.node,
            "pod": self.pod,
            "state": STATES.get(beat.state, beat.state),
            "step": beat.step,
            "stepsPerSecond": steps_per_second(beat),
            "ownSecondsPerStep": beat.own_seconds,
            "cores": beat.cores,
            "memoryBytes": beat.memory,
            "gpuPercent": self.gpu,
            "lastReportSeconds": round(self.age, 1) if self.age is not None else None,
            "slowBy": round(self.slow.times, 2) if self.slow is not None else None,
        }


STATES = {
    "": "ended",
    "R": "running",
    "S": "sleeping",
    "D": "in the kernel",
    "T": "stopped",
    "t": "traced",
    "I": "idle",
}


def steps_per_second(beat: RankBeat) -> float | None:
    return round(1 / beat.step_seconds, 3) if beat.step_seconds else None


@dataclass(frozen=True)
class Top:
    job: TrainingJob
    attempt: int
    rows: tuple[Row, ...]
    total_steps: int | None
    slow: Stragglers
    troubles: tuple[str, ...] = ()
    """Of pods that could not be looked into."""

    def data(self) -> dict[str, object]:
        return {
            "name": self.job.metadata.name,
            "attempt": self.attempt,
            "totalSteps": self.total_steps,
            "ranks": [row.data() for row in self.rows],
            "slowNodes": sorted(self.slow.nodes),
            "troubles": list(self.troubles),
        }


async def running(session: Session, name: str) -> tuple[TrainingJob, list[Pod]]:
    """The pods of the present attempt whose processes run. Raises Conflict where there are none."""
    job = read(await jobs.get(session, name), TrainingJob)
    last = job.status.attempts[-1] if job.status.attempts else None
    number = last.number if last is not None and last.end is None else None
    found = [pod for pod in await pods.of_job(session, name, number) if pod.state == "running"] if number else []
    if not found:
        phase = job.status.phase or "new"
        raise Conflict(f"Job {name} does not run now ({phase}).", f"see why with `footplate job explain {name}`")
    return job, found


async def top(session: Session, name: str) -> Top:
    """Raises Conflict where no process of it runs."""
    job, found = await running(session, name)
    limit = asyncio.Semaphore(AT_ONCE)

    async def look(pod: Pod) -> tuple[LastBeat | None, list[Row], str]:
        async with limit:
            try:
                beat, ago = await _beat(session, pod)
                gpus = await _gpus(session, pod) if job.spec.resources.gpu else []
            except (KubeError, FootplateError) as error:
                return None, [], f"{pod.name}: {error}"
            return beat, rows(pod, beat, ago, gpus), ""

    looked = await asyncio.gather(*(look(pod) for pod in found))
    every = [row for _, of_pod, _ in looked for row in of_pod]
    slow = stragglers((row.node, row.beat) for row in every)
    marked = [Row(r.beat, r.node, r.pod, r.age, r.gpu, slow.ranks.get(r.beat.rank)) for r in every]
    totals = [beat.total_steps for beat, _, _ in looked if beat is not None and beat.total_steps]
    return Top(
        job,
        found[0].attempt,
        tuple(sorted(marked, key=lambda row: row.beat.rank)),
        max(totals, default=None),
        slow,
        tuple(trouble for _, _, trouble in looked if trouble),
    )


async def _beat(session: Session, pod: Pod) -> tuple[LastBeat, float]:
    """With its age in seconds."""
    done = await session.kube.run(pod.metadata.namespace, pod.name, ("sh", "-c", LOOK), container=AGENT)
    content, _, now = done.stdout.rstrip().rpartition(b"\n")
    try:
        beat = msgspec.json.decode(content, type=LastBeat)
        return beat, max(0.0, float(now) - beat.time)
    except (msgspec.DecodeError, ValueError):
        raise NotFound("its agent has not looked at its ranks yet") from None


async def _gpus(session: Session, pod: Pod) -> list[float]:
    """Percent by number; none where its image cannot tell."""
    try:
        done = await session.kube.run(pod.metadata.namespace, pod.name, ("sh", "-c", LOAD), container=pod.main)
    except KubeError:
        return []
    return loads(done.stdout.decode(errors="replace")) if done.exit_code == 0 else []


def loads(said: str) -> list[float]:
    lines = said.strip().splitlines()
    try:
        if lines[:1] == ["simulated"]:
            told = msgspec.json.decode("\n".join(lines[2:]), type=dict[str, float])
            return [told.get(device, 0.0) for device in lines[1].split(",") if device]
        return [float(line) for line in lines]
    except (ValueError, IndexError, msgspec.DecodeError):
        return []


def rows(pod: Pod, beat: LastBeat, ago: float, gpus: Sequence[float]) -> list[Row]:
    """A GPU a rank where there are as many, else the mean of the node's."""
    each = list(gpus) if len(gpus) == len(beat.ranks) else [fmean(gpus) if gpus else None] * len(beat.ranks)
    return [
        Row(rank, pod.spec.node_name, pod.name, rank.silent + ago if rank.silent is not None else None, gpu)
        for rank, gpu in zip(beat.ranks, each, strict=True)
    ]


async def live_stacks(session: Session, name: str, rank: int | None = None) -> list[Stack]:
    """Raises Conflict where no process of it runs, NotFound where it has no such rank."""
    job, found = await running(session, name)
    if rank is not None:
        if not 0 <= rank < job.status.attempts[-1].nodes * job.spec.processes:
            raise NotFound(f"Job {name} has no rank {rank}.")
        found = [pod for pod in found if pod.node_rank == rank // job.spec.processes]
    limit = asyncio.Semaphore(AT_ONCE)

    async def dump(pod: Pod) -> list[Stack]:
        async with limit:
            with session.doing(f"read the stacks in pod {pod.name}"):
                done = await session.kube.run(pod.metadata.namespace, pod.name, DUMP, container=AGENT)
        if done.exit_code != 0:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise FootplateError(f"The stacks in pod {pod.name} cannot be read: {said[-1] if said else 'no reason'}.")
        return msgspec.json.decode(done.stdout, type=list[Stack])

    stacks = [stack for of_pod in await asyncio.gather(*(dump(pod) for pod in found)) for stack in of_pod]
    return sorted((s for s in stacks if rank is None or s.rank == rank), key=lambda stack: stack.rank)


async def stacks(
    session: Session, name: str, rank: int | None = None, attempt: int | None = None
) -> tuple[int, bool, list[Stack]]:
    """The attempt, whether it runs, and its ranks' stacks: those of now, or those that were dumped before it was ended.

    Where no attempt is named, it is the one that runs, else the last that has some. Raises NotFound where none has.
    """
    job = read(await jobs.get(session, name), TrainingJob)
    last = job.status.attempts[-1] if job.status.attempts else None
    if last is not None and last.end is None and attempt in (None, last.number):
        return last.number, True, await live_stacks(session, name, rank)
    for one in reversed(job.status.attempts):
        if attempt in (None, one.number) and one.log_uri is not None:
            found = await kept_stacks(session, one.log_uri, rank)
            if found:
                return one.number, False, found
    which = f"attempt {attempt} of job {name}" if attempt is not None else f"job {name}"
    raise NotFound(f"There are no stacks of {which}.", "they are kept of attempts that were ended because they hung")


async def kept_stacks(session: Session, uri: str, rank: int | None = None) -> list[Stack]:
    """`uri`: of the attempt's records."""
    found: list[Stack] = []
    async with at(session, uri) as location:
        with using(location, "read the stacks"):
            async for page in obstore.list(location.store, location.at("stacks/")):  # pyright: ignore[reportUnknownMemberType]
                for item in page:
                    name = item["path"].rpartition("/")[2]
                    number = name.removeprefix("rank-").removesuffix(".txt")
                    if number.isdecimal() and rank in (None, int(number)):
                        content = await obstore.get_async(location.store, item["path"])
                        text = bytes(await content.bytes_async()).decode(errors="replace")
                        found.append(Stack(int(number), "", text))
    return sorted(found, key=lambda stack: stack.rank)
