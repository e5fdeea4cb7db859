"""On how many nodes the next attempt runs, and which nodes it avoids."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from footplate.api import TrainingJob
from footplate.controllers import room
from footplate.controllers.nodehealth.suspicion import Incident, is_suspect, of_job, suspects_of
from footplate.controllers.trainingjob.observed import Observed, current


@dataclass(frozen=True)
class Avoided:
    """`strictly`: there are enough others; else they are only the last choice."""

    nodes: tuple[str, ...] = ()
    strictly: bool = False


NOTHING = Avoided()

#: Node labels that tell how close nodes are, with the weight of being close: the finer, the more.
#: Sources: https://kubernetes.io/docs/reference/labels-annotations-taints/, Amazon EKS and GKE on network topology.
TOPOLOGY: dict[str, int] = {
    "topology.kubernetes.io/zone": 20,
    "topology.k8s.aws/network-node-layer-1": 30,
    "topology.k8s.aws/network-node-layer-2": 50,
    "topology.k8s.aws/network-node-layer-3": 80,
    "cloud.google.com/gce-topology-block": 50,
    "cloud.google.com/gce-topology-subblock": 80,
}

AVOIDED_AT_MOST = 32
"""Expressions in a pod's affinity; the newest suspects count."""


def avoided(job: TrainingJob, observed: Observed, now: datetime, nodes: int) -> Avoided:
    names = suspects(job, observed, now)
    if not names:
        return NOTHING
    others = room.ranks(observed.facts.capacity.rooms, job.spec.resources, {}, names)
    return Avoided(names, others >= nodes)


def suspects(job: TrainingJob, observed: Observed, now: datetime) -> tuple[str, ...]:
    """By this job's own attempts, and by other jobs' as their nodes remember them; only nodes that are there."""
    own = set(suspects_of(job))
    found: list[str] = []
    for place in observed.facts.capacity.rooms:
        mine: list[Incident] = of_job(job, place.name) if place.name in own else []
        if is_suspect({(i.job, i.attempt): i for i in (*mine, *place.incidents)}.values(), now):
            found.append(place.name)
    return tuple(found[-AVOIDED_AT_MOST:])


def nodes_of(job: TrainingJob, observed: Observed) -> int:
    """Of the current attempt, once its Job is there."""
    batch = observed.jobs.get(current(job))
    return (batch.spec.completions if batch is not None else 0) or job.spec.nodes


def nodes(job: TrainingJob, observed: Observed, now: datetime) -> int:
    """An elastic job takes what there is room for now, within its bounds; never fewer than its least."""
    elastic = job.spec.elastic
    if elastic is None:
        return job.spec.nodes
    return max(elastic.min_nodes, min(elastic.max_nodes, room_for(job, observed, now)))


def topology(job: TrainingJob, observed: Observed, nodes: int) -> tuple[str, ...]:
    """Labels by which its ranks should be close: those that tell the nodes it could have apart."""
    if nodes == 1:
        return ()
    fitting = [place for place in observed.facts.capacity.rooms if room.ranks_on(place, job.spec.resources)]
    values = {key: {place.labels[key] for place in fitting if key in place.labels} for key in TOPOLOGY}
    return tuple(key for key in TOPOLOGY if len(values[key]) > 1)


def room_for(job: TrainingJob, observed: Observed, now: datetime) -> int:
    """Ranks for which there is room beside all pods that run, this job's own among them."""
    facts = observed.facts
    return room.ranks(facts.capacity.rooms, job.spec.resources, facts.used, suspects(job, observed, now))
