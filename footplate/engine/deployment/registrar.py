"""Takes registrations as the program makes them: finds each one's former self, decides, has it done, answers.

Several run at once; what is read and noted between two awaits is one step.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec

from footplate.engine import paths
from footplate.engine import urn as urns
from footplate.engine.aliases import Identity, former_urns
from footplate.engine.changes import compare
from footplate.engine.deployment.decide import Circumstances, Decision, decide, decide_plain, decide_provider
from footplate.engine.deployment.execute import Executor
from footplate.engine.deployment.registry import KUBERNETES, Registry, default_name, forcing_keys, provider_inputs
from footplate.engine.deployment.run import Run, Stopped, explanation, now
from footplate.engine.errors import ResourceFailed, Unsupported, cli_remedy
from footplate.engine.events import Op, Severity, Step, StepDone
from footplate.engine.goal import Goal, Registered
from footplate.engine.policy import Policies
from footplate.engine.project.config import Config
from footplate.engine.providers.contract import NO_DIFF, Check, Diff, Provider, Request
from footplate.engine.state.model import Resource
from footplate.engine.values import Properties, Secret, Unknown
from footplate.errors import FootplateError

GET_RESOURCE: Final = "pulumi:pulumi:getResource"


class Registrar:
    def __init__(
        self,
        *,
        run: Run,
        project: str,
        stack: str,
        config: Config,
        registry: Registry,
        executor: Executor,
        policies: Policies,
    ) -> None:
        self._run = run
        self._project = project
        self._stack = stack
        self._config = config
        self._registry = registry
        self._executor = executor
        self._policies = policies
        self._olds = {r.urn: r for r in run.snapshot.remaining if not r.delete}
        self._goals: dict[str, Goal] = {}
        self._former: dict[str, str] = {}
        """URN → the former URN under which it was found."""
        self._claimed: dict[str, str] = {}
        """Former URN → the URN that took it over."""
        self._defaults: dict[str, Any] = {}
        self.planned_only: dict[str, str] = {}
        """URN → why only the Pulumi CLI can make it."""

    async def register(self, goal: Goal) -> Registered:
        """Raises Stopped where the run goes no further with it."""
        return await self._run.detached(self._register(goal))

    async def _register(self, goal: Goal) -> Registered:
        self._run.admit()
        goal = self._inherited(goal)
        identity = Identity(self._stack, self._project, goal.parent, goal.type, goal.name)
        urn = identity.urn
        if urn in self._goals:
            error = ResourceFailed(f"two resources are called {urns.short(urn)!r}", "give one of them another name")
            self._run.fail(urn, error)
            self._run.say(f"{error.message}: {error.remedy}", urn, Severity.ERROR)
            raise Stopped
        self._goals[urn] = goal
        try:
            old = self._former_self(identity, goal)
            if urns.is_provider(goal.type):
                return await self._provider(goal, urn, old)
            if not goal.custom:
                return await self._plain(goal, urn, old)
            return await self._custom(goal, urn, old)
        except Stopped:
            return self._as_if(goal, urn)
        except FootplateError as error:
            return self._failed(goal, urn, error)

    def _as_if(self, goal: Goal, urn: str) -> Registered:
        """A preview goes on, as if the resource came about, to show what else there is to show."""
        if not self._run.preview or self._run.fatal is not None or self._run.stopping.is_set():
            raise Stopped
        return Registered(urn, outputs=goal.inputs)

    def _failed(self, goal: Goal, urn: str, error: FootplateError) -> Registered:
        self._run.fail(urn, error)
        step = _step(urn, goal, Decision(Op.CREATE if urn not in self._olds else Op.UPDATE))
        self._run.observe(StepDone(step, 0.0, explanation(error, step.declared)))
        return self._as_if(goal, urn)

    def _inherited(self, goal: Goal) -> Goal:
        parent = self._goals.get(goal.parent) if goal.parent else None
        if goal.parent and parent is None:
            raise Unsupported(f"the parent {goal.parent} of {goal.type} {goal.name!r} is not registered")
        if parent is None:
            return goal
        provider = goal.provider
        if goal.custom and not provider and not urns.is_provider(goal.type):
            provider = self._provider_of_parents(goal)
        return replace(
            goal,
            protect=parent.protect if goal.protect is None else goal.protect,
            retain_on_delete=parent.retain_on_delete if goal.retain_on_delete is None else goal.retain_on_delete,
            deleted_with=goal.deleted_with or parent.deleted_with,
            provider=provider,
        )

    def _provider_of_parents(self, goal: Goal) -> str:
        package = urns.package(goal.type)
        above: Goal | None = goal
        while above is not None:
            if package in above.providers:
                return above.providers[package]
            above = self._goals.get(above.parent) if above.parent else None
        return ""

    def _former_self(self, identity: Identity, goal: Goal) -> Resource | None:
        urn = identity.urn
        if urn in self._claimed:
            raise ResourceFailed(f"{urns.short(self._claimed[urn])!r} was already taken to be it, by an alias")
        if urn in self._olds:
            return self._olds[urn]
        for former in former_urns(identity, goal.aliases, self._former):
            if former not in self._olds:
                continue
            taken = self._claimed.get(former) or (former if former in self._goals else None)
            if taken is not None:
                raise ResourceFailed(
                    f"its alias {urns.short(former)!r} is what {urns.short(taken)!r} is now",
                    "leave the alias out of one of them",
                )
            self._claimed[former], self._former[urn] = urn, former
            return self._olds[former]
        return None

    async def _plain(self, goal: Goal, urn: str, old: Resource | None) -> Registered:
        new = self._resource(goal, urn, old, "", goal.inputs)
        decision = decide_plain(old, compare(old.inputs, new.inputs) if old is not None else [])
        await self._policies.analyze(new, goal, None)
        await self._executor.note(_step(urn, goal, decision), old, new)
        return Registered(urn)

    async def _provider(self, goal: Goal, urn: str, old: Resource | None) -> Registered:
        package = urns.package(goal.type)
        inputs = provider_inputs(goal.inputs, goal.version, goal.plugin_url)
        self._registry.check(package, inputs)
        new = self._resource(goal, urn, old, "", inputs)
        changes = compare(old.inputs, inputs) if old is not None else []
        decision = decide_provider(old, changes, forcing_keys(package, old.inputs, inputs) if old is not None else [])
        fresh = decision.op in (Op.CREATE, Op.REPLACE)
        id = str(uuid.uuid4()) if fresh else new.id
        new = msgspec.structs.replace(new, id=id, outputs=inputs)
        # Before anything is awaited: its first resource may come at once.
        self._registry.register(new, self._former.get(urn, ""))
        if decision.op is Op.REPLACE:
            self._run.replaced.add(urn)
        await self._executor.note(_step(urn, goal, decision, new), old, new)
        return Registered(urn, "" if fresh and self._run.preview else id, inputs)

    async def _custom(self, goal: Goal, urn: str, old: Resource | None) -> Registered:
        ref = goal.provider or await self._default_provider(goal)
        provider = self._registry.instance(ref, goal.type)
        if provider.plans_only:
            self.planned_only[urn] = provider.plans_only
            if not self._run.preview:
                raise Unsupported(provider.plans_only)
        known = old if old is not None and not old.external else None
        inputs = _ignoring(goal.inputs, known.inputs, goal.ignore_changes) if known is not None else goal.inputs
        inputs = await self._checked(provider, goal, urn, inputs, known)
        new = self._resource(goal, urn, old, ref, inputs)
        new = await self._policies.analyze(new, goal, self._registry.resource(ref))
        request = self._request(goal, new, known)
        if goal.import_id and known is None:
            return await self._import(goal, request, provider)
        decision, diff = await self._decided(goal, request, old, provider, ref)
        if decision.op is Op.REPLACE:
            self._run.replaced.add(urn)
            if not decision.delete_first:
                # The old one lives on for a while: a generated name must not be its name.
                fresh = await self._checked(provider, goal, urn, goal.inputs, None)
                request = self._request(goal, msgspec.structs.replace(new, inputs=fresh), known)
        step = _step(urn, goal, decision, request.new, known if decision.op is Op.REPLACE else None)
        result = await self._executor.carry_out(step, request, old, provider, diff)
        # In a preview the SDK takes an input that is missing among the outputs for unknown (a Secret's stringData).
        return Registered(urn, result.id, {**result.inputs, **result.outputs})

    async def _decided(
        self, goal: Goal, request: Request, old: Resource | None, provider: Provider, ref: str
    ) -> tuple[Decision, Diff]:
        if old is None or old.external or old.pending_replacement:
            return decide(goal, old, request.new, NO_DIFF, Circumstances()), NO_DIFF
        changed = self._registry.changed(old.provider, ref)
        # What the old provider made is compared by inputs alone: the new one does not know it.
        diff = Diff(compare(old.inputs, request.new.inputs)) if changed else await provider.diff(request)
        with_it = next((urns.short(u) for u in goal.replace_with if u in self._run.replaced), "")
        return decide(goal, old, request.new, diff, Circumstances(changed, with_it)), diff

    async def _checked(
        self, provider: Provider, goal: Goal, urn: str, inputs: Properties, old: Resource | None
    ) -> Properties:
        return await provider.check(Check(urn, goal.type, goal.name, inputs, old, self._run.preview))

    def _request(self, goal: Goal, new: Resource, old: Resource | None) -> Request:
        ignored = [paths.parse(text) for text in goal.ignore_changes]
        return Request(new, old, ignored, preview=self._run.preview, claimed=lambda id: self._holder(new, id))

    def _holder(self, new: Resource, id: str) -> str | None:
        """Another resource of the stack that is the object of that type and id."""
        for other in self._run.snapshot.resources():
            same = other.type == new.type and other.id == id and other.provider == new.provider
            if same and other.urn not in (new.urn, self._former.get(new.urn)) and not other.external:
                return other.urn
        return None

    async def _import(self, goal: Goal, request: Request, provider: Provider) -> Registered:
        """Takes an existing object as it is; the inputs must say what it is."""
        there = await provider.read(msgspec.structs.replace(request.new, id=goal.import_id))
        if there is None:
            raise ResourceFailed(f"there is no {goal.type} with the id {goal.import_id!r} to import")
        imported = msgspec.structs.replace(
            request.new, id=there.id, outputs=there.outputs, import_id=goal.import_id, created=now(), modified=now()
        )
        diff = await provider.diff(replace(self._request(goal, request.new, imported), unsure=True))
        step = _step(imported.urn, goal, Decision(Op.IMPORT, diff.changes))
        if diff.changes:
            fields = ", ".join(paths.text(change.path) for change in diff.changes)
            raise ResourceFailed(
                f"its inputs are not what {goal.import_id!r} is: {fields}", "make them equal, then import it"
            )
        await self._executor.note(step, self._olds.get(imported.urn), imported)
        return Registered(imported.urn, imported.id, imported.outputs)

    async def read(self, goal: Goal, id: str | None) -> Registered:
        """`Resource.get`: an object that the program uses and does not own. `id` None: not known yet."""
        return await self._run.detached(self._read(goal, id))

    async def _read(self, goal: Goal, id: str | None) -> Registered:
        self._run.admit()
        goal = self._inherited(goal)
        identity = Identity(self._stack, self._project, goal.parent, goal.type, goal.name)
        urn = identity.urn
        self._goals[urn] = goal
        try:
            ref = goal.provider or await self._default_provider(goal)
            provider = self._registry.instance(ref, goal.type)
            if provider.plans_only and not self._run.preview:
                raise Unsupported(provider.plans_only)
            if id is None or provider.plans_only:
                return Registered(urn, id or "", unknown=True)
            resource = msgspec.structs.replace(self._resource(goal, urn, None, ref, goal.inputs), id=id, external=True)
            found = await provider.read(resource)
            if found is None:
                raise ResourceFailed(f"there is no {goal.type} with the id {id!r}")
            resource = msgspec.structs.replace(resource, id=found.id, outputs=found.outputs)
            old = self._olds.get(urn)
            await self._executor.note(_step(urn, goal, Decision(Op.READ)), old, resource)
            return Registered(urn, found.id, resource.outputs)
        except FootplateError as error:
            return self._failed(goal, urn, error)

    async def invoke(self, token: str, args: Properties, provider: str, version: str) -> Properties | None:
        """None: not known, for what a plugin of the Pulumi CLI would look up."""
        if token == GET_RESOURCE:
            return self._registered(str(args.get("urn")))
        package = token.partition(":")[0]
        if package in (KUBERNETES, "pulumi") or not self._run.preview:
            raise Unsupported(
                f"the program calls {token}: this engine does not support that", cli_remedy("footplate up")
            )
        self._run.say(f"{token} is looked up by the {package} provider: its result is unknown in this preview")
        return None

    def _registered(self, urn: str) -> Properties:
        """What a component in another process reads of a resource that it got a reference to."""
        found = self._run.snapshot.registered(urn)
        if found is None:
            raise ResourceFailed(f"there is no resource {urn!r} in this run")
        return {"urn": urn, "id": found.id or Unknown, "state": {**found.inputs, **found.outputs}}

    async def outputs(self, urn: str, outputs: Properties) -> None:
        """`register_outputs` of a component or of the stack."""
        await self._run.detached(self._outputs(urn, outputs))

    async def _outputs(self, urn: str, outputs: Properties) -> None:
        await self._executor.set_outputs(urn, outputs)

    async def _default_provider(self, goal: Goal) -> str:
        """Registered when the first resource needs it, as Pulumi does."""
        package = urns.package(goal.type)
        key = f"{package} {goal.version} {goal.plugin_url}"
        if key not in self._defaults:
            self._defaults[key] = asyncio.ensure_future(self._make_default(package, goal))
        return await asyncio.shield(self._defaults[key])

    async def _make_default(self, package: str, goal: Goal) -> str:
        type, name = f"{urns.PROVIDER_PREFIX}{package}", default_name(goal.version, goal.plugin_url)
        config: Mapping[str, object] = {
            key: Secret(value) if f"{package}:{key}" in self._config.secrets else value
            for key, value in self._config.package(package).items()
        }
        wanted = Goal(type, name, True, dict(config), version=goal.version, plugin_url=goal.plugin_url)
        registered = await self._register(wanted)
        resource = self._registry.resource(f"{registered.urn}::{registered.id}")
        return str(urns.ProviderRef(resource.urn, resource.id))

    def _resource(self, goal: Goal, urn: str, old: Resource | None, provider: str, inputs: Properties) -> Resource:
        """The state it will have; id and outputs are those of before until the provider says otherwise."""
        keep = old is not None and old.custom == goal.custom
        former = self._former.get(urn)
        return Resource(
            urn=urn,
            custom=goal.custom,
            type=goal.type,
            id=old.id if keep and old is not None else "",
            inputs=inputs,
            outputs=old.outputs if keep and old is not None else {},
            parent=goal.parent,
            protect=bool(goal.protect),
            dependencies=goal.dependencies,
            provider=provider,
            property_dependencies=goal.property_dependencies,
            additional_secret_outputs=goal.additional_secret_outputs,
            aliases=(former,) if former else (),
            custom_timeouts=goal.timeouts,
            import_id=goal.import_id,
            retain_on_delete=bool(goal.retain_on_delete),
            deleted_with=goal.deleted_with,
            replace_with=goal.replace_with,
            created=old.created if old is not None else "",
            modified=old.modified if old is not None else "",
            source_position=goal.source_position,
            ignore_changes=goal.ignore_changes,
            replace_on_changes=goal.replace_on_changes,
            replacement_trigger=goal.replacement_trigger,
        )


def _ignoring(inputs: Properties, old: Properties, ignored: tuple[str, ...]) -> Properties:
    """With the values of before at the paths of `ignoreChanges`."""
    found: Any = inputs
    for text in ignored:
        pattern = paths.parse(text)
        for path in {*paths.expand(pattern, inputs), *paths.expand(pattern, old)}:
            before = paths.get(old, path, _ABSENT)
            found = paths.drop(found, path) if before is _ABSENT else paths.put(found, path, before)
    return found


_ABSENT = object()


def _step(urn: str, goal: Goal, decision: Decision, new: Resource | None = None, old: Resource | None = None) -> Step:
    """`new`: as it will be, where a provider has checked it; `old`: what goes with a replacement."""
    return Step(
        urn,
        decision.op,
        goal.type,
        goal.name,
        goal.parent,
        decision.changes,
        decision.reason,
        goal.custom,
        decision.delete_first,
        inputs=new.inputs if new is not None else {},
        old_inputs=old.inputs if old is not None else {},
        provider=urns.parse_ref(new.provider).urn if new is not None else "",
        dependencies={key: found for key, found in goal.property_dependencies.items() if found},
        declared=_place(goal),
    )


def _place(goal: Goal) -> str:
    """`components/teams.py:12` of `project:///components/teams.py#12,4`."""
    if not goal.source_position:
        return ""
    file, _, line = goal.source_position.removeprefix("project:///").partition("#")
    return f"{file}:{line.partition(',')[0]}"
