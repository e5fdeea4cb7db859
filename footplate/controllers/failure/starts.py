"""Why a pod that was given a node did not start there in time.

Sources: the kubelet's waiting reasons (k8s.io/kubernetes/pkg/kubelet/images/types.go, pkg/kubelet/kuberuntime) and
registries' answers in their messages.
"""

from __future__ import annotations

import re

from footplate.api.trainingjob import CauseClass
from footplate.controllers.cluster import Pod
from footplate.controllers.failure.rule import Rule

_APP, _INFRA = CauseClass.APP, CauseClass.INFRA

_BUSY = Rule("StartTimeout", _APP, "")
_IMAGE_MISSING = Rule("ImageNotFound", _APP, "", retry=False)
_REGISTRY_AWAY = Rule("ImagePull", _INFRA, "")
_STUCK = Rule("NodeStuck", _INFRA, "", suspect=True)
"""Nothing is said: volumes that are not mounted, a runtime that hangs."""

#: Waiting reason of a container, and a pattern of its message.
_WAITING: tuple[tuple[str, str, Rule], ...] = (
    (r"InvalidImageName|ErrImageNeverPull", "", _IMAGE_MISSING),
    (r"Image|Registry", r"not found|manifest unknown|does not exist|NotFound", _IMAGE_MISSING),
    (r"Image|Registry", r"unauthorized|denied|forbidden|authentication required", _IMAGE_MISSING),
    (r"Image|Registry", r"no space left", Rule("DiskFull", _INFRA, "", suspect=True)),
    (r"Image|Registry|Signature", "", _REGISTRY_AWAY),
    (r"CreateContainerConfigError|CreateContainerError", "", Rule("ContainerCreate", _APP, "", retry=False)),
    (r"RunContainerError", "", _STUCK),
)


def start_rule(pod: Pod) -> Rule:
    statuses = (*pod.status.init_container_statuses, *pod.status.container_statuses)
    for container in statuses:
        state = container.state.waiting
        if state is None:
            continue
        for reason, message, rule in _WAITING:
            if re.search(reason, state.reason) and re.search(message, state.message, re.IGNORECASE):
                return rule
    prepare = pod.container("prepare")
    return _BUSY if prepare is not None and prepare.state.running is not None else _STUCK
