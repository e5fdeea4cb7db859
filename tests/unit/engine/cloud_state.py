"""The state that the Pulumi CLI would have after an update: a preview taken as done, every output known.

Does not model what a plugin computes beyond `id`, `arn` and `name`, nor its defaults; tests add those that matter to them.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from footplate.engine.events import Event, Op, StepDone
from footplate.engine.stack import Stack
from footplate.engine.values import masked

PROVIDER_ID = "0a1b2c3d-0000-4000-8000-000000000000"


async def settle(stack: Stack) -> list[dict[str, Any]]:
    """The state's resources after what a preview plans."""
    events: list[Event] = []
    await stack.preview(events.append)
    return [resource(event) for event in events if isinstance(event, StepDone)]


def changed_state(
    resources: Sequence[Mapping[str, Any]], changes: Mapping[str, Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """`changes`: name of a resource → what its inputs and outputs have besides."""
    found: list[Mapping[str, Any]] = []
    for one in resources:
        more = changes.get(one["urn"].rpartition("::")[2])
        both = {part: {**one[part], **more} for part in ("inputs", "outputs")} if more else {}
        found.append({**one, **both})
    return found


def write(stack: Stack, resources: Sequence[Mapping[str, Any]]) -> None:
    stack.folder.mkdir(parents=True, exist_ok=True)
    deployment = {"manifest": {"time": "2026-01-01T00:00:00Z", "magic": "", "version": ""}, "resources": resources}
    (stack.folder / "state.json").write_text(json.dumps({"version": 3, "deployment": deployment}))


def resource(event: StepDone) -> dict[str, Any]:
    step = event.step
    assert step.op is Op.CREATE, step
    inputs: dict[str, Any] = masked(dict(step.inputs))
    for key, value in inputs.items():
        if value == "[unknown]":
            inputs[key] = next(urn.rpartition("::")[2] for urn in step.dependencies[key])
    found: dict[str, Any] = {"urn": step.urn, "type": step.type, "custom": step.custom, "parent": step.parent}
    if not step.custom:
        return found
    provider = f"{step.provider}::{PROVIDER_ID}" if step.provider else ""
    id = PROVIDER_ID if step.type.startswith("pulumi:providers:") else step.name
    outputs = {**inputs, "arn": f"arn:{step.name}", "name": step.name}
    dependencies = {key: list(urns) for key, urns in step.dependencies.items()}
    return {
        **found,
        "id": id,
        "inputs": inputs,
        "outputs": outputs,
        "provider": provider,
        "propertyDependencies": dependencies,
    }
