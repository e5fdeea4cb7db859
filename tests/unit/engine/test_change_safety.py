"""Plans of cloud resources against the state that the Pulumi CLI wrote: what they cost, change, and would lose."""

import os
from pathlib import Path
from typing import Any

import pytest

from footplate.engine.checked import AnyStack
from footplate.engine.errors import ConfigInvalid, ReplacementRefused
from footplate.engine.events import Event, Op, Priced, Said, Severity, StepDone
from footplate.engine.stack import Stack
from footplate.engine.stacks import open_stack
from tests.unit.engine.cloud_state import changed_state, settle, write

PROGRAM = Path(__file__).parents[2] / "fixtures" / "programs" / "pools"
CLOUDS = ("aws", "gcp")
MACHINES = {"aws": ("p5.48xlarge", "g6.xlarge"), "gcp": ("a3-highgpu-8g", "g2-standard-4")}


@pytest.fixture
def data(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "FOOTPLATE_DATA": str(tmp_path / "data")}


def pools(cloud: str, *named: str) -> str:
    """`train` is big, `dev` small, any other big; at most 4 nodes each."""
    big, small = MACHINES[cloud]
    return " ".join(f"{name}:{small if name == 'dev' else big}:4" for name in named)


SETTLED: dict[str, list[dict[str, Any]]] = {}
"""Cloud → the resources of its state, planned once."""


async def settled(data: dict[str, str], cloud: str, **changes: Any) -> None:
    """The state of the pools `train` and `dev`; `changes`: of the inputs and outputs of a resource."""
    stack = Stack(PROGRAM, "dev", config={"cloud": cloud, "pools": pools(cloud, "train", "dev")}, environ=data)
    if cloud not in SETTLED:
        SETTLED[cloud] = await settle(stack)
    write(stack, changed_state(SETTLED[cloud], changes))


def opened(data: dict[str, str], cloud: str, allow: list[str] | None = None, **config: str) -> AnyStack:
    given = {"cloud": cloud, "pools": pools(cloud, "train", "dev"), **config}
    return open_stack(PROGRAM, "dev", config=given, engine="embedded", allow_replace=allow or [], environ=data)


def changed(events: list[Event]) -> dict[str, Op]:
    steps = [e.step for e in events if isinstance(e, StepDone)]
    return {step.name: step.op for step in steps if step.op is not Op.SAME and not step.leftover}


@pytest.mark.parametrize("cloud", CLOUDS)
async def test_an_unchanged_program_changes_nothing_of_what_the_cli_made(data: dict[str, str], cloud: str) -> None:
    await settled(data, cloud)
    events: list[Event] = []
    result = await opened(data, cloud).preview(events.append)
    assert changed(events) == {}
    assert not result.changed


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (("train", "dev", "extra"), {"extra": Op.CREATE}),
        (("extra", "train", "dev"), {"extra": Op.CREATE}),
        (("dev", "train"), {}),
    ],
)
async def test_adding_and_reordering_pools_changes_those_pools_alone(
    data: dict[str, str], cloud: str, named: tuple[str, ...], expected: dict[str, Op]
) -> None:
    await settled(data, cloud)
    events: list[Event] = []
    await opened(data, cloud, pools=pools(cloud, *named)).preview(events.append)
    assert changed(events) == expected


@pytest.mark.parametrize(
    ("cloud", "scaled"),
    [
        ("aws", {"scalingConfig": {"minSize": 0, "maxSize": 4, "desiredSize": 3}}),
        ("gcp", {"nodeCount": 3, "initialNodeCount": 2}),
    ],
)
async def test_sizes_that_the_autoscaler_chose_stay(data: dict[str, str], cloud: str, scaled: dict[str, Any]) -> None:
    await settled(data, cloud, train=scaled)
    events: list[Event] = []
    await opened(data, cloud).preview(events.append)
    assert changed(events) == {}


async def test_a_new_maximum_is_an_update_in_place_that_keeps_the_size(data: dict[str, str]) -> None:
    await settled(data, "aws", train={"scalingConfig": {"minSize": 0, "maxSize": 4, "desiredSize": 3}})
    events: list[Event] = []
    await opened(data, "aws", pools="train:p5.48xlarge:8 dev:g6.xlarge:4").preview(events.append)
    (step,) = [e.step for e in events if isinstance(e, StepDone) and e.step.op is Op.UPDATE]
    assert [(change.path, change.old, change.new) for change in step.changes] == [(("scalingConfig", "maxSize"), 4, 8)]


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize(
    ("config", "lost"),
    [
        ({"role": "second"}, {"cluster": "cluster", "train": "GPU pool", "dev": "GPU pool"}),
        ({"bucket": "other"}, {"data": "data store"}),
        ({"pools": "dev"}, {"train": "GPU pool"}),
        ({"pools": "renamed dev"}, {"train": "GPU pool"}),
    ],
)
async def test_what_holds_something_is_not_lost_by_an_edit(
    data: dict[str, str], cloud: str, config: dict[str, str], lost: dict[str, str]
) -> None:
    await settled(data, cloud)
    if "pools" in config:
        config = {"pools": pools(cloud, *config["pools"].split())}
    events: list[Event] = []
    with pytest.raises(ReplacementRefused) as caught:
        await opened(data, cloud, **config).preview(events.append)
    for name, kind in lost.items():
        assert f"the {kind} {name!r} would be " in caught.value.message
        assert f"--allow-replace {name}" in (caught.value.remedy or "")
    said = [e.urn.rpartition("::")[2] for e in events if isinstance(e, Said) and e.severity is Severity.ERROR]
    assert sorted(said) == sorted(lost)
    allowed = await opened(data, cloud, allow=list(lost), **config).preview(events.append)
    assert allowed.changed


async def test_an_update_is_refused_even_where_nobody_asks(data: dict[str, str]) -> None:
    await settled(data, "aws")
    with pytest.raises(ReplacementRefused, match="the data store 'data' would be replaced: bucket cannot be changed"):
        await opened(data, "aws", bucket="other").preview(lambda event: None)


async def test_configuration_may_allow_it_by_urn_and_is_told_when_it_is_idle(
    data: dict[str, str], tmp_path: Path
) -> None:
    await settled(data, "aws")
    urn = "urn:pulumi:dev::pools::aws:s3/bucket:Bucket::data"
    key = "footplate:allowReplacement"
    assert (await opened(data, "aws", bucket="other", **{key: urn}).preview(lambda event: None)).changed
    events: list[Event] = []
    await opened(data, "aws", **{key: f"{urn}, cluster"}).preview(events.append)
    assert [e.message for e in events if isinstance(e, Said) and e.severity is Severity.WARNING] == [
        f"{key} names {name!r}, which this preview does not replace: take it out" for name in (urn, "cluster")
    ]


async def test_a_pool_that_can_have_no_nodes_may_be_replaced(data: dict[str, str]) -> None:
    empty = {"scalingConfig": {"minSize": 0, "maxSize": 0, "desiredSize": 0}}
    await settled(data, "aws", train=empty)
    events: list[Event] = []
    await opened(data, "aws", pools="train:p4d.24xlarge:4 dev:g6.xlarge:4").preview(events.append)
    assert changed(events) == {"train": Op.REPLACE}


async def test_what_the_plugin_filled_in_is_no_change(data: dict[str, str]) -> None:
    given = {"minSize": 0, "maxSize": 4, "desiredSize": 0}
    scaling = {"__defaults": ["surge"], "surge": 1, **given}
    await settled(
        data, "aws", train={"__defaults": ["nodeGroupName"], "nodeGroupName": "train-123", "scalingConfig": scaling}
    )
    events: list[Event] = []
    await opened(data, "aws").preview(events.append)
    assert changed(events) == {}


async def test_the_preview_prices_what_changes_and_what_does_not(data: dict[str, str]) -> None:
    await settled(data, "gcp")
    events: list[Event] = []
    await opened(data, "gcp", pools=pools("gcp", "train", "dev", "extra")).preview(events.append)
    (priced,) = [e for e in events if isinstance(e, Priced)]
    assert priced.estimate.minimum.total == pytest.approx(0.1)
    spot = 26.83
    assert priced.estimate.maximum.gpu == pytest.approx(2 * 4 * spot + 4 * 0.267, rel=0.001)


async def test_a_stack_without_a_cloud_has_no_price(data: dict[str, str]) -> None:
    events: list[Event] = []
    program = PROGRAM.parent / "components"
    await open_stack(program, "dev", engine="embedded", environ=data).preview(events.append)
    assert not any(isinstance(event, Priced) for event in events)


async def test_what_is_allowed_is_a_list_of_names(tmp_path: Path, data: dict[str, str]) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: own\nruntime: python\n")
    (tmp_path / "__main__.py").write_text("")
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n  footplate:allowReplacement: {a: b}\n")
    with pytest.raises(ConfigInvalid, match="footplate:allowReplacement is"):
        open_stack(tmp_path, "dev", engine="embedded", environ=data)
