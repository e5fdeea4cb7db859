"""Pods that may still run although nobody waits for their work: two attempts never run at once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from footplate.controllers.cluster import Pod
from footplate.controllers.failure.nodes import lost
from footplate.controllers.trainingjob.observed import Observed


def lingering(pods: Iterable[Pod], observed: Observed, now: datetime) -> list[Pod]:
    """One that should have ended long ago is on a node that does not answer: it is let go."""
    return [pod for pod in pods if not pod.ended and now < (let_go(pod, observed) or datetime.max.replace(tzinfo=UTC))]


def ending_by_itself(pods: Iterable[Pod], observed: Observed) -> datetime | None:
    """Until when the pods whose process has ended have time to end altogether."""
    mains = [pod.container("main") for pod in pods if pod.over and not pod.ended and not pod.leaving]
    ends = [main.state.terminated.finished_at for main in mains if main is not None and main.state.terminated]
    return max((end + observed.bounds.last_words for end in ends if end is not None), default=None)


def let_go(pod: Pod, observed: Observed) -> datetime | None:
    """At the end of its grace where its node is known to be lost, some time later where nothing is known."""
    due = pod.metadata.deletion_timestamp
    if due is None:
        return None
    name = pod.spec.node_name
    node = observed.nodes.get(name)
    gone = name in observed.nodes and (node is None or lost(node) is not None)
    return due if gone else due + observed.bounds.stop
