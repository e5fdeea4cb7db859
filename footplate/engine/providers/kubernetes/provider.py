"""The Kubernetes provider: decides what an object needs, and applies, deletes, reads."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, Final, cast

from footplate.engine import paths
from footplate.engine.changes import Change, ChangeKind, compare, forcing, without
from footplate.engine.errors import ResourceFailed
from footplate.engine.paths import Path
from footplate.engine.providers.contract import Check, Diff, Outcome, Request, Say
from footplate.engine.providers.kubernetes import compare as objects
from footplate.engine.providers.kubernetes import contents, fixed, naming, preview
from footplate.engine.providers.kubernetes.answers import answered
from footplate.engine.providers.kubernetes.apply import Applier, manager_of, timeout_of
from footplate.engine.providers.kubernetes.cluster import Cluster
from footplate.engine.providers.kubernetes.kinds import Kind, kind_of, live_of, marked, to_object, to_outputs
from footplate.engine.providers.kubernetes.naming import metadata_of
from footplate.engine.providers.kubernetes.waiting import Unready, until_gone
from footplate.engine.state.model import Resource
from footplate.engine.values import Properties, Unknown, has_unknown, plain
from footplate.kube import Object
from footplate.kube.errors import Invalid, NotFound, UnknownKind, Unreachable

PROPAGATION: Final = "pulumi.com/deletionPropagationPolicy"


class KubernetesProvider:
    """`cluster` None: its configuration is not known yet, so all that can be said comes from the program."""

    def __init__(self, cluster: Cluster | None, stopping: asyncio.Event) -> None:
        self._cluster = cluster
        self._stopping = stopping
        self._applier = Applier(cluster, stopping) if cluster is not None else None

    @property
    def plans_only(self) -> str:
        return ""

    async def close(self) -> None:
        if self._cluster is not None:
            await self._cluster.close()

    async def check(self, check: Check) -> Properties:
        kind = kind_of(check.type, check.inputs)
        inputs: Properties = {"apiVersion": kind.api_version, "kind": kind.kind, **check.inputs}
        if kind.patch and not metadata_of(inputs).get("name"):
            raise ResourceFailed(f"a {kind.kind}Patch needs metadata.name: the object whose fields it sets")
        inputs = naming.named(inputs, check.name, check.old)
        if self._cluster is not None:
            async with answered(f"look up {kind.kind}"):
                await self._cluster.verify()
                # A kind that nobody knows yet is taken for namespaced, as pulumi-kubernetes does.
                if await self._cluster.namespaced(kind) is False:
                    inputs = naming.without_namespace(inputs)
                else:
                    inputs = naming.with_namespace(inputs, self._cluster.default_namespace)
            if kind.is_crd:
                self._cluster.declare(inputs)
        return marked(inputs, kind)

    async def diff(self, request: Request) -> Diff:
        old, new = request.old, request.new
        assert old is not None
        kind = kind_of(new.type, new.inputs)
        declared = self._judged(compare(old.inputs, new.inputs), kind, new.inputs)
        if self._cluster is None or any(change.forces_replacement for change in declared):
            return self._diff(declared, old, new)
        async with answered(f"read {kind.kind} {old.id}"):
            live = await self._get(kind, old.id)
        if live is None:
            return replace(self._diff(declared, old, new), gone=True)
        if has_unknown(new.inputs):
            return self._diff(declared, old, new)
        unchanged = plain(old.inputs) == plain(new.inputs)
        if unchanged and not request.unsure and objects.same(live, live_of(old.outputs)):
            return self._diff([], old, new)
        return await self._diff_by_server(request, kind, live, declared)

    async def _diff_by_server(self, request: Request, kind: Kind, live: Object, declared: list[Change]) -> Diff:
        """Asks the API server what applying would make of the object: defaults, normal forms and webhooks included."""
        old, new = request.old, request.new
        assert old is not None and self._applier is not None
        manager = manager_of(new, old, kind)
        wanted = objects.keep_ignored(to_object(new.inputs, kind), live, request.ignore_changes, manager)
        async with answered(f"apply {kind.kind} {old.id}"):
            try:
                applied = await self._applier.dry_run(kind, wanted, manager)
            except Invalid as error:
                if not fixed.immutable(error.message):
                    raise
                return self._diff(_replacing(declared, error), old, new)
        if applied is None:
            return self._diff(declared, old, new)
        changes = objects.changes_between(live, applied, old_inputs=old.inputs, new_inputs=new.inputs, manager=manager)
        changes = objects.masked_changes(
            self._judged(without(changes, request.ignore_changes), kind, new.inputs),
            kind.is_secret,
            old.inputs,
            new.inputs,
        )
        shown = {**applied, "status": live["status"]} if "status" in live else applied
        outputs = to_outputs(shown if changes else live, new.inputs, kind, manager, initial_version(old, kind))
        return self._diff(changes, old, new, outputs)

    def _judged(self, changes: list[Change], kind: Kind, inputs: Properties) -> list[Change]:
        settings = self._cluster.settings if self._cluster is not None else None
        frozen = plain(inputs.get("immutable")) is True
        patterns = fixed.fixed_fields(
            kind,
            mutable_config_map=settings is not None and settings.mutable_config_maps,
            mutable_secret=settings is not None and settings.mutable_secrets,
            frozen=frozen,
        )
        patterns += [change.path for change in changes if fixed.is_fixed(kind, change.path)]
        return forcing(changes, patterns)

    def _diff(self, changes: list[Change], old: Resource, new: Resource, outputs: Properties | None = None) -> Diff:
        """Two objects cannot have one name: with a name of the program's, the old one goes first."""
        before, after = metadata_of(old.inputs), metadata_of(new.inputs)
        same_name = all(before.get(key) == after.get(key) for key in ("name", "namespace"))
        first = same_name and not naming.is_autonamed(new.inputs)
        return Diff(changes, delete_before_replace=first, outputs=outputs)

    async def create(self, request: Request, say: Say) -> Outcome:
        new = request.new
        kind = kind_of(new.type, new.inputs)
        if request.preview:
            return await preview.creation(self._applier, request, kind)
        if self._applier is None or has_unknown(new.inputs):
            raise ResourceFailed("it depends on a value that is still unknown")
        async with answered(f"create {kind.kind} {_id(new)}"):
            return await self._applier.create(request, kind, say)

    async def update(self, request: Request, say: Say) -> Outcome:
        old, new = request.old, request.new
        assert old is not None
        kind = kind_of(new.type, new.inputs)
        if request.preview:
            return Outcome(old.id, preview.updated(old, new, kind))
        if self._applier is None or has_unknown(new.inputs):
            raise ResourceFailed("it depends on a value that is still unknown")
        async with answered(f"update {kind.kind} {old.id}"):
            return await self._applier.update(request, kind, say)

    async def read(self, resource: Resource) -> Outcome | None:
        if self._cluster is None:
            return Outcome(resource.id, {})
        kind = kind_of(resource.type, resource.inputs)
        id = resource.id
        async with answered(f"read {kind.kind} {id}"):
            namespace, name = naming.split_id(id)
            if namespace is None and await self._cluster.namespaced(kind):
                id = naming.object_id(name, self._cluster.default_namespace)
            live = await self._get(kind, id)
        if live is None:
            return None
        manager = manager_of(resource, resource, kind)
        return Outcome(id, to_outputs(live, resource.inputs, kind, manager, initial_version(resource, kind)))

    async def find_created(self, resource: Resource) -> Outcome | None:
        kind = kind_of(resource.type, resource.inputs)
        if self._cluster is None or kind.patch or not metadata_of(resource.inputs).get("name"):
            return None
        id, manager = _id(resource), manager_of(resource, None, kind)
        async with answered(f"read {kind.kind} {id}"):
            live = await self._get(kind, id)
        if live is None or not objects.applied_by(live, manager):
            return None
        return Outcome(id, to_outputs(live, resource.inputs, kind, manager, kind.api_version))

    async def delete(self, resource: Resource, say: Say) -> None:
        kind = kind_of(resource.type, resource.inputs)
        if self._cluster is None or self._applier is None:
            raise ResourceFailed("the cluster it is in is not known")
        try:
            async with answered(f"delete {kind.kind} {resource.id}"):
                try:
                    await self._delete(self._cluster, self._applier, resource, kind, say)
                except Unreachable:
                    if not self._cluster.settings.delete_unreachable:
                        raise
        except Unready as error:
            raise ResourceFailed(error.message) from error

    async def _delete(self, cluster: Cluster, applier: Applier, resource: Resource, kind: Kind, say: Say) -> None:
        live = await self._get(kind, resource.id)
        if live is None:
            return
        if kind.patch:
            await applier.relinquish(resource, kind)
            return
        api = await cluster.api(kind)
        namespace, name = naming.split_id(resource.id)
        policy = str(naming.annotations_of(resource.inputs).get(PROPAGATION) or "foreground").capitalize()
        propagation: Any = policy if policy in ("Background", "Foreground", "Orphan") else "Foreground"
        uid = str(live["metadata"]["uid"])
        try:
            await cluster.client.delete(api, name, namespace, propagation=propagation, uid=uid)
        except NotFound:
            return
        timeouts = resource.custom_timeouts
        await until_gone(
            cluster.client,
            api,
            name,
            namespace,
            uid=uid,
            timeout=timeout_of(timeouts.delete if timeouts else 0, resource.inputs),
            stopping=self._stopping,
            say=say,
        )

    def identity(self, resource: Resource) -> str:
        metadata = plain(resource.outputs.get("metadata"))
        return str(cast(Properties, metadata).get("uid") or "") if isinstance(metadata, dict) else ""

    def holds(self, container: Resource, other: Resource) -> bool:
        """What is in a namespace, and what is of a kind that a CRD defines."""
        if not other.type.startswith("kubernetes:") or not other.id:
            return False
        kind, within = kind_of(container.type, container.inputs), kind_of(other.type, other.inputs)
        if kind.is_namespace:
            return naming.split_id(other.id)[0] == container.id
        if not kind.is_crd:
            return False
        spec: Any = plain(container.inputs.get("spec")) or {}
        names = cast(dict[str, Any], spec.get("names") or {})
        return (within.group, within.kind) == (spec.get("group"), names.get("kind"))

    async def contents(self, resource: Resource) -> str:
        kind = kind_of(resource.type, resource.inputs)
        if self._cluster is None or not (kind.is_namespace or kind.is_crd):
            return ""
        return await contents.of(self._cluster, kind, resource)

    async def _get(self, kind: Kind, id: str) -> Object | None:
        assert self._cluster is not None
        namespace, name = naming.split_id(id)
        try:
            api = await self._cluster.api(kind)
            return await self._cluster.client.get(api, name, namespace)
        except (NotFound, UnknownKind):
            return None


def _id(resource: Resource) -> str:
    metadata = metadata_of(resource.inputs)
    return naming.object_id(str(metadata.get("name")), cast(str | None, metadata.get("namespace")))


def initial_version(resource: Resource, kind: Kind) -> str:
    return str(resource.outputs.get("__initialApiVersion") or kind.api_version)


def _replacing(declared: list[Change], error: Invalid) -> list[Change]:
    """The changes that the server refuses to make in place: those of the fields it names, or all."""
    named = [cause.partition(":")[0] for cause in error.causes]
    at_fault = [change for change in declared if any(_same_field(change.path, field) for field in named)]
    note = "the API server does not change it in place"
    if not declared:
        return [Change(("spec",), ChangeKind.UPDATE, Unknown, Unknown, True, note)]
    return [
        replace(change, forces_replacement=True, note=change.note or note)
        if change in at_fault or not at_fault
        else change
        for change in declared
    ]


def _same_field(path: Path, field: str) -> bool:
    return bool(field) and paths.touches(paths.parse(field), path)
