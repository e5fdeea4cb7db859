"""Metadata that all Kubernetes objects of the platform share."""

from __future__ import annotations

from footplate.api import labels


def standard_labels(component: str, **extra: str) -> dict[str, str]:
    """The recommended labels (https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/)."""
    return {
        labels.NAME: "footplate",
        labels.COMPONENT: component,
        labels.PART_OF: "footplate",
        labels.MANAGED_BY: "pulumi",
        **extra,
    }


#: Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
RESTRICTED = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/warn": "restricted",
}
