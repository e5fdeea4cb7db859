"""How the pods of a job are placed together: by Kueue, by the scheduler's own gangs, or one by one with a warning."""

from __future__ import annotations

from enum import StrEnum

from footplate.api.platform import Platform
from footplate.controllers.caches import Served
from footplate.controllers.refusal import Refusal

QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
DEFAULT_QUEUE = "default"
"""The name that Kueue's LocalQueueDefaulting knows."""


class Queueing(StrEnum):
    KUEUE = "kueue"
    NATIVE = "native"
    PLAIN = "none"


def choose(platform: Platform, served: Served) -> Queueing | Refusal:
    match platform.queueing:
        case "auto" if served.kueue is not None:
            return Queueing.KUEUE
        case "auto":
            return Queueing.NATIVE if served.pod_groups else Queueing.PLAIN
        case "kueue":
            if served.kueue is not None:
                return Queueing.KUEUE
            return Refusal(
                "KueueMissing", "The platform is set to queue jobs by Kueue, which this cluster lacks.", final=False
            )
        case "native":
            if served.pod_groups:
                return Queueing.NATIVE
            text = "The platform is set to gang scheduling by Kubernetes (scheduling.k8s.io/v1beta1), which this cluster lacks."
            return Refusal("GangSchedulingMissing", text, final=False)
        case "none":
            return Queueing.PLAIN


NO_GANG = (
    "This cluster has no gang scheduling: the nodes of a job are placed one by one, and two jobs that each get a part "
    "can block each other."
)
