"""With the Pulumi CLI on PATH: a stand-in for it, whose docstring says what it does not model."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from footplate.engine.changes import Change, ChangeKind
from footplate.engine.checked import AnyStack
from footplate.engine.errors import (
    ConfigInvalid,
    DeploymentFailed,
    ReplacementRefused,
    StackLocked,
    StackNotFound,
    StateUnreadable,
)
from footplate.engine.events import Event, Op, Priced, Said, StepDone, StepStarted, Violation
from footplate.engine.pulumi_cli import logged_in
from footplate.engine.stacks import open_stack
from footplate.engine.values import Secret
from footplate.errors import MachineLacks

STACK = "urn:pulumi:dev::parts::pulumi:pulumi:Stack::parts-dev"
NAMESPACE = "urn:pulumi:dev::parts::kubernetes:core/v1:Namespace::home"
JOB = "urn:pulumi:dev::parts::kubernetes:batch/v1:Job::run"
PROGRAM = Path(__file__).parents[2] / "fixtures" / "programs" / "components"


def state(urn: str, **more: Any) -> dict[str, Any]:
    kind = urn.split("::")[2]
    return {
        "type": kind,
        "urn": urn,
        "custom": True,
        "id": "x",
        "parent": STACK,
        "provider": "",
        "inputs": {},
        "outputs": {},
        **more,
    }


def step(op: str, urn: str, old: Any = None, new: Any = None, **more: Any) -> dict[str, Any]:
    metadata = {"op": op, "urn": urn, "type": urn.split("::")[2], "provider": "", "old": old, "new": new, **more}
    return {"metadata": metadata}


CREATED = step("create", NAMESPACE, new=state(NAMESPACE))
UPDATED = step(
    "update",
    JOB,
    old=state(JOB, inputs={"spec": {"a": 1}}, outputs={"spec": {"a": 1}}),
    new=state(JOB, inputs={"spec": {"a": 2}}),
    detailedDiff={"spec.a": {"diffKind": "update", "inputDiff": False}},
)
SUMMARY = {"summaryEvent": {"durationSeconds": 2, "resourceChanges": {"create": 1, "update": 1, "same": 3}}}
EVENTS = [
    {"preludeEvent": {"config": {}}},
    {"resourcePreEvent": CREATED},
    {"resOutputsEvent": CREATED},
    {"resourcePreEvent": UPDATED},
    {"diagnosticEvent": {"message": "look out", "color": "never", "severity": "warning", "urn": JOB}},
    {"policyEvent": {"message": "no", "policyName": "p", "policyPackName": "pack", "enforcementLevel": "mandatory"}},
    {"resOutputsEvent": UPDATED},
    SUMMARY,
]
NO_CHANGE = {"events": [{"summaryEvent": {"durationSeconds": 1, "resourceChanges": {"same": 5}}}]}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory for the stand-in, which is first on PATH."""
    directory = tmp_path / "stand-in"
    directory.mkdir()
    pulumi = directory / "pulumi"
    pulumi.write_text(f"#!{sys.executable}\n" + Path(__file__).with_name("pulumi_stand_in.py").read_text())
    pulumi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PULUMI_STAND_IN", str(directory))
    monkeypatch.setenv("FOOTPLATE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN", "PULUMI_CONFIG_PASSPHRASE"):
        monkeypatch.delenv(name, raising=False)
    scenario(directory)
    return directory


def scenario(home: Path, **changes: Any) -> None:
    planned = {"events": EVENTS}
    found = {"preview": planned, "up": planned, "outputs": {"name": "x", "token": {"secret": "hunter2"}}, **changes}
    (home / "scenario.json").write_text(json.dumps(found))


def calls(home: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (home / "calls.jsonl").read_text().splitlines()]


def opened(**options: Any) -> AnyStack:
    return open_stack(PROGRAM, "dev", **options)


async def test_the_cli_is_used_where_it_is_on_path(home: Path) -> None:
    events: list[Event] = []
    stack = opened(parallel=4)
    result = await stack.up(events.append)
    assert stack.engine == "pulumi"
    assert result.changed
    assert dict(result.totals.counts) == {Op.CREATE: 1, Op.UPDATE: 1, Op.SAME: 3}
    assert result.outputs == {"name": "x", "token": Secret("hunter2")}
    done = [event for event in events if isinstance(event, StepDone)]
    assert [(d.step.op, d.step.name) for d in done] == [(Op.CREATE, "home"), (Op.UPDATE, "run")] * 2
    assert done[1].step.changes == [Change(("spec", "a"), ChangeKind.UPDATE, 1, 2)]
    assert [e.step.name for e in events if isinstance(e, StepStarted)] == ["home", "run"], "of the update alone"
    assert [e.message for e in events if isinstance(e, Said)] == ["look out"] * 2
    assert [(e.policy, e.mandatory) for e in events if isinstance(e, Violation)] == [("p", True)] * 2
    up = next(call for call in calls(home) if "up" in call["arguments"])
    assert up["arguments"][up["arguments"].index("--parallel") + 1] == "4"


async def test_without_a_login_state_is_kept_with_that_of_the_embedded_engine(home: Path, tmp_path: Path) -> None:
    await opened().preview(lambda event: None)
    environment = calls(home)[0]["environment"]
    assert environment["PULUMI_BACKEND_URL"] == f"file://{tmp_path / 'data' / 'stacks' / 'pulumi'}"
    assert len(environment["PULUMI_CONFIG_PASSPHRASE"]) > 20


def test_a_login_is_respected(tmp_path: Path) -> None:
    assert logged_in({"PULUMI_BACKEND_URL": "s3://x"}, {})
    assert logged_in({"PULUMI_ACCESS_TOKEN": "t"}, {})
    assert logged_in({"HOME": str(tmp_path)}, {"backend": {"url": "gs://x"}})
    assert not logged_in({"HOME": str(tmp_path)}, {})
    (tmp_path / ".pulumi").mkdir()
    (tmp_path / ".pulumi" / "credentials.json").write_text('{"current": "https://api.pulumi.com"}')
    assert logged_in({"HOME": str(tmp_path)}, {})


async def test_nothing_is_updated_when_nothing_changes_or_nobody_agrees(home: Path) -> None:
    asked: list[bool] = []

    def refuse(result: Any) -> bool:
        asked.append(result.changed)
        return False

    await opened().up(lambda event: None, refuse)
    scenario(home, preview=NO_CHANGE)
    result = await opened().up(lambda event: None, refuse)
    assert (asked, result.changed) == ([True], False)
    assert not any("up" in call["arguments"] for call in calls(home))


async def test_failures_are_told_in_the_words_of_the_cli(home: Path) -> None:
    scenario(home, preview={"events": [], "code": 255, "stderr": "Diagnostics:\nerror: the cluster is on fire"})
    with pytest.raises(DeploymentFailed, match="the cluster is on fire"):
        await opened().preview(lambda event: None)
    busy = "error: [409] Conflict: Another update is currently in progress."
    scenario(home, preview={"events": [], "code": 255, "stderr": busy})
    with pytest.raises(StackLocked, match="another update"):
        await opened().preview(lambda event: None)


async def test_a_stack_that_is_not_there_is_not_made_by_asking_for_it(home: Path) -> None:
    with pytest.raises(StackNotFound):
        opened().outputs()
    with pytest.raises(StackNotFound):
        await opened().destroy(lambda event: None)


async def test_configuration_for_one_run_goes_by_a_file_of_its_own(home: Path) -> None:
    await opened(config={"shape": "round"}).preview(lambda event: None)
    preview = next(call for call in calls(home) if "preview" in call["arguments"])
    assert "parts:shape: round" in preview["config"]
    assert "round" not in (PROGRAM / "Pulumi.dev.yaml").read_text()


async def test_state_of_the_embedded_engine_is_handed_over_once(home: Path, tmp_path: Path) -> None:
    embedded = opened(engine="embedded")
    await embedded.up(lambda event: None)
    events: list[Event] = []
    await opened().preview(events.append)
    imported = json.loads((home / "stack.json").read_text())
    assert {r["urn"] for r in imported["deployment"]["resources"]} >= {STACK}
    assert "hunter2" not in json.dumps(imported)
    assert any(isinstance(e, Said) and "handed over" in e.message for e in events)
    # From then on the embedded engine must not work on what it no longer has.
    with pytest.raises(StateUnreadable, match="handed over"):
        await opened(engine="embedded").preview(lambda event: None)


async def test_a_secret_for_one_run_needs_the_stack_file(home: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(PROGRAM, project)
    with (project / "Pulumi.yaml").open("a") as manifest:
        manifest.write("  token: {type: string, secret: true, default: none}\n")
    stack = open_stack(project, "dev", config={"token": "hunter2"})
    with pytest.raises(ConfigInvalid, match="secret"):
        await stack.preview(lambda event: None)


async def test_what_the_cli_would_replace_is_refused_and_priced_alike(home: Path) -> None:
    urn = "urn:pulumi:dev::parts::aws:ec2/instance:Instance::box"
    bucket = "urn:pulumi:dev::parts::aws:s3/bucket:Bucket::data"
    box = state(urn, inputs={"instanceType": "g5.xlarge", "region": "us-east-1"})
    replaced = step("create-replacement", bucket, old=state(bucket), new=state(bucket, inputs={"bucket": "new"}))
    events = [{"resourcePreEvent": step("same", urn, old=box, new=box)}, {"resourcePreEvent": replaced}]
    summary = {"summaryEvent": {"durationSeconds": 1, "resourceChanges": {"replace": 1, "same": 1}}}
    scenario(home, preview={"events": [*events, summary]})
    seen: list[Event] = []
    with pytest.raises(ReplacementRefused, match="the data store 'data' would be replaced"):
        await opened().up(seen.append)
    (priced,) = [event for event in seen if isinstance(event, Priced)]
    assert priced.estimate.minimum.gpu == 1.006
    assert not any("up" in call["arguments"] for call in calls(home))
    await opened(allow_replace=["data"]).up(lambda event: None)
    assert any("up" in call["arguments"] for call in calls(home))


def test_the_engine_can_be_chosen(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert opened(engine="embedded").engine == "embedded"
    assert opened(engine="pulumi").engine == "pulumi"
    monkeypatch.setenv("PATH", "/nowhere")
    assert opened().engine == "embedded"
    with pytest.raises(MachineLacks, match="no Pulumi CLI"):
        opened(engine="pulumi")
