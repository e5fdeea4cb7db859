"""The kinds the client reads and writes. Their paths are known: no discovery request before the first useful one."""

from __future__ import annotations

from footplate.api import crds
from footplate.api.meta import GROUP, VERSION
from footplate.kube.resource import POD, Resource

_BY_KIND = {d.kind: Resource(GROUP, VERSION, d.kind, d.plural, d.namespaced) for d in crds.DEFINITIONS}

WORKSPACE = _BY_KIND["Workspace"]
TRAINING_JOB = _BY_KIND["TrainingJob"]
ENVIRONMENT = _BY_KIND["Environment"]

CONFIG_MAP = Resource("", "v1", "ConfigMap", "configmaps", True)
SECRET = Resource("", "v1", "Secret", "secrets", True)
SERVICE = Resource("", "v1", "Service", "services", True)
QUOTA = Resource("", "v1", "ResourceQuota", "resourcequotas", True)
CLAIM = Resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", True)
STORAGE_CLASS = Resource("storage.k8s.io", "v1", "StorageClass", "storageclasses", False)
NODE = Resource("", "v1", "Node", "nodes", False)
DEPLOYMENT = Resource("apps", "v1", "Deployment", "deployments", True)
CRD = Resource("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", False)

__all__ = [
    "CLAIM",
    "CONFIG_MAP",
    "CRD",
    "DEPLOYMENT",
    "ENVIRONMENT",
    "NODE",
    "POD",
    "QUOTA",
    "SECRET",
    "SERVICE",
    "STORAGE_CLASS",
    "TRAINING_JOB",
    "WORKSPACE",
]
