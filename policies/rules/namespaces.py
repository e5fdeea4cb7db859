"""Namespaces: what pods may do in them, and what they reach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from msgspec import field

from policies.rule import Finding, Resource, ResourceRule, Settings, Severity, StackRule
from policies.values import at, is_unknown, mapping, texts

NAMESPACE = "kubernetes:core/v1:Namespace"
NETWORK_POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
ENFORCE = "pod-security.kubernetes.io/enforce"
_STRICTNESS = ("privileged", "baseline", "restricted")


_PRIVILEGED = ("gpu-operator", "kube-system", "monitoring")
_BASELINE = ("aws-load-balancer", "cert-manager", "external-dns", "karpenter", "kuberay-system", "kueue-system")
_PLATFORM = ("footplate-system",)


def _levels() -> dict[str, Literal["privileged", "baseline"]]:
    return {**dict.fromkeys(_PRIVILEGED, "privileged"), **dict.fromkeys(_BASELINE, "baseline")}


class PodSecurity(Settings, frozen=True):
    #: Namespace → the level it needs, where restricted keeps its pods from working.
    exempt: dict[str, Literal["privileged", "baseline"]] = field(default_factory=_levels)


def _pod_security(namespace: Resource, settings: PodSecurity) -> Iterator[str]:
    name = at(namespace.properties, "metadata.name")
    labels = at(namespace.properties, "metadata.labels")
    level = mapping(labels).get(ENFORCE)
    if is_unknown(labels) or is_unknown(level):
        return
    wanted = settings.exempt.get(name, "restricted") if isinstance(name, str) else "restricted"
    if level not in _STRICTNESS or _STRICTNESS.index(level) < _STRICTNESS.index(wanted):
        yield (
            f"metadata.labels[{ENFORCE!r}] is {level or 'unset'}: set it to {wanted}, or name the namespace among the "
            "rule's exempt ones"
        )


POD_SECURITY = ResourceRule(
    name="pod-security-restricted",
    description="Namespaces admit pods of Pod Security level restricted only; those that cannot are named.",
    severity=Severity.HIGH,
    source="https://kubernetes.io/docs/concepts/security/pod-security-standards/",
    types=frozenset({NAMESPACE}),
    check=_pod_security,
    settings=PodSecurity,
)


class DefaultDeny(Settings, frozen=True):
    #: Namespaces that need no network policy: those of the platform's own parts, in which no user's pod runs.
    exempt: tuple[str, ...] = (*_PLATFORM, *_PRIVILEGED, *_BASELINE)
    #: Which traffic is denied unless allowed.
    directions: tuple[str, ...] = ("Ingress", "Egress")


def _undenied(resources: Sequence[Resource], settings: DefaultDeny) -> Iterator[Finding]:
    policies = [resource for resource in resources if resource.type == NETWORK_POLICY]
    for namespace in resources:
        if namespace.type != NAMESPACE or at(namespace.properties, "metadata.name") in settings.exempt:
            continue
        denied = {
            direction
            for policy in policies
            if _in(policy, namespace) and _selects_all(at(policy.properties, "spec.podSelector"))
            for direction in texts(at(policy.properties, "spec.policyTypes")) or ["Ingress"]
        }
        if missing := [direction for direction in settings.directions if direction not in denied]:
            yield Finding(
                f"no NetworkPolicy denies its pods' {' and '.join(missing).lower()} traffic: add one with podSelector "
                f"{{}} and policyTypes [{', '.join(settings.directions)}]",
                namespace.urn,
            )


def _in(policy: Resource, namespace: Resource) -> bool:
    where = at(policy.properties, "metadata.namespace")
    known = isinstance(where, str) and not is_unknown(where)
    if known:
        return where == at(namespace.properties, "metadata.name")
    return namespace.urn in policy.uses.get("metadata", ())


def _selects_all(selector: Any) -> bool:
    given = mapping(selector)
    return is_unknown(selector) or not (given.get("matchLabels") or given.get("matchExpressions"))


DEFAULT_DENY = StackRule(
    name="network-default-deny",
    description="In each namespace, traffic is denied unless a network policy allows it.",
    severity=Severity.MEDIUM,
    source="CKV2_K8S_6, CIS Kubernetes 5.3.2",
    types=frozenset({NAMESPACE, NETWORK_POLICY}),
    check=_undenied,
    settings=DefaultDeny,
)

RULES = (POD_SECURITY, DEFAULT_DENY)
