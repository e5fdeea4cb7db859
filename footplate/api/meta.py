"""What every object of the group shares: metadata, conditions, and the base of the wire types."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

GROUP = "footplate.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


class Wire(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A value as it travels to and from the API server: camelCase, defaults left out, unknown fields passed over."""


class OwnerReference(Wire, frozen=True):
    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False
    block_owner_deletion: bool = False


class ObjectMeta(Wire, frozen=True):
    """The part of Kubernetes' ObjectMeta that Footplate reads; managedFields are never decoded."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: tuple[OwnerReference, ...] = ()
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    finalizers: tuple[str, ...] = ()


class Condition(Wire, frozen=True, omit_defaults=False):
    """A Kubernetes condition (KEP-1623): ``reason`` is never empty, ``lastTransitionTime`` moves with ``status`` only."""

    type: Annotated[str, Meta(max_length=316)]
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, Meta(min_length=1, max_length=1024)]
    message: Annotated[str, Meta(max_length=32768)]
    last_transition_time: datetime
    observed_generation: int = 0
