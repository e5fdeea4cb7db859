"""Does what was decided for one resource, with each change in the journal before and in the state after."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from footplate.engine.deployment.run import Run, now
from footplate.engine.errors import ResourceFailed
from footplate.engine.events import Op, Severity, Step
from footplate.engine.providers.contract import Diff, Outcome, Provider, Request, Say
from footplate.engine.state.model import Operation, Resource
from footplate.engine.values import Properties, Secret


class Executor:
    def __init__(self, run: Run) -> None:
        self._run = run
        self.outputs: dict[str, Properties] = {}
        """URN → outputs that components and the stack registered in this run."""

    async def note(self, step: Step, old: Resource | None, new: Resource) -> None:
        """For what no provider changes: components, providers, what is only read."""
        run = self._run
        if step.op is Op.REPLACE and old is not None:
            # A provider: the old one is needed to delete what it made.
            run.snapshot.replace(old, msgspec.structs.replace(old, delete=True))
            old = None
        stamped = _stamped(new, step.op)
        run.snapshot.put(stamped if old is None or _differs(old, stamped) else old, old)
        run.same(step)
        if step.op is not Op.SAME:
            await run.commit()

    async def set_outputs(self, urn: str, outputs: Properties) -> None:
        self.outputs[urn] = outputs
        resource = self._run.snapshot.registered(urn)
        if resource is not None and resource.outputs != outputs:
            self._run.snapshot.put(msgspec.structs.replace(resource, outputs=outputs))
            await self._run.commit()

    async def carry_out(
        self, step: Step, request: Request, old: Resource | None, provider: Provider, diff: Diff
    ) -> Resource:
        """The resource as it is afterwards; in a preview, as it is foreseen."""
        match step.op:
            case Op.SAME:
                return await self._same(step, request, old, provider, diff)
            case Op.CREATE:
                async with self._run.step(step) as say:
                    return await self._create(request, old, provider, say)
            case Op.UPDATE:
                async with self._run.step(step) as say:
                    return await self._update(request, provider, diff, say)
            case _:
                async with self._run.step(step) as say:
                    return await self._replace(step, request, provider, say)

    async def _same(
        self, step: Step, request: Request, old: Resource | None, provider: Provider, diff: Diff
    ) -> Resource:
        assert old is not None
        new = request.new
        if diff.outputs is not None:
            new = _with_outputs(new, diff.outputs)
        differs = _differs(msgspec.structs.replace(old, outputs={}), msgspec.structs.replace(new, outputs={}))
        # What the Pulumi CLI keeps of its own resources is its business.
        self._run.state_differs |= differs and not provider.plans_only
        kept = new if differs or old.outputs != new.outputs else old
        self._run.snapshot.put(kept, old)
        self._run.same(step)
        return kept

    async def _create(self, request: Request, old: Resource | None, provider: Provider, say: Say) -> Resource:
        run = self._run
        async with run.journaled(request.new, Operation.CREATING):
            outcome = await provider.create(request, say)
            created = self._result(request.new, outcome, Op.CREATE)
            run.snapshot.put(created, old)
        await run.commit()
        return _ready(created)

    async def _update(self, request: Request, provider: Provider, diff: Diff, say: Say) -> Resource:
        run, old = self._run, request.old
        async with run.journaled(request.new, Operation.UPDATING):
            outcome = await provider.update(request, say)
            if run.preview and diff.outputs is not None:
                outcome = Outcome(outcome.id, diff.outputs)
            updated = self._result(request.new, outcome, Op.UPDATE)
            run.snapshot.put(updated, old)
        await run.commit()
        return _ready(updated)

    async def _replace(self, step: Step, request: Request, provider: Provider, say: Say) -> Resource:
        run, old = self._run, request.old
        assert old is not None
        if step.delete_first:
            await self._clear_place(old, provider, say)
            return await self._create_anew(request, provider, say)
        new = msgspec.structs.replace(request.new, id="", outputs={}, created="")
        async with run.journaled(new, Operation.CREATING):
            outcome = await provider.create(_fresh(request, new), say)
            created = self._result(new, outcome, Op.CREATE)
            # Deleted after all that refer to it have been changed over.
            run.snapshot.replace(old, msgspec.structs.replace(old, delete=True))
            run.snapshot.put(created)
        await run.commit()
        return _ready(created)

    async def _clear_place(self, old: Resource, provider: Provider, say: Say) -> None:
        """Deletes the old one; what goes with it is to be made again when the program registers it."""
        run = self._run
        swept = [
            r
            for r in run.snapshot.remaining
            if r is not old and not r.delete and (r.deleted_with == old.urn or provider.holds(old, r))
        ]
        if not run.preview:
            async with run.journaled(old, Operation.DELETING):
                await provider.delete(old, say)
        for resource in (old, *swept):
            run.snapshot.replace(resource, msgspec.structs.replace(resource, pending_replacement=True))
        await run.commit()

    async def _create_anew(self, request: Request, provider: Provider, say: Say) -> Resource:
        run, old = self._run, request.old
        assert old is not None
        emptied = next((r for r in run.snapshot.remaining if r.urn == old.urn and r.pending_replacement), None)
        new = msgspec.structs.replace(request.new, id="", outputs={}, created="")
        async with run.journaled(new, Operation.CREATING):
            outcome = await provider.create(_fresh(request, new, occupied=run.preview), say)
            created = self._result(new, outcome, Op.CREATE)
            run.snapshot.put(created, emptied)
        await run.commit()
        return _ready(created)

    def _result(self, new: Resource, outcome: Outcome, op: Op) -> Resource:
        for note in outcome.notes:
            self._run.say(note, new.urn, Severity.WARNING)
        result = _stamped(_with_outputs(msgspec.structs.replace(new, id=outcome.id), outcome.outputs), op)
        if not outcome.problems:
            return result
        return msgspec.structs.replace(result, init_errors=tuple(outcome.problems))


def _ready(resource: Resource) -> Resource:
    """Raises ResourceFailed where it exists and is not as it should be; the state has it already."""
    if resource.init_errors:
        raise ResourceFailed("; ".join(resource.init_errors), "the next `footplate up` goes on waiting for it")
    return resource


def _fresh(request: Request, new: Resource, *, occupied: bool = False) -> Request:
    return replace(request, new=new, old=None, occupied=occupied)


def _with_outputs(resource: Resource, outputs: Properties) -> Resource:
    secret = resource.additional_secret_outputs
    marked = {
        key: Secret(value) if key in secret and not isinstance(value, Secret) else value
        for key, value in outputs.items()
    }
    return msgspec.structs.replace(resource, outputs=marked)


def _stamped(resource: Resource, op: Op) -> Resource:
    if op in (Op.SAME, Op.READ):
        return resource
    moment = now()
    return msgspec.structs.replace(resource, created=resource.created or moment, modified=moment)


def _differs(old: Resource, new: Resource) -> bool:
    """Where it was declared is no difference worth a write."""
    return msgspec.structs.replace(old, source_position="", stack_trace=[]) != msgspec.structs.replace(
        new, source_position="", stack_trace=[]
    )
