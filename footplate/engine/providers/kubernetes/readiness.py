"""When an object counts as ready, by kind: pure judgements on the object as the API server shows it.

The conditions are those that `kubectl rollout status`, kstatus and pulumi-kubernetes wait for. A kind that is not here is
ready when it exists.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

from footplate.engine import paths
from footplate.engine.errors import ResourceFailed

Object: TypeAlias = dict[str, Any]

SKIP_AWAIT: Final = "pulumi.com/skipAwait"
WAIT_FOR: Final = "pulumi.com/waitFor"
TIMEOUT: Final = "pulumi.com/timeoutSeconds"


@dataclass(frozen=True)
class Ready:
    pass


@dataclass(frozen=True)
class Waiting:
    """`message`: what is missing, as the rest of a sentence that starts with the object's name."""

    message: str


@dataclass(frozen=True)
class Failed:
    """It will not become ready by waiting."""

    message: str


Judgement: TypeAlias = Ready | Waiting | Failed
READY: Final = Ready()


@dataclass(frozen=True)
class Related:
    """What else has to be looked at. `binding_mode`: of a claim's storage class; `endpoints`: a service's ready ones."""

    binding_mode: str = ""
    endpoints: int = 0


def judge(obj: Object, related: Related) -> Judgement:
    key = (str(obj.get("apiVersion") or "").rpartition("/")[0], str(obj.get("kind")))
    rule = _RULES.get(key)
    return rule(obj, related) if rule is not None else READY


def waits(obj: Object) -> bool:
    return (str(obj.get("apiVersion") or "").rpartition("/")[0], str(obj.get("kind"))) in _RULES


def custom(expressions: str) -> Callable[[Object], Judgement]:
    """`pulumi.com/waitFor`: one expression or a JSON array of them, `condition=<type>[=<status>]` or
    `jsonpath={.path}[=value]`."""
    try:
        parsed: Any = json.loads(expressions)
    except json.JSONDecodeError:
        parsed = expressions
    wanted: list[str] = [str(e) for e in cast(list[Any], parsed)] if isinstance(parsed, list) else [expressions]
    tests = [_expression(text) for text in wanted]

    def judgement(obj: Object) -> Judgement:
        missing = [text for text, test in zip(wanted, tests, strict=True) if not test(obj)]
        return Waiting(f"is not yet {' and '.join(missing)}") if missing else READY

    return judgement


def _expression(text: str) -> Callable[[Object], bool]:
    if text.startswith("condition="):
        name, _, status = text.removeprefix("condition=").partition("=")
        return lambda obj: _condition(obj, name).get("status") == (status or "True")
    if text.startswith("jsonpath={.") and "}" in text:
        inner, _, value = text.removeprefix("jsonpath={.").partition("}")
        path = paths.parse(inner)
        if not value:
            return lambda obj: paths.get(obj, path) is not None
        return lambda obj: str(paths.get(obj, path)) == value.removeprefix("=")
    raise ResourceFailed(
        f"the annotation {WAIT_FOR} has {text!r}, which is neither condition=<type> nor jsonpath={{.path}}=<value>"
    )


def _deployment(obj: Object, related: Related) -> Judgement:
    spec, status = _part(obj, "spec"), _part(obj, "status")
    wanted = int(spec.get("replicas", 1))
    if spec.get("paused"):
        return READY
    if _behind(obj):
        return Waiting("is not seen by its controller yet")
    progressing = _condition(obj, "Progressing")
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return Failed(str(progressing.get("message") or "exceeded its progress deadline"))
    updated, available = int(status.get("updatedReplicas") or 0), int(status.get("availableReplicas") or 0)
    failure = _condition(obj, "ReplicaFailure")
    if updated < wanted and failure.get("status") == "True":
        return Waiting(f"cannot create its pods: {failure.get('message')}")
    if updated < wanted:
        return Waiting(f"has {updated} of {wanted} pods of the new version")
    if int(status.get("replicas") or 0) > updated:
        return Waiting("still has pods of the old version")
    if available < wanted:
        return Waiting(f"has {available} of {wanted} pods available")
    return READY


def _stateful_set(obj: Object, related: Related) -> Judgement:
    spec, status = _part(obj, "spec"), _part(obj, "status")
    wanted, ready = int(spec.get("replicas", 1)), int(status.get("readyReplicas") or 0)
    if _behind(obj):
        return Waiting("is not seen by its controller yet")
    if ready < wanted:
        return Waiting(f"has {ready} of {wanted} pods ready")
    strategy = _part(spec, "updateStrategy")
    rolling = strategy.get("type", "RollingUpdate") == "RollingUpdate" and not _part(strategy, "rollingUpdate").get(
        "partition"
    )
    if rolling and wanted and status.get("updateRevision") != status.get("currentRevision"):
        return Waiting("still has pods of the old version")
    return READY


def _daemon_set(obj: Object, related: Related) -> Judgement:
    status = _part(obj, "status")
    wanted = int(status.get("desiredNumberScheduled") or 0)
    if _behind(obj):
        return Waiting("is not seen by its controller yet")
    updated, available = int(status.get("updatedNumberScheduled") or 0), int(status.get("numberAvailable") or 0)
    if updated < wanted:
        return Waiting(f"has {updated} of {wanted} pods of the new version")
    if available < wanted:
        return Waiting(f"has {available} of {wanted} pods available")
    return READY


def _pod(obj: Object, related: Related) -> Judgement:
    phase = _part(obj, "status").get("phase")
    if phase == "Succeeded" or _condition(obj, "Ready").get("status") == "True":
        return READY
    if phase == "Failed":
        return Failed(pod_trouble(obj) or "failed")
    return Waiting(pod_trouble(obj) or f"is {phase or 'Pending'}")


def pod_trouble(pod: Object) -> str:
    """Why a pod is not running, from what the scheduler and the kubelet report; empty where they say nothing."""
    status = _part(pod, "status")
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return f"cannot be scheduled: {scheduled.get('message') or scheduled.get('reason')}"
    for kind in ("initContainerStatuses", "containerStatuses"):
        for container in cast(list[Object], status.get(kind) or []):
            state = _part(container, "state")
            stopped = _part(state, "waiting") or _part(state, "terminated")
            reason, message = stopped.get("reason"), stopped.get("message")
            if reason and reason not in ("ContainerCreating", "PodInitializing", "Completed"):
                detail = f": {message}" if message else ""
                return f"container {container.get('name')} is in {reason}{detail}"
    return str(status.get("message") or "")


def _job(obj: Object, related: Related) -> Judgement:
    if _condition(obj, "Complete").get("status") == "True" or _part(obj, "spec").get("suspend"):
        return READY
    failed = _condition(obj, "Failed")
    if failed.get("status") == "True":
        return Failed(str(failed.get("message") or failed.get("reason") or "failed"))
    status = _part(obj, "status")
    return Waiting(f"has {status.get('succeeded') or 0} of {_part(obj, 'spec').get('completions', 1)} runs completed")


def _claim(obj: Object, related: Related) -> Judgement:
    phase = _part(obj, "status").get("phase")
    if phase == "Bound":
        return READY
    if phase == "Lost":
        return Failed("lost its volume")
    if phase == "Pending" and related.binding_mode == "WaitForFirstConsumer":
        return READY
    return Waiting(f"is {phase or 'Pending'}, not bound to a volume")


def _volume(obj: Object, related: Related) -> Judgement:
    phase = _part(obj, "status").get("phase")
    return READY if phase in ("Available", "Bound") else Waiting(f"is {phase or 'Pending'}")


def needs_endpoints(obj: Object) -> bool:
    spec = _part(obj, "spec")
    return spec.get("type") != "ExternalName" and bool(spec.get("selector"))


def _service(obj: Object, related: Related) -> Judgement:
    spec = _part(obj, "spec")
    if needs_endpoints(obj) and not related.endpoints:
        labels = ", ".join(f"{key}={value}" for key, value in _part(spec, "selector").items())
        return Waiting(f"has no ready pod behind it (selector {labels})")
    if spec.get("type") == "LoadBalancer" and not _part(_part(obj, "status"), "loadBalancer").get("ingress"):
        return Waiting("has no address from the load balancer yet")
    return READY


def _definition(obj: Object, related: Related) -> Judgement:
    names = _condition(obj, "NamesAccepted")
    if names.get("status") == "False":
        return Failed(str(names.get("message") or "has names that are taken"))
    established = _condition(obj, "Established")
    if established.get("status") == "True":
        return READY
    return Waiting(str(established.get("message") or names.get("message") or "is not established"))


def _namespace(obj: Object, related: Related) -> Judgement:
    phase = _part(obj, "status").get("phase")
    return READY if phase in ("Active", None) else Waiting(f"is {phase}")


def _quota(obj: Object, related: Related) -> Judgement:
    wanted, seen = _part(_part(obj, "spec"), "hard"), _part(_part(obj, "status"), "hard")
    return READY if set(wanted) == set(seen) else Waiting("is not counted yet")


_RULES: Final[dict[tuple[str, str], Callable[[Object, Related], Judgement]]] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("", "Pod"): _pod,
    ("batch", "Job"): _job,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "PersistentVolume"): _volume,
    ("", "Service"): _service,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
    ("", "Namespace"): _namespace,
    ("", "ResourceQuota"): _quota,
}


def deletion_trouble(obj: Object) -> str:
    """What keeps an object that is being deleted."""
    for condition in cast(list[Object], _part(obj, "status").get("conditions") or []):
        if (
            condition.get("status") == "True"
            and str(condition.get("type")).startswith("Namespace")
            and condition.get("message")
        ):
            return str(condition["message"])
    metadata = _part(obj, "metadata")
    finalizers = [*cast(list[str], metadata.get("finalizers") or [])]
    finalizers += cast(list[str], _part(obj, "spec").get("finalizers") or []) if obj.get("kind") == "Namespace" else []
    if "foregroundDeletion" in finalizers:
        return "its dependents are being deleted"
    return f"its finalizers are not done: {', '.join(finalizers)}" if finalizers else "it is shutting down"


def _part(obj: Object, key: str) -> Object:
    found = obj.get(key)
    return cast(Object, found) if isinstance(found, dict) else {}


def _condition(obj: Object, type: str) -> Object:
    conditions = cast(list[Object], _part(obj, "status").get("conditions") or [])
    return next((c for c in conditions if c.get("type") == type), Object())


def _behind(obj: Object) -> bool:
    generation = int(_part(obj, "metadata").get("generation") or 0)
    return int(_part(obj, "status").get("observedGeneration") or 0) < generation
