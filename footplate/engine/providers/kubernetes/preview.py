"""What a preview can tell of an object: the server's dry run where it can be asked, the program's inputs otherwise.

What only the real creation decides (uid, status, a cluster IP, a generated name) is unknown, not invented.
"""

from __future__ import annotations

from typing import Final, cast

from footplate.engine.providers.contract import Outcome, Request
from footplate.engine.providers.kubernetes import naming
from footplate.engine.providers.kubernetes.answers import answered
from footplate.engine.providers.kubernetes.apply import Applier, manager_of
from footplate.engine.providers.kubernetes.kinds import Kind, to_outputs
from footplate.engine.state.model import Resource
from footplate.engine.values import Properties, Unknown, has_unknown

_DECIDED_LATER: Final = ("uid", "creationTimestamp", "resourceVersion", "generation")


async def creation(applier: Applier | None, request: Request, kind: Kind) -> Outcome:
    """Raises ResourceFailed where the server refuses the object, or has one that is not ours."""
    new = request.new
    if applier is None or request.occupied or has_unknown(new.inputs):
        return Outcome("", unsettled(new.inputs, new.inputs))
    name = naming.metadata_of(new.inputs).get("name")
    async with answered(f"create {kind.kind} {name}"):
        applied = await applier.dry_create(request, kind)
    if applied is None:
        return Outcome("", unsettled(new.inputs, new.inputs))
    manager = manager_of(new, None, kind)
    outputs = to_outputs(applied, new.inputs, kind, manager, kind.api_version)
    return Outcome("", unsettled(outputs, new.inputs))


def unsettled(outputs: Properties, inputs: Properties) -> Properties:
    found = {key: value for key, value in outputs.items() if key != "status"}
    metadata = found.get("metadata")
    if isinstance(metadata, dict):
        known = dict(cast(Properties, metadata))
        known.update(dict.fromkeys(_DECIDED_LATER, Unknown))
        if naming.is_autonamed(inputs):
            known["name"] = Unknown
        found["metadata"] = known
    spec = found.get("spec")
    if found.get("kind") == "Service" and isinstance(spec, dict):
        given = cast(Properties, inputs.get("spec") or {})
        fields = cast(Properties, spec)
        found["spec"] = {
            key: value if key in given or key not in ("clusterIP", "clusterIPs") else Unknown
            for key, value in fields.items()
        }
    return found


def updated(old: Resource, new: Resource, kind: Kind) -> Properties:
    """Where no dry run told more: the inputs, on top of what the object has now."""
    outputs = {key: value for key, value in old.outputs.items() if not key.startswith("__")}
    return {**outputs, **new.inputs}
