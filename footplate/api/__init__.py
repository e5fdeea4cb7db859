"""Wire types of the Kubernetes API group ``footplate.dev/v1alpha1`` and the CRD schemas generated from them."""

from footplate.api.environment import Environment, EnvironmentSpec
from footplate.api.meta import GROUP, VERSION, Condition, ObjectMeta
from footplate.api.resources import Dataset, Gpu, Resources
from footplate.api.trainingjob import TrainingJob, TrainingJobSpec, TrainingJobStatus
from footplate.api.workspace import Workspace, WorkspaceSpec, WorkspaceStatus

__all__ = [
    "GROUP",
    "VERSION",
    "Condition",
    "Dataset",
    "Environment",
    "EnvironmentSpec",
    "Gpu",
    "ObjectMeta",
    "Resources",
    "TrainingJob",
    "TrainingJobSpec",
    "TrainingJobStatus",
    "Workspace",
    "WorkspaceSpec",
    "WorkspaceStatus",
]
