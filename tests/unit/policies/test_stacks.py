"""The stacks of this repository under the pack."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from footplate.engine.errors import PolicyViolated
from footplate.engine.events import Event, Violation
from footplate.engine.stack import Stack
from policies.pack import DIRECTORY

ROOT = Path(__file__).parents[3]
STACKS = [path.name.split(".")[1] for path in sorted((ROOT / "stacks").glob("Pulumi.*-*.yaml"))]
STRICT = """
stacks: ["*"]
rules:
  gpu-types: {allowed: [V100]}
  gpu-count-cap: {most: 1}
  hourly-cost-cap: {total: 0.01}
  image-allowlist: {allowed: []}
  cost-labels: {level: mandatory, required: {nobody-has-it: ""}}
"""


async def violations(stack: str, tmp_path: Path) -> list[Violation]:
    events: list[Event] = []
    environ = {**os.environ, "FOOTPLATE_DATA": str(tmp_path / "data")}
    try:
        await Stack(ROOT, stack, policy_packs=[ROOT / "policies"], environ=environ).preview(events.append)
    except PolicyViolated:
        pass
    return [event for event in events if isinstance(event, Violation) and event.mandatory]


@pytest.mark.parametrize("stack", STACKS)
async def test_a_stack_violates_no_mandatory_rule(stack: str, tmp_path: Path) -> None:
    assert await violations(stack, tmp_path) == []


@pytest.mark.parametrize("stack", [stack for stack in STACKS if stack.startswith("dev-")])
async def test_a_stack_is_seen_as_it_is(stack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "strict.yaml").write_text(STRICT)
    monkeypatch.setenv(DIRECTORY, str(tmp_path))
    found = {(violation.policy, violation.message) for violation in await violations(stack, tmp_path)}
    rules = ("gpu-types", "gpu-count-cap", "hourly-cost-cap", "image-allowlist", "cost-labels")
    assert {rule: any(rule == policy for policy, _ in found) for rule in rules} == dict.fromkeys(rules, True)
    assert any("L4: this environment allows V100" in message for _, message in found)
