"""A stack that is there already, with GPU pools added and put in another order: whose resources the preview would touch.

Its state is what the Pulumi CLI would have, as far as a plan tells: previews until nothing more becomes known. What plugins
compute stays unknown on both sides, and so compares as equal.
"""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from footplate.engine.events import Event, Op, Step, StepDone
from footplate.engine.stack import Stack
from footplate.engine.values import UNKNOWN, Unknown, plain
from tests.unit.engine.cloud_state import PROVIDER_ID, write
from tests.unit.stacks.plan import ROOT

STACKS = [name for name in ("dev-aws", "dev-gcp") if (ROOT / "stacks" / f"Pulumi.{name}.yaml").exists()]
GROUPS = {
    "aws:eks/nodeGroup:NodeGroup": ("scalingConfig", "desiredSize"),
    "gcp:container/nodePool:NodePool": ("nodeCount",),
}
#: What all pools are written into, beside their own resources.
SHARED = ("ClusterQueue", "ResourceFlavor", "ConfigMap", "PrometheusRule", "Release")


async def previewed(stack: Stack) -> list[Step]:
    events: list[Event] = []
    await stack.preview(events.append)
    return [event.step for event in events if isinstance(event, StepDone)]


def known(value: Any) -> Any:
    """As a state file has it."""
    if value is Unknown:
        return UNKNOWN
    if isinstance(value, dict):
        return {key: known(item) for key, item in value.items()}
    return [known(item) for item in value] if isinstance(value, list) else value


def resource(step: Step) -> dict[str, Any]:
    found: dict[str, Any] = {"urn": step.urn, "type": step.type, "custom": step.custom, "parent": step.parent}
    inputs = known(plain(dict(step.inputs)))
    if not step.custom:
        return found
    id = PROVIDER_ID if step.type.startswith("pulumi:providers:") else f"{step.name}-id"
    provider = f"{step.provider}::{PROVIDER_ID}" if step.provider else ""
    return {**found, "id": id, "inputs": inputs, "outputs": inputs, "provider": provider}


async def settle(stack: Stack) -> list[dict[str, Any]]:
    """The state's resources, when a preview of the same program has nothing more to change in them."""
    state: list[dict[str, Any]] = []
    for _ in range(6):
        steps = await previewed(stack)
        if all(step.op is Op.SAME for step in steps if step.custom and not step.leftover):
            return state
        state = [resource(step) for step in steps if step.op is not Op.DELETE]
        write(stack, state)
    raise AssertionError(f"still changing: {[(s.op, s.name, s.changes) for s in steps if s.op is not Op.SAME][:3]}")


def scaled(state: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As an autoscaler leaves it."""
    for one in state:
        path = GROUPS.get(one["type"])
        if path is not None:
            inner = one["inputs"]
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = 7
            one["outputs"] = one["inputs"]
    return state


def edited(folder: Path, name: str) -> Path:
    """The project with a pool before and a pool after those of the stack, which stand in the opposite order."""
    (folder / "stacks").mkdir(parents=True)
    (folder / "Pulumi.yaml").write_text(f"{(ROOT / 'Pulumi.yaml').read_text()}main: {ROOT}\n")
    document = yaml.safe_load((ROOT / "stacks" / f"Pulumi.{name}.yaml").read_text())
    pools = document["config"]["footplate:gpuPools"]
    more = [{**pools[0], "name": "extra"}, *reversed(pools), {**pools[0], "name": "other"}]
    document["config"]["footplate:gpuPools"] = more
    (folder / "stacks" / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return folder


@pytest.mark.parametrize("name", STACKS)
async def test_pools_that_come_or_move_touch_their_own_resources_alone(name: str, tmp_path: Path) -> None:
    environ = {**os.environ, "FOOTPLATE_DATA": str(tmp_path), "FOOTPLATE_CACHE": str(tmp_path / "cache")}
    settled = Stack(ROOT, name, environ=environ)
    state = await settle(settled)
    assert any(one["type"] in GROUPS for one in state), "there is a group whose size an autoscaler sets"
    write(settled, scaled(state))

    steps = await previewed(Stack(edited(tmp_path / "project", name), name, environ=environ))
    touched = {step.urn: step.op for step in steps if step.op is not Op.SAME}
    own = {urn for urn in touched if any(pool in urn.rpartition("::")[2] for pool in ("extra", "other"))}
    assert own
    rest = {urn: op for urn, op in touched.items() if urn not in own and not urn.startswith("urn:pulumi:dev::")}
    components = {step.urn for step in steps if not step.custom}
    unexpected = [urn for urn in rest if urn not in components and not urn.split("::")[2].endswith(SHARED)]
    assert unexpected == []
    assert all(op is Op.UPDATE for urn, op in rest.items() if urn not in components)
    assert {touched[urn] for urn in own} == {Op.CREATE}
