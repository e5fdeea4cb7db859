"""Real programs in their own process, with no provider but components and those that can only be planned."""

import asyncio
import json
import os
import signal
import sys
import textwrap
from pathlib import Path
from typing import Any

import psutil
import pytest

from footplate.engine.errors import (
    DeploymentFailed,
    Interrupted,
    NeedsPulumiCLI,
    PolicyViolated,
    ProgramFailed,
    ProgramRefused,
    ProjectInvalid,
    ResourceProtected,
    StackNotFound,
    Unsupported,
)
from footplate.engine.events import Event, Op, Said, StepDone, Violation
from footplate.engine.monitor.requests import seconds
from footplate.engine.stack import Stack
from footplate.engine.values import Secret, Unknown
from footplate.errors import FootplateError

PROGRAMS = Path(__file__).parents[2] / "fixtures" / "programs"


@pytest.fixture
def data(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "FOOTPLATE_DATA": str(tmp_path / "data")}


def stack(name: str, data: dict[str, str], **config: str) -> Stack:
    return Stack(PROGRAMS / name, "dev", config=config, environ=data)


def program(tmp_path: Path, text: str) -> Path:
    root = tmp_path / "program"
    root.mkdir(exist_ok=True)
    (root / "Pulumi.yaml").write_text("name: own\nruntime: python\n")
    (root / "Pulumi.dev.yaml").write_text("config: {}\n")
    (root / "__main__.py").write_text(textwrap.dedent(text))
    return root


def steps(events: list[Event]) -> dict[str, Op]:
    return {event.step.name: event.step.op for event in events if isinstance(event, StepDone)}


async def test_outputs_and_state_come_of_an_update(data: dict[str, str]) -> None:
    events: list[Event] = []
    result = await stack("components", data).up(events.append)
    assert result.outputs == {"label": "outer-inner-label", "hidden": Secret("hunter2")}
    said = [event.message for event in events if isinstance(event, Said)]
    assert said == ["this is plain", "worn out"] * 2, "of the preview and of the update"
    document = json.loads(stack("components", data).export())
    parts = {r["urn"]: r for r in document["deployment"]["resources"]}
    inner = parts["urn:pulumi:dev::parts::parts:index:Part$parts:index:Part::outer-inner"]
    assert inner["parent"] == "urn:pulumi:dev::parts::parts:index:Part::outer"
    assert inner["outputs"] == {"label": "outer-inner-label"}
    assert inner["sourcePosition"].startswith("project:///__main__.py#")
    assert "hunter2" not in json.dumps(document)


async def test_a_second_update_has_nothing_to_do_and_writes_nothing(data: dict[str, str]) -> None:
    first = stack("components", data)
    await first.up(lambda event: None)
    before = (first.folder / "state.json").stat()
    result = await stack("components", data).up(lambda event: None)
    assert not result.changed
    assert (first.folder / "state.json").stat().st_mtime_ns == before.st_mtime_ns


async def test_an_alias_renames_and_children_follow(data: dict[str, str]) -> None:
    await stack("components", data).up(lambda event: None)
    events: list[Event] = []
    result = await stack("components", data, shape="renamed").up(events.append)
    assert Op.CREATE not in result.totals.counts
    assert Op.DELETE not in result.totals.counts
    urns = {r.urn for r in stack("components", data).resources()}
    assert "urn:pulumi:dev::parts::parts:index:Part$parts:index:Part::whole-inner" in urns
    assert not any("outer" in urn for urn in urns)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("raises", "the program failed: ValueError: cannot use outer"),
        ("raises-later", "the program failed: ValueError: cannot use outer-inner-label"),
        ("exits", "the program failed: SystemExit: nothing more to say"),
        ("transforms", "the program uses transforms, which this engine does not support"),
    ],
)
async def test_a_program_that_fails_changes_nothing(data: dict[str, str], shape: str, message: str) -> None:
    with pytest.raises(ProgramFailed) as caught:
        await stack("components", data, shape=shape).up(lambda event: None)
    assert caught.value.message == message
    with pytest.raises(StackNotFound):
        stack("components", data).outputs()


async def test_what_a_program_refuses_is_said_in_its_words(data: dict[str, str]) -> None:
    with pytest.raises(ProgramRefused, match=r"^parts:shape: there is no such shape$"):
        await stack("components", data, shape="refuses").up(lambda event: None)


async def test_a_traceback_has_the_programs_own_frames(data: dict[str, str]) -> None:
    with pytest.raises(ProgramFailed) as caught:
        await stack("components", data, shape="raises").preview(lambda event: None)
    assert "__main__.py" in caught.value.traceback
    assert 'fail("outer")' in caught.value.traceback
    assert "site-packages" not in caught.value.traceback
    assert "runpy" not in caught.value.traceback


async def test_two_resources_of_one_name_are_an_error_that_names_them(data: dict[str, str]) -> None:
    events: list[Event] = []
    with pytest.raises(DeploymentFailed, match="1 resource would fail"):
        await stack("components", data, shape="twice").preview(events.append)
    assert any("two resources are called 'parts:index:Part outer'" in e.message for e in events if isinstance(e, Said))


async def test_a_stack_reference_is_refused_by_name(data: dict[str, str]) -> None:
    events: list[Event] = []
    with pytest.raises(DeploymentFailed):
        await stack("components", data, shape="reference").preview(events.append)
    (failed,) = [e for e in events if isinstance(e, StepDone) and e.error]
    assert failed.step.name == "organization/other/dev"
    assert "stack references are not supported" in failed.error
    assert "__main__.py:" in failed.error


async def test_cloud_resources_are_planned_with_unknown_outputs(data: dict[str, str]) -> None:
    events: list[Event] = []
    result = await stack("cloud", data).preview(events.append)
    assert steps(events) == {"cloud-dev": Op.CREATE, "default_7_8_0": Op.CREATE, "logs": Op.CREATE, "data": Op.CREATE}
    assert result.outputs == {"logs": Unknown, "acl": Unknown}
    bucket = next(e.step for e in events if isinstance(e, StepDone) and e.step.name == "data")
    assert bucket.inputs["logging"] is Unknown
    provider = next(e.step for e in events if isinstance(e, StepDone) and e.step.name == "default_7_8_0")
    assert provider.type == "pulumi:providers:aws"


async def test_an_update_that_needs_the_pulumi_cli_stops_before_any_change(data: dict[str, str]) -> None:
    with pytest.raises(NeedsPulumiCLI, match=r"2 resources need the Pulumi CLI: .*Bucket logs") as caught:
        await stack("cloud", data).up(lambda event: None)
    assert "pulumi.com/docs/install" in (caught.value.remedy or "")
    assert stack("cloud", data).resources() == []


async def test_policies_speak_before_anything_is_done(data: dict[str, str]) -> None:
    events: list[Event] = []
    packs = [PROGRAMS / "policies" / "pack"]
    policed = Stack(PROGRAMS / "cloud", "dev", policy_packs=packs, environ=data)
    with pytest.raises(PolicyViolated, match="2 violations of mandatory policies"):
        await policed.up(events.append)
    found = {(v.policy, v.urn.rpartition("::")[2], v.mandatory) for v in events if isinstance(v, Violation)}
    assert found == {
        ("no-public-bucket", "data", True),
        ("named-well", "logs", False),
        ("named-well", "data", False),
        ("few-buckets", "", True),
    }
    bucket = next(e.step for e in events if isinstance(e, StepDone) and e.step.name == "logs")
    assert bucket.inputs["tags"] == {"team": "unknown"}, "a remediation counts"


async def test_a_pack_that_does_not_start_says_why(data: dict[str, str], tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    pack.mkdir()
    with pytest.raises(ProjectInvalid, match="no policy pack"):
        Stack(PROGRAMS / "cloud", "dev", policy_packs=[pack], environ=data)
    (pack / "PulumiPolicy.yaml").write_text("runtime: python\n")
    (pack / "__main__.py").write_text("raise SystemExit('no rules today')\n")
    broken = Stack(PROGRAMS / "cloud", "dev", policy_packs=[pack], environ=data)
    with pytest.raises(FootplateError, match="no rules today"):
        await broken.preview(lambda event: None)


async def test_what_the_engine_does_not_do_is_refused_with_its_name(data: dict[str, str], tmp_path: Path) -> None:
    root = program(
        tmp_path,
        """
        import pulumi_kubernetes as k8s
        k8s.yaml.v2.ConfigGroup("group", yaml="a: b")
        """,
    )
    with pytest.raises(Unsupported, match="ConfigGroup 'group' is a remote component"):
        await Stack(root, "dev", environ=data).preview(lambda event: None)


async def test_a_provider_package_that_is_not_installed_is_named(data: dict[str, str], tmp_path: Path) -> None:
    root = program(tmp_path, "import pulumi_nowhere\n")
    with pytest.raises(ProgramFailed, match="No module named 'pulumi_nowhere'") as caught:
        await Stack(root, "dev", environ=data).preview(lambda event: None)
    assert "install that provider's package" in (caught.value.remedy or "")


async def test_a_protected_component_is_not_destroyed(data: dict[str, str], tmp_path: Path) -> None:
    root = program(
        tmp_path,
        """
        import pulumi
        pulumi.ComponentResource("own:index:Vault", "vault", opts=pulumi.ResourceOptions(protect=True))
        """,
    )
    await Stack(root, "dev", environ=data).up(lambda event: None)
    with pytest.raises(ResourceProtected, match="own:index:Vault vault"):
        await Stack(root, "dev", environ=data).destroy(lambda event: None)
    (root / "__main__.py").write_text("")
    with pytest.raises(ResourceProtected, match="own:index:Vault vault"):
        await Stack(root, "dev", environ=data).up(lambda event: None)


async def test_destroy_leaves_no_state(data: dict[str, str]) -> None:
    made = stack("components", data)
    await made.up(lambda event: None)
    result = await made.destroy(lambda event: None)
    assert result.totals.counts[Op.DELETE] == 3
    assert not (made.folder / "state.json").exists()
    with pytest.raises(StackNotFound):
        made.outputs()


async def test_nobody_has_to_agree_twice(data: dict[str, str]) -> None:
    result = await stack("components", data).up(lambda event: None, lambda planned: False)
    assert result.changed
    assert stack("components", data).resources() == []


async def test_ctrl_c_ends_a_program_that_does_not_end(data: dict[str, str], tmp_path: Path) -> None:
    root = program(tmp_path, "import time\nprint('busy')\ntime.sleep(600)\n")

    def press(event: Event) -> None:
        if isinstance(event, Said) and event.message == "busy":
            os.kill(os.getpid(), signal.SIGINT)

    async with asyncio.timeout(30):
        with pytest.raises(Interrupted):
            await Stack(root, "dev", environ=data).up(press)


async def test_the_program_goes_when_the_engine_is_killed(data: dict[str, str], tmp_path: Path) -> None:
    root = program(tmp_path, "import os, time\nprint('pid', os.getpid())\ntime.sleep(600)\n")
    code = """
        import asyncio, sys
        from pathlib import Path
        from footplate.engine.stack import Stack
        asyncio.run(Stack(Path(sys.argv[1]), "dev").preview(lambda e: print(getattr(e, "message", ""), flush=True)))
    """
    engine = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(code), str(root), env=data, stdout=asyncio.subprocess.PIPE
    )
    assert engine.stdout is not None
    pid = 0
    async with asyncio.timeout(30):
        while not pid:
            line = (await engine.stdout.readline()).decode()
            pid = int(line.split()[1]) if line.startswith("pid") else 0
        program_process = psutil.Process(pid)
        engine.kill()
        await engine.wait()
        await asyncio.to_thread(program_process.wait, 20)


@pytest.mark.parametrize(("text", "amount"), [("", 0), ("90s", 90), ("1h30m", 5400), ("1.5m", 90), ("250ms", 0.25)])
def test_timeouts_are_go_durations(text: str, amount: float) -> None:
    assert seconds(text) == amount


def test_what_is_no_duration_is_named() -> None:
    with pytest.raises(ProjectInvalid, match="'ten minutes'"):
        seconds("ten minutes")


def test_state_is_kept_apart_by_project_and_stack(data: dict[str, str]) -> None:
    folders: set[Any] = {
        stack("components", data).folder,
        Stack(PROGRAMS / "components", "prod", environ=data).folder,
        stack("cloud", data).folder,
    }
    assert len(folders) == 3


async def test_a_helm_release_is_planned_and_needs_the_pulumi_cli(tmp_path: Path, data: dict[str, str]) -> None:
    root = program(
        tmp_path,
        """
        import pulumi, pulumi_kubernetes as kubernetes
        cluster = kubernetes.Provider("cluster", kubeconfig=pulumi.runtime.invoke_output("aws:a/b:c", {}))
        chart = kubernetes.helm.v3.Release("chart", chart="oci://registry.example/chart", version="1.2.3",
                                           opts=pulumi.ResourceOptions(provider=cluster))
        """,
    )
    events: list[Event] = []
    await Stack(root, "dev", environ=data).preview(events.append)
    assert steps(events)["chart"] is Op.CREATE
    with pytest.raises(NeedsPulumiCLI, match=r"Release chart \(Helm releases are made by the kubernetes plugin"):
        await Stack(root, "dev", environ=data).up(lambda event: None)
