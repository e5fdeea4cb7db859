"""The kinds that the controllers read and write."""

from footplate.api import crds
from footplate.api.meta import GROUP, VERSION
from footplate.kube.resource import POD, Resource

MANAGER = "footplate-controllers"

_OWN = {d.kind: Resource(GROUP, VERSION, d.kind, d.plural, d.namespaced) for d in crds.DEFINITIONS}

WORKSPACE = _OWN["Workspace"]
TRAINING_JOB = _OWN["TrainingJob"]
ENVIRONMENT = _OWN["Environment"]

CLAIM = Resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", True)
SERVICE = Resource("", "v1", "Service", "services", True)
SECRET = Resource("", "v1", "Secret", "secrets", True)
CONFIG_MAP = Resource("", "v1", "ConfigMap", "configmaps", True)
QUOTA = Resource("", "v1", "ResourceQuota", "resourcequotas", True)
CORE_EVENT = Resource("", "v1", "Event", "events", True)
ENDPOINT_SLICE = Resource("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", True)
NODE = Resource("", "v1", "Node", "nodes", False)
TOKEN_REVIEW = Resource("authentication.k8s.io", "v1", "TokenReview", "tokenreviews", False)
JOB = Resource("batch", "v1", "Job", "jobs", True)
POD_GROUP = Resource("scheduling.k8s.io", "v1beta1", "PodGroup", "podgroups", True)

#: Newest first.
KUEUE_VERSIONS = ("kueue.x-k8s.io/v1beta2", "kueue.x-k8s.io/v1beta1")

__all__ = [
    "CLAIM",
    "CONFIG_MAP",
    "CORE_EVENT",
    "ENDPOINT_SLICE",
    "ENVIRONMENT",
    "JOB",
    "KUEUE_VERSIONS",
    "MANAGER",
    "NODE",
    "POD",
    "POD_GROUP",
    "QUOTA",
    "SECRET",
    "SERVICE",
    "TOKEN_REVIEW",
    "TRAINING_JOB",
    "WORKSPACE",
]
