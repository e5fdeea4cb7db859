"""Server-side apply of one object: who owns it, taking over what is there, waiting until it is ready."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar, cast

from footplate.engine import urn as urns
from footplate.engine.errors import ResourceFailed
from footplate.engine.providers.contract import Outcome, Request, Say
from footplate.engine.providers.kubernetes import compare as objects
from footplate.engine.providers.kubernetes import naming, readiness
from footplate.engine.providers.kubernetes.answers import no_dry_run
from footplate.engine.providers.kubernetes.cluster import Cluster
from footplate.engine.providers.kubernetes.kinds import Kind, to_object, to_outputs
from footplate.engine.providers.kubernetes.waiting import Judge, Unready, until_gone, until_ready
from footplate.engine.state.model import Resource
from footplate.engine.values import Properties
from footplate.kube import Object
from footplate.kube import Resource as Api
from footplate.kube.errors import ApiError, Forbidden, NotFound, UnknownKind

MANAGER: Final = "footplate"
PATCH_MANAGER: Final = "pulumi.com/patchFieldManager"
TIMEOUT: Final = 600.0
"""Seconds to become ready, or to be gone, where neither customTimeouts nor the annotation says otherwise."""
SETTLE: Final = 15.0
"""Seconds in which the API server may not serve yet what a CRD of this run defines."""

T = TypeVar("T")


def manager_of(new: Resource, old: Resource | None, kind: Kind) -> str:
    """The one that applied before goes on, so that a field left out of the program is taken away."""
    named = naming.annotations_of(new.inputs).get(PATCH_MANAGER)
    if named:
        return str(named)
    before = old.outputs.get("__fieldManager") if old is not None else None
    if isinstance(before, str) and before:
        return before
    # Each patch owns its fields by itself: two of one object must not undo one another.
    return f"{MANAGER}-{hashlib.sha256(new.urn.encode()).hexdigest()[:8]}" if kind.patch else MANAGER


def timeout_of(seconds: float, inputs: Properties) -> float:
    if seconds:
        return seconds
    annotated = naming.annotations_of(inputs).get(readiness.TIMEOUT)
    try:
        return float(annotated) if annotated is not None else TIMEOUT
    except (TypeError, ValueError):
        raise ResourceFailed(f"the annotation {readiness.TIMEOUT} is {annotated!r}, no number of seconds") from None


class Applier:
    def __init__(self, cluster: Cluster, stopping: asyncio.Event) -> None:
        self._cluster = cluster
        self._stopping = stopping

    async def dry_run(self, kind: Kind, obj: dict[str, Any], manager: str) -> Object | None:
        """The object as applying would leave it; None where the server cannot tell."""
        try:
            api = await self._cluster.api(kind)
            return await self._cluster.client.apply(api, obj, manager=manager, dry_run=True)
        except (UnknownKind, Forbidden):
            return None
        except NotFound as error:
            if error.details.get("kind") == "namespaces":
                return None  # it comes in the same update
            raise
        except ApiError as error:
            if no_dry_run(error):
                return None
            raise

    async def dry_create(self, request: Request, kind: Kind) -> Object | None:
        """As `dry_run`, after looking that the name is free, or may be taken over."""
        obj = to_object(request.new.inputs, kind)
        try:
            api = await self._cluster.api(kind)
        except UnknownKind:
            if self._cluster.declares(kind):
                return None
            raise
        await self.present(api, kind, obj, request, lambda text: None)
        return await self.dry_run(kind, obj, manager_of(request.new, None, kind))

    async def create(self, request: Request, kind: Kind, say: Say) -> Outcome:
        new = request.new
        obj, manager = to_object(new.inputs, kind), manager_of(new, None, kind)
        api = await self._served(kind, say)
        there = await self.present(api, kind, obj, request, say)
        notes: list[str] = []
        if there is not None and not kind.patch:
            by = ", ".join(objects.managers(there))
            notes.append(f"took over {kind.kind} {_id(there)}, which was there already (fields managed by {by})")
        applied = await self._settled(lambda: self._cluster.client.apply(api, obj, manager=manager), kind)
        timeouts = new.custom_timeouts
        limit = timeout_of(timeouts.create if timeouts else 0, new.inputs)
        return await self._await(api, kind, new, applied, manager, kind.api_version, limit, say, notes)

    async def update(self, request: Request, kind: Kind, say: Say) -> Outcome:
        old, new = request.old, request.new
        assert old is not None
        manager = manager_of(new, old, kind)
        api = await self._served(kind, say)
        namespace, name = naming.split_id(old.id)
        try:
            live = await self._cluster.client.get(api, name, namespace)
        except NotFound:
            live = None
        obj = to_object(new.inputs, kind)
        if live is not None:
            obj = objects.keep_ignored(obj, live, request.ignore_changes, manager)
        applied = await self._settled(lambda: self._cluster.client.apply(api, obj, manager=manager), kind)
        initial = str(old.outputs.get("__initialApiVersion") or kind.api_version)
        timeouts = new.custom_timeouts
        limit = timeout_of(timeouts.update if timeouts else 0, new.inputs)
        return await self._await(api, kind, new, applied, manager, initial, limit, say, [])

    async def relinquish(self, resource: Resource, kind: Kind) -> None:
        """Gives up the fields that a patch owns; those nobody else owns go."""
        namespace, name = naming.split_id(resource.id)
        metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
        bare = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
        manager = manager_of(resource, resource, kind)
        await self._cluster.client.apply(await self._cluster.api(kind), bare, manager=manager)

    async def present(self, api: Api, kind: Kind, obj: dict[str, Any], request: Request, say: Say) -> Object | None:
        """The object of that name, if it is there and may be applied to. Raises ResourceFailed where it may not."""
        metadata = obj["metadata"]
        if not kind.patch:
            first = self._cluster.claim(kind, _id(obj), request.new.urn)
            if first != request.new.urn:
                raise ResourceFailed(
                    f"{kind.kind} {_id(obj)} is the resource {urns.short(first)!r} of this program too"
                )
        try:
            live = await self._cluster.client.get(api, metadata["name"], metadata.get("namespace"))
        except NotFound:
            if kind.patch:
                raise ResourceFailed(f"there is no {kind.kind} {_id(obj)} to patch") from None
            return None
        if kind.patch:
            return live
        other = request.claimed(_id(live))
        if other is not None:
            raise ResourceFailed(
                f"{kind.kind} {_id(live)} is already the resource {urns.short(other)!r} of this stack",
                f"was it renamed? give the new one aliases=[pulumi.Alias(name={urns.parse(other).name!r})]",
            )
        if live["metadata"].get("deletionTimestamp"):
            return await self._after_deletion(api, live, request, say)
        if self._cluster.settings.upsert or objects.applied_by(live, MANAGER):
            return live
        by = ", ".join(objects.managers(live)) or "nobody"
        raise ResourceFailed(
            f"{kind.kind} {_id(live)} exists already and Footplate did not make it (its fields are managed by {by})",
            "name it otherwise, delete it, take it over with the option import_, or set upsertExistingObjects on the "
            "Kubernetes provider",
        )

    async def _after_deletion(self, api: Api, live: Object, request: Request, say: Say) -> None:
        if request.preview:
            return
        metadata = live["metadata"]
        try:
            await until_gone(
                self._cluster.client,
                api,
                metadata["name"],
                metadata.get("namespace"),
                uid=metadata["uid"],
                timeout=TIMEOUT,
                stopping=self._stopping,
                say=lambda text: say(f"the one before {text}"),
            )
        except Unready as error:
            raise ResourceFailed(f"the one before {error.message}") from error

    async def _await(
        self,
        api: Api,
        kind: Kind,
        new: Resource,
        applied: Object,
        manager: str,
        initial: str,
        limit: float,
        say: Say,
        notes: list[str],
    ) -> Outcome:
        judge = _judge(new.inputs, kind)
        problems: list[str] = []
        latest = applied
        if judge is not None:
            try:
                latest = await until_ready(
                    self._cluster.client,
                    api,
                    applied,
                    judge,
                    timeout=limit,
                    stopping=self._stopping,
                    say=say,
                )
            except Unready as error:
                latest = error.latest
                problems.append(f"{kind.kind} {_id(applied)} {error.message}")
        return Outcome(_id(applied), to_outputs(latest, new.inputs, kind, manager, initial), problems, notes)

    async def _served(self, kind: Kind, say: Say) -> Api:
        return await self._settled(lambda: self._cluster.api(kind), kind)

    async def _settled(self, call: Callable[[], Awaitable[T]], kind: Kind) -> T:
        """Again for a while, where the kind's own CRD has just been made."""
        deadline = asyncio.get_running_loop().time() + SETTLE
        while True:
            try:
                return await call()
            except NotFound as error:
                unserved = isinstance(error, UnknownKind) or not error.details.get("name")
                late = asyncio.get_running_loop().time() > deadline
                if not unserved or not self._cluster.declares(kind) or late:
                    raise
            await asyncio.sleep(0.2)


def _judge(inputs: Properties, kind: Kind) -> Judge | None:
    annotations = naming.annotations_of(inputs)
    if kind.patch or annotations.get(readiness.SKIP_AWAIT) == "true":
        return None
    wanted = annotations.get(readiness.WAIT_FOR)
    if wanted:
        test = readiness.custom(str(wanted))
        return lambda obj, related: test(obj)
    return readiness.judge


def _id(obj: dict[str, Any]) -> str:
    metadata = cast(dict[str, Any], obj["metadata"])
    return naming.object_id(str(metadata.get("name")), metadata.get("namespace"))
