"""The component plugin over gRPC, with the embedded engine's monitor; and the Python example."""

import json
import os
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from components.reuse import TrainingPlatform
from components.typed_args import plain_values
from footplate.engine.errors import ProgramFailed
from footplate.engine.events import Event, Op, StepDone
from footplate.engine.stack import Stack
from footplate.version import VERSION
from tests.unit.conftest import Registered

ROOT = Path(__file__).parents[3]
PROGRAM = ROOT / "tests" / "fixtures" / "programs" / "plugin"


def stack(tmp_path: Path, component: str, args: dict[str, Any]) -> Stack:
    config = {"component": component, "args": json.dumps(args)}
    return Stack(PROGRAM, "dev", config=config, environ={**os.environ, "FOOTPLATE_DATA": str(tmp_path)})


async def test_a_component_is_constructed_for_a_program_in_any_language(tmp_path: Path) -> None:
    events: list[Event] = []
    team = {"name": "climate", "members": ["ada", "group:students"], "quota": {"gpu": 8, "cpu": "64"}}
    result = await stack(tmp_path, "TeamNamespace", team).preview(events.append)
    constructed = result.outputs["constructed"]
    assert constructed["version"] == VERSION
    assert constructed["resources"] == ["footplate:index:TeamNamespace", "footplate:index:TrainingPlatform"]
    assert {"footplate:index:GpuPoolArgs", "footplate:index:CapacityArgs"} <= set(constructed["types"])
    assert constructed["urn"] == "urn:pulumi:dev::plugin::footplate:index:TeamNamespace::made"
    assert constructed["state"] == ["namespace"]
    made = {e.step.urn.rpartition("$")[2]: e.step for e in events if isinstance(e, StepDone) and e.step.op is Op.CREATE}
    namespace = made["kubernetes:core/v1:Namespace::climate"]
    assert "footplate:index:TeamNamespace$footplate:index:Team$" in namespace.urn
    assert namespace.inputs["metadata"]["name"] == "team-climate"
    quota = next(step for name, step in made.items() if name.startswith("kubernetes:core/v1:ResourceQuota"))
    assert quota.inputs["spec"]["hard"] == {"requests.cpu": "64", "requests.nvidia.com/gpu": "8"}


async def test_a_whole_platform_is_constructed_from_the_arguments_of_a_stack(tmp_path: Path) -> None:
    config = yaml.safe_load((ROOT / "stacks" / "Pulumi.dev-aws.yaml").read_text())["config"]
    args = {key.removeprefix("footplate:"): value for key, value in config.items()}
    args |= {"platformImage": "example.com/platform:1", "standardEnvironments": []}
    events: list[Event] = []
    result = await stack(tmp_path, "TrainingPlatform", args).preview(events.append)
    assert result.outputs["constructed"]["state"] == ["namespace", "objectStore", "teams", "version"]
    made = [event.step for event in events if isinstance(event, StepDone) and event.step.op is Op.CREATE]
    (pool,) = [step for step in made if step.type == "kubernetes:karpenter.sh/v1:NodePool" and step.name == "l4"]
    assert pool.urn.split("::")[2].startswith("footplate:index:TrainingPlatform$")
    assert str(pool.inputs["spec"]["limits"]["nvidia.com/gpu"]) == "2"
    assert {"team-research"} <= {s.inputs["metadata"]["name"] for s in made if s.type == "kubernetes:core/v1:Namespace"}


async def test_a_wrong_argument_is_named_as_in_the_stacks_config(tmp_path: Path) -> None:
    wrong = {"provider": "local", "gpuPools": [{"name": "train", "gpu": "H100", "minNodes": 5, "maxNodes": 2}]}
    with pytest.raises(ProgramFailed) as caught:
        await stack(tmp_path, "TrainingPlatform", wrong).preview(lambda event: None)
    assert "footplate:gpuPools[0]" in caught.value.message + caught.value.traceback


def test_numbers_of_the_wire_are_those_of_the_config() -> None:
    assert plain_values({"gpu": 8.0, "share": 0.5, "list": [1.0, {"a": 2.0}]}) == {
        "gpu": 8,
        "share": 0.5,
        "list": [1, {"a": 2}],
    }


def test_what_decides_on_resources_is_no_output(register: Callable[[Callable[[], object]], Registered]) -> None:
    args = {"region": pulumi.Output.from_input("eu-west-1")}
    with pytest.raises(Exception, match="region is an output"):
        register(lambda: TrainingPlatform("platform", args))


def test_another_teams_program_uses_the_components_by_import(
    register: Callable[[Callable[[], object]], Registered],
) -> None:
    example = ROOT / "examples" / "reuse" / "python"
    settings = yaml.safe_load((example / "Pulumi.dev.yaml").read_text())["config"]
    pulumi.runtime.set_all_config({key.replace("research:", "footplate:"): value for key, value in settings.items()})
    found = register(lambda: runpy.run_path(str(example / "__main__.py"), run_name="__main__"))
    assert "team-climate" in {inputs["metadata"]["name"] for inputs in found.of("core/v1:Namespace").values()}
    assert "stations" in found.of("core/v1:ConfigMap")
    assert found.of("footplate:index:Platform")


def test_the_yaml_example_uses_what_the_schema_has() -> None:
    document = yaml.safe_load((ROOT / "examples" / "reuse" / "yaml" / "Pulumi.yaml").read_text())
    assert (ROOT / "examples" / "reuse" / "yaml" / document["packages"]["footplate"]).resolve() == ROOT / "plugin"
    team = document["resources"]["climate"]
    assert team["type"] == "footplate:TeamNamespace"
    assert set(team["properties"]) <= {"name", "members", "quota"}
