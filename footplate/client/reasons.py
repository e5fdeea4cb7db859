"""Why a job or a workspace waits, or why a job died: one sentence, the numbers behind it, what would help. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from footplate.api import TrainingJob, Workspace, duration, quantity
from footplate.api.meta import Wire
from footplate.api.platform import PRIORITIES
from footplate.api.trainingjob import JobPhase, Straggler
from footplate.api.usage import Holder, Pool, Usage, Waiter
from footplate.client.teams import team_of


class Quota(Wire, frozen=True):
    resource: str
    hard: str
    used: str


class Explanation(Wire, frozen=True):
    sentence: str
    asked: str
    next_action: str | None = None
    position: int | None = None
    waiting: int | None = None
    pools: tuple[Pool, ...] = ()
    quota: tuple[Quota, ...] = ()
    holders: tuple[Holder, ...] = ()
    fits_now: bool | None = None
    slow: tuple[Straggler, ...] = ()


def explain(job: TrainingJob, usage: Usage | None, quota: Iterable[Quota], now: datetime) -> Explanation:
    """Of a job that is there."""
    status, wants = job.status, asked(job)
    own = tuple(quota)
    if status.phase is not JobPhase.QUEUED or usage is None:
        return Explanation(
            _state(job),
            wants,
            _after(job),
            quota=own if status.phase is JobPhase.QUEUED else (),
            slow=status.stragglers,
        )
    pools = fitting(job, usage)
    since = duration.human(now - job.metadata.creation_timestamp) if job.metadata.creation_timestamp else ""
    message = (status.message or "It waits.").rstrip(".")
    holders = _holding(pools, usage)
    advice = status.pending.next_action if status.pending and status.pending.next_action else _advice(job, pools, usage)
    return Explanation(
        f"Job {job.metadata.name} has waited {since}: {message[0].lower()}{message[1:]}.",
        wants,
        advice,
        _position(job, usage),
        len(usage.queue),
        pools,
        own,
        holders,
        _fits(job, pools),
    )


def of_workspace(ws: Workspace, usage: Usage | None, quota: Iterable[Quota]) -> Explanation:
    """Of one that waits."""
    sentence, own = ws.status.message or "It waits.", tuple(quota)
    gpu = ws.spec.resources.gpu
    action = (
        f"`footplate workspace resize {ws.metadata.name} --gpus 0` starts it without a GPU meanwhile" if gpu else None
    )
    if usage is None:
        return Explanation(sentence, asked(ws), action, quota=own)
    pools = fitting(ws, usage)
    position, length = _position(ws, usage), len(usage.queue)
    return Explanation(
        sentence, asked(ws), action, position, length, pools, own, _holding(pools, usage), _fits(ws, pools)
    )


def what_if(
    job: TrainingJob, usage: Usage, quota: Iterable[Quota], addable: Mapping[str, int] | None = None
) -> Explanation:
    """Of a job that is not submitted; the API server has accepted its spec.

    `addable`: GPU type → GPUs of the largest node that an autoscaled pool can add.
    """
    pools, own = fitting(job, usage), tuple(quota)
    never = _never(job, pools, usage, addable or {})
    if never is not None:
        return Explanation(*never, pools=pools, quota=own, holders=_holding(pools, usage), fits_now=False)
    fits = _fits(job, pools)
    ahead = [w for w in usage.queue if PRIORITIES.get(w.priority, 9) <= PRIORITIES[job.spec.priority]]
    over = next((q for q in own if _exceeds(job, q)), None)
    if over is not None:
        sentence = f"It would wait for quota: {over.used} of {over.hard} {over.resource} are in use."
        action: str | None = "stop or delete something of the team, or ask for a larger quota"
        if _wanted(job, over) > quantity.parse(over.hard):
            sentence = f"It would wait for a larger quota: the team may have {over.hard} {over.resource} in all."
            action = "ask for less, or ask a platform engineer for a larger quota"
    elif fits and not any(_competes(w, job) for w in ahead):
        sentence, action = "It would start at once.", None
    else:
        count = f"{job.spec.nodes} nodes" if job.spec.nodes > 1 else "one node"
        behind = f"It would wait behind {len(ahead)} that came first."
        sentence = behind if fits else f"It would wait: {_units(job)} {_are(job)} not free on {count} now."
        action = _advice(job, pools, usage)
    waits = over is not None or not fits
    place = len(ahead) + 1 if waits else None
    return Explanation(sentence, asked(job), action, place, len(usage.queue), pools, own, _holding(pools, usage), fits)


def _position(obj: TrainingJob | Workspace, usage: Usage) -> int | None:
    """In the queue, from 1."""
    kind = "workspace" if isinstance(obj, Workspace) else "job"
    own = (kind, team_of(obj.metadata.namespace), obj.metadata.name)
    return next((n for n, w in enumerate(usage.queue, 1) if (w.kind, w.team, w.name) == own), None)


def _pods(obj: TrainingJob | Workspace) -> int:
    return 1 if isinstance(obj, Workspace) else obj.spec.nodes


def asked(job: TrainingJob | Workspace) -> str:
    nodes, spec = _pods(job), job.spec.resources
    each = f"{spec.cpu} CPU, {spec.memory} memory" + (f", {_units(job)}" if spec.gpu else "")
    total = f" ({spec.gpu.count * nodes} GPUs in all)" if spec.gpu and nodes > 1 else ""
    return f"{nodes} × ({each}){total}, priority {job.spec.priority}"


def _units(job: TrainingJob | Workspace) -> str:
    gpu = job.spec.resources.gpu
    if gpu is None:
        cpu = job.spec.resources.cpu
        return f"{cpu} CPU{'' if cpu == '1' else 's'}"
    return gpu.phrase


def _are(job: TrainingJob) -> str:
    return "is" if units(job) == 1 else "are"


def _never(
    job: TrainingJob, pools: tuple[Pool, ...], usage: Usage, addable: Mapping[str, int]
) -> tuple[str, str, str] | None:
    """The sentence, what it asks for and what would help, where no node that there is or can be has what it wants."""
    gpu, size = job.spec.resources.gpu, units(job)
    more = {kind: count for kind, count in addable.items() if gpu and not gpu.share and gpu.type in (None, kind)}
    if any(count >= size for count in more.values()) or (addable and (gpu is None or gpu.share)):
        return None
    no_pool = "no pool can add such nodes" if addable else "no pool adds nodes"
    if not pools and not more:
        return f"It could never start: no node offers {_units(job)}, and {no_pool}.", asked(job), _offers(usage)
    sizes = {pool.label: (pool.most_on_one(gpu=gpu is not None), pool.largest) for pool in pools}
    label, (most, name) = max(sizes.items(), key=lambda found: found[1][0], default=("", (0, "")))
    if any(known == 0 for known, _ in sizes.values()):
        return None  # a platform of an earlier version does not say it
    if size > max(most, *more.values(), 0):
        node = f"the largest, {name}, has {most} ({label})" if gpu and most else f"the largest has {most}"
        text = f"It could never start: it asks for {_units(job)} on one node, {node}, and {no_pool}."
        flag = "--gpus" if gpu else "--cpu"
        return text, asked(job), f"{flag} {max(most, *more.values(), 0)} or fewer, on more --nodes"
    total, wanted = sum(pool.capacity for pool in pools), size * job.spec.nodes
    if gpu is not None and not addable and wanted > total:
        kind = f"{gpu.type} GPUs" if gpu.type else "GPUs"
        text = f"It could never start: it asks for {wanted} {kind} in all, the cluster has {total}, and {no_pool}."
        return text, asked(job), "ask for fewer, or add nodes"
    return None


def units(job: TrainingJob | Workspace) -> int:
    gpu = job.spec.resources.gpu
    return gpu.count if gpu else max(1, int(quantity.parse(job.spec.resources.cpu).to_integral_value("ROUND_UP")))


def fitting(job: TrainingJob | Workspace, usage: Usage) -> tuple[Pool, ...]:
    """The pools whose nodes have what it asks for."""
    gpu = job.spec.resources.gpu
    if gpu is None:
        return tuple(pool for pool in usage.pools if pool.resource == "cpu" or pool.cpus)
    resource = "nvidia.com/gpu"
    if gpu.share is not None:
        resource = f"nvidia.com/mig-{gpu.share}" if "g." in gpu.share else "nvidia.com/gpu.shared"
    return tuple(p for p in usage.pools if p.resource == resource and gpu.type in (None, p.gpu) and p.capacity)


def _fits(job: TrainingJob | Workspace, pools: Iterable[Pool]) -> bool:
    return _places(job, pools) >= _pods(job)


def _places(job: TrainingJob | Workspace, pools: Iterable[Pool]) -> int:
    return sum(pool.places(units(job), gpu=job.spec.resources.gpu is not None) for pool in pools)


def _holding(pools: tuple[Pool, ...], usage: Usage) -> tuple[Holder, ...]:
    kinds = {(p.resource, p.gpu) for p in pools}
    return tuple(h for h in usage.holders if (h.resource, h.gpu) in kinds)[:10]


def _competes(waiter: Waiter, job: TrainingJob) -> bool:
    gpu = job.spec.resources.gpu
    return bool(gpu) == bool(waiter.gpu) and (
        gpu is None or "any" in (waiter.gpu, gpu.type or "any") or waiter.gpu == gpu.type
    )


def _exceeds(job: TrainingJob, quota: Quota) -> bool:
    wanted = _wanted(job, quota)
    return wanted > 0 and quantity.parse(quota.used) + wanted > quantity.parse(quota.hard)


def _wanted(job: TrainingJob, quota: Quota) -> Decimal:
    """Of what the quota counts."""
    spec = job.spec.resources
    each = {
        "requests.cpu": spec.cpu,
        "requests.memory": spec.memory,
        "cpu": spec.cpu,
        "memory": spec.memory,
        "pods": "1",
    }
    if spec.gpu:
        each["requests.nvidia.com/gpu"] = str(spec.gpu.count)
    return quantity.parse(each.get(quota.resource, "0")) * job.spec.nodes


def _advice(job: TrainingJob, pools: tuple[Pool, ...], usage: Usage) -> str | None:
    """The first thing that would make it start sooner."""
    gpu, places = job.spec.resources.gpu, _places(job, pools)
    if _fits(job, pools):
        return "there is room for it: it is placed when the jobs before it are"
    closed = [p for p in pools if p.closed]
    other = next(
        (
            p
            for p in usage.pools
            if gpu and not gpu.share and p not in pools and p.gpu and _places(job, (p,)) >= job.spec.nodes
        ),
        None,
    )
    if 0 < places < job.spec.nodes:
        return f"with --nodes {places} it would start now; or let it choose with elastic.minNodes: {places}"
    if other is not None:
        return f"{other.label} has room for it: --gpu-type {other.gpu}"
    if closed:
        return f"{closed[0].closed} of {closed[0].nodes} {closed[0].label} nodes take no pods: see `kubectl get nodes`"
    lower = [h for h in _holding(pools, usage) if PRIORITIES.get(h.priority, 0) > PRIORITIES[job.spec.priority]]
    if lower:
        return f"it takes the place of jobs of lower priority, after their checkpoint: {_named(lower)}"
    mine = [h for h in _holding(pools, usage) if h.team == team_of(job.metadata.namespace)]
    if mine:
        return f"it starts when others end; your team holds {_named(mine)}"
    return "it starts when others end, or when nodes are added" if pools else _offers(usage)


def _named(holders: list[Holder]) -> str:
    return ", ".join(f"{h.kind} {h.name} ({h.units})" for h in holders[:3])


def _offers(usage: Usage) -> str:
    found = [f"{p.label} ×{max((int(n) for n in p.free), default=0)}" for p in usage.pools if p.resource != "cpu"]
    return f"GPUs that are there: {', '.join(found) or 'none'}"


def _state(job: TrainingJob) -> str:
    name, status = job.metadata.name, job.status
    said = (status.message or f"it is {status.phase or 'not looked at yet'}").rstrip(".")
    lost = [a for a in status.attempts if a.cause is not None]
    text = f"Job {name}: {said[0].lower()}{said[1:]}."
    last = lost[-1] if lost else None
    ended = status.phase in (JobPhase.FAILED, JobPhase.CANCELLED)
    if last is not None and last.cause is not None and not ended and last.cause.evidence not in said:
        text += f" Attempt {last.number} was lost: {last.cause.evidence}."
    return text


def _after(job: TrainingJob) -> str | None:
    cause = next((a.cause for a in reversed(job.status.attempts) if a.cause is not None), None)
    name = job.metadata.name
    match job.status.phase:
        case JobPhase.SUSPENDED:
            return f"footplate job resume {name}"
        case JobPhase.FAILED if cause is not None and not cause.retry:
            return "correct what the evidence names and submit it again"
        case JobPhase.FAILED:
            return f"footplate job retry {name}"
        case _:
            return None
