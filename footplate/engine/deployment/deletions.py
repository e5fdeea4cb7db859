"""Deletes what left the program, what was replaced, or everything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from footplate.engine import urn as urns
from footplate.engine.deployment.order import delete_in_order
from footplate.engine.deployment.registry import Registry
from footplate.engine.deployment.run import Run, Stopped
from footplate.engine.errors import ResourceProtected, Unsupported
from footplate.engine.events import Op, Severity, Step
from footplate.engine.providers.contract import Provider
from footplate.engine.state.model import Operation, Resource
from footplate.errors import FootplateError


class Deletions:
    def __init__(self, run: Run, registry: Registry) -> None:
        self._run = run
        self._registry = registry

    async def remove(self, doomed: Sequence[Resource]) -> None:
        """Raises ResourceProtected, before anything is deleted, where one of them is protected."""
        protected = [urns.short(r.urn) for r in doomed if r.protect and not r.delete]
        if protected:
            raise ResourceProtected(
                f"protected, and so not deleted: {', '.join(protected)}",
                "set protect=False on it in the program, run `footplate up`, then delete it",
            )
        going = {r.urn for r in doomed}
        left = await delete_in_order(doomed, lambda resource: self._remove(resource, going))
        if left > len([r for r in doomed if r.urn in self._run.failed]) and not self._run.preview:
            self._run.say(f"{left} resources are left, for what could not be deleted needs them", "", Severity.WARNING)

    async def _remove(self, resource: Resource, going: set[str]) -> bool:
        try:
            await self._run.detached(self._one(resource, going))
        except Stopped:
            return False
        return True

    async def _one(self, resource: Resource, going: set[str]) -> None:
        run = self._run
        run.admit(after_failure=True)
        step = describe(resource, going, self._run.replaced)
        if not calls_provider(resource, going):
            await self._forget(resource, step)
            return
        try:
            provider = self._registry.instance(resource.provider, resource.type)
            if self._lives_on(resource, provider):
                await self._forget(resource, step)
                return
            if provider.plans_only and not run.preview:
                raise Unsupported(provider.plans_only)
        except FootplateError as error:
            run.fail(resource.urn, error)
            run.say(error.message, resource.urn, Severity.ERROR)
            raise Stopped from error
        if run.preview and not provider.plans_only:
            step = replace(step, takes_along=await provider.contents(resource))
        async with run.step(step, after_failure=True) as say:
            if not run.preview:
                async with run.journaled(resource, Operation.DELETING):
                    await provider.delete(resource, say)
                    run.snapshot.forget(resource)
        await run.commit()

    async def _forget(self, resource: Resource, step: Step) -> None:
        self._run.snapshot.forget(resource)
        self._run.same(step)
        await self._run.commit()

    def _lives_on(self, resource: Resource, provider: Provider) -> bool:
        """Whether a resource that stays is the very same thing: one that took over its object, by whatever name."""
        identity = provider.identity(resource)
        if not identity:
            return False
        return any(provider.identity(other) == identity for other in self._run.snapshot.current)


def calls_provider(resource: Resource, going: set[str]) -> bool:
    """Whether something outside the state has to be deleted."""
    return (
        resource.custom
        and not resource.is_provider
        and not resource.external
        and not resource.pending_replacement
        and not resource.retain_on_delete
        and resource.deleted_with not in going
    )


def describe(resource: Resource, going: set[str], replaced: set[str]) -> Step:
    op, reason = Op.DELETE, ""
    if resource.retain_on_delete:
        op, reason = Op.FORGET, "retainOnDelete: it stays where it is"
    elif resource.external or resource.pending_replacement:
        op = Op.FORGET
    elif resource.deleted_with in going and resource.deleted_with:
        reason = f"with {urns.short(resource.deleted_with)}"
    elif resource.delete:
        reason = "it was replaced"
    name = urns.parse(resource.urn).name
    return Step(
        resource.urn,
        op,
        resource.type,
        name,
        resource.parent,
        reason=reason,
        custom=resource.custom,
        old_inputs=resource.inputs,
        leftover=resource.delete and resource.urn in replaced,
    )
