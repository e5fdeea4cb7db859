"""The objects that a Workspace or a TrainingJob consists of, and how they are brought about: compare, then act.

Names derive from the owner's and do not change, so doing it twice does nothing: a child that exists is not made again,
and one that is there under our name but belongs to another is a reason to wait, never to take over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from footplate.api import labels
from footplate.api.meta import API_VERSION, ObjectMeta
from footplate.api.workspace import owner_slug
from footplate.controllers.cluster import Bare, Metadata
from footplate.controllers.refusal import Refusal
from footplate.kube.client import Client
from footplate.kube.errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound
from footplate.kube.informer import Informer
from footplate.kube.resource import Resource

Json = dict[str, Any]
Slot = tuple[Resource, str]
"""Kind and name, in the owner's namespace."""

CHANGE_REFUSED = "ChangeRefused"
"""The reason where a child is there, and only a change to it was refused."""


@dataclass(frozen=True)
class Child:
    resource: Resource
    name: str
    body: Json | None
    """To create it from; None: keep it where it is, and do not make it."""
    drift: Json | None = None
    """A merge patch that brings what is there in line."""
    shared: bool = False
    """Belongs to no owner: made where missing, never removed."""

    @property
    def slot(self) -> Slot:
        return self.resource, self.name


@dataclass(frozen=True)
class Actions:
    create: tuple[Child, ...] = ()
    patch: tuple[Child, ...] = ()
    delete: tuple[tuple[Resource, Metadata], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.create or self.patch or self.delete)


def compare(desired: Iterable[Child], present: Mapping[Slot, Metadata]) -> Actions:
    """`present`: those of the owner's children that are there, and shared ones."""
    wanted = {child.slot: child for child in desired}
    return Actions(
        tuple(child for slot, child in wanted.items() if slot not in present and child.body is not None),
        tuple(child for slot, child in wanted.items() if slot in present and child.drift is not None),
        tuple(
            (slot[0], metadata)
            for slot, metadata in present.items()
            if slot not in wanted and metadata.deletion_timestamp is None
        ),
    )


class Applier:
    """The one place that writes children."""

    def __init__(self, client: Client, informers: Mapping[Resource, Informer[Any]]) -> None:
        self._client = client
        self._informers = informers

    async def apply(self, actions: Actions, namespace: str, owner: str) -> Refusal | None:
        """Deletes, patches, then creates in the order given, up to the first that is refused. Says what was refused."""
        unchanged: Refusal | None = None
        for resource, metadata in actions.delete:
            try:
                await self._client.delete(resource, metadata.name, namespace, uid=metadata.uid)
            except (NotFound, Conflict):
                pass
        for child in actions.patch:
            try:
                await self._client.patch(child.resource, child.name, child.drift, namespace)
            except (Forbidden, Invalid) as error:
                unchanged = Refusal(
                    CHANGE_REFUSED, f"The cluster does not change its {child.resource.kind}: {error.message}."
                )
            except NotFound:
                pass
        for child in actions.create:
            refusal = await self._create(child, namespace, owner)
            if refusal is not None:
                return refusal
        return unchanged

    async def _create(self, child: Child, namespace: str, owner: str) -> Refusal | None:
        informer = self._informers.get(child.resource)
        try:
            if informer is None:
                await self._client.create(child.resource, child.body, namespace)
            else:
                made = await self._client.create(child.resource, child.body, namespace, type=informer.type)
                informer.learn(made)
        except AlreadyExists:
            return None if child.shared else await self._taken(child, namespace, owner)
        except (Forbidden, Invalid) as error:
            return refused(child, error)
        return None

    async def _taken(self, child: Child, namespace: str, owner: str) -> Refusal | None:
        """None where the object is ours, and only the cache is behind."""
        try:
            found = await self._client.get(child.resource, child.name, namespace, type=Bare)
        except NotFound:
            return None
        if found.metadata.owned_by(owner):
            return unlabelled(child, found.metadata)
        return name_taken(child.resource, found.metadata)


def unlabelled(child: Child, found: Metadata) -> Refusal | None:
    """Without our labels no watch shows it to us."""
    wanted: dict[str, str] = (child.body or {}).get("metadata", {}).get("labels", {})
    lost = lost_labels(wanted, found)
    if not lost:
        return None
    return Refusal(
        "LabelsLost",
        f"Its {child.resource.kind} {found.name} is there, but has lost labels of Footplate's: set {', '.join(lost)} again, "
        "or delete it.",
        final=False,
    )


def lost_labels(wanted: Mapping[str, str], found: Metadata) -> list[str]:
    """As `name=value`."""
    return [f"{name}={value}" for name, value in wanted.items() if found.labels.get(name) != value]


def name_taken(resource: Resource, found: Metadata) -> Refusal:
    if found.deletion_timestamp is not None or any(
        owner.kind in ("Workspace", "TrainingJob") for owner in found.owner_references
    ):
        return Refusal(
            "NameTaken",
            f"It waits for {resource.kind} {found.name} of its predecessor to be removed.",
            final=False,
        )
    return Refusal(
        "NameTaken",
        f"A {resource.kind} named {found.name} exists already and belongs to something else: "
        "remove it, or use another name.",
        final=False,
    )


def refused(child: Child, error: Forbidden | Invalid) -> Refusal:
    if isinstance(error, Invalid):
        causes = "; ".join(error.causes) or error.message
        return Refusal("Invalid", f"The cluster refuses its {child.resource.kind}: {causes}.")
    if "exceeded quota" in error.message:
        return Refusal(
            "QuotaExceeded", f"It waits for quota: {_after(error.message, 'exceeded quota: ')}.", final=False
        )
    return Refusal(
        "Forbidden", f"The cluster does not admit its {child.resource.kind} now: {error.message}.", final=False
    )


def _after(text: str, mark: str) -> str:
    return text.partition(mark)[2] or text


def metadata(name: str, owner: ObjectMeta, kind: str, labelled: Mapping[str, str]) -> Json:
    """Of a child that goes when its owner goes."""
    reference = {
        "apiVersion": API_VERSION,
        "kind": kind,
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {"name": name, "labels": dict(labelled), "ownerReferences": [reference]}


def labelled(component: str, instance: str, team: str, owner: str | None, **more: str) -> dict[str, str]:
    """`component`: workspace or job; `more`: by the names in `footplate.api.labels`."""
    return {
        labels.NAME: "footplate",
        labels.COMPONENT: component,
        labels.INSTANCE: instance,
        labels.MANAGED_BY: "footplate-controllers",
        labels.TEAM: team,
        labels.OWNER: owner_slug(owner),
        **more,
    }


def team_of(namespace: str) -> str:
    return namespace.removeprefix(labels.TEAM_NAMESPACE_PREFIX)
