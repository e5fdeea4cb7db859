"""The pack as an engine runs it, on a program that knows nothing of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import analyzer_pb2_grpc

from footplate.engine.errors import ConfigInvalid, PolicyViolated
from footplate.engine.events import Event, StepDone, Violation
from footplate.engine.stack import Stack
from footplate.engine.values import Secret, Unknown
from footplate.errors import FootplateError
from policies.pack import DIRECTORY
from policies.rules import RULES

PROGRAM = Path(__file__).parents[2] / "fixtures" / "programs" / "policed"
PACK = Path(__file__).parents[3] / "policies"
SETTINGS = """
stacks: [dev]
rules:
  data-protected: {level: advisory}
  s3-public-access-block: {level: disabled}
  eks-workload-identity: {level: disabled}
  imdsv2: {level: remediate, hopLimit: 2}
  gpu-types: {level: advisory, allowed: [T4]}
  gpu-count-cap: {most: 2}
  gpu-scale-to-zero: {exempt: ["l4"]}
"""
EXEMPTIONS = """
exemptions:
  - rule: data-protected
    resource: "urn:pulumi:dev::policed::aws:s3/bucket:Bucket::scratch"
    reason: Scratch data, made anew every night.
    owner: ml-platform
    expires: 2026-12-31
  - rule: eks-endpoint-limited
    resource: "urn:pulumi:dev::*::main"
    reason: Until the VPN is there.
    owner: alice
    expires: 2025-01-31
maxDays: 3650
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "settings"
    directory.mkdir()
    (directory / "dev.yaml").write_text(SETTINGS)
    monkeypatch.setenv(DIRECTORY, str(directory))
    return directory


async def preview(tmp_path: Path, config: str | None = None) -> tuple[list[Event], str]:
    events: list[Event] = []
    environ = {**os.environ, "FOOTPLATE_DATA": str(tmp_path / "data")}
    file = tmp_path / "policies.json"
    file.write_text(config or "{}")
    configs = [file] if config else []
    stack = Stack(PROGRAM, "dev", policy_packs=[PACK], policy_configs=configs, environ=environ)
    try:
        await stack.preview(events.append)
    except PolicyViolated as error:
        return events, error.message
    return events, ""


async def test_what_the_pack_finds_mends_and_exempts(settings: Path, tmp_path: Path) -> None:
    (settings / "exemptions.yaml").write_text(EXEMPTIONS)
    events, refusal = await preview(tmp_path)
    found = {(v.policy, v.urn.rpartition("::")[2], v.mandatory): v.message for v in events if isinstance(v, Violation)}
    assert set(found) == {
        ("eks-endpoint-limited", "main", True),
        ("gpu-types", "l4", False),
        ("gpu-count-cap", "", True),
        ("launch-template-tags", "nodes", False),
        ("bucket-versioned", "scratch", False),
        ("exemptions", "scratch", False),
    }
    assert refusal == "2 violations of mandatory policies: nothing was changed"
    assert found["eks-endpoint-limited", "main", True].endswith(
        "(the exemption that alice had for it expired on 2025-01-31)"
    )
    assert found["gpu-count-cap", "", True].startswith("up to 3 GPUs, and 2 are allowed")
    assert "data-protected is exempted until 2026-12-31" in found["exemptions", "scratch", False]
    inputs = {(e.step.type, e.step.name): e.step.inputs for e in events if isinstance(e, StepDone)}
    template = inputs["aws:ec2/launchTemplate:LaunchTemplate", "nodes"]
    assert template["metadataOptions"] == {
        "httpEndpoint": "enabled",
        "httpTokens": "required",
        "httpPutResponseHopLimit": 2,
    }
    assert template["imageId"] is Unknown, "what is not known yet is left as it is"
    assert inputs["aws:eks/cluster:Cluster", "main"]["tags"] == {
        "environment": "dev",
        "owner": Secret("somebody"),
        "note": Secret("not for all"),
    }
    block = inputs["aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "scratch"]
    assert {key: block[key] for key in block if key != "bucket"} == dict.fromkeys(
        ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True
    )
    assert inputs["gcp:container/nodePool:NodePool", "l4"]["nodeConfig"]["serviceAccount"] is Unknown


async def test_a_file_for_one_run_counts_before_the_packs_settings(settings: Path, tmp_path: Path) -> None:
    (settings / "exemptions.yaml").write_text(EXEMPTIONS)
    config = (
        '{"all": "disabled", "gpu-count-cap": {"enforcementLevel": "mandatory", "most": 1}, "gpu-types": "mandatory"}'
    )
    events, refusal = await preview(tmp_path, config)
    found = {v.policy: v for v in events if isinstance(v, Violation)}
    assert {name for name, violation in found.items() if violation.mandatory} == {"gpu-types", "gpu-count-cap"}
    assert found["gpu-count-cap"].message.startswith("up to 3 GPUs, and 1 are allowed")
    assert "eks-endpoint-limited" not in found
    assert refusal == "2 violations of mandatory policies: nothing was changed"


@pytest.mark.parametrize(
    ("config", "message", "hint"),
    [
        ('{"gpu-typs": "advisory"}', "has no policy 'gpu-typs'", "did you mean 'gpu-types'?"),
        ('{"gpu-types": "loud"}', "gpu-types.enforcementLevel is 'loud'", "the levels are: advisory, mandatory"),
        ('{"gpu-types": {"alowed": []}}', "policy gpu-types has no setting 'alowed'", "did you mean 'allowed'?"),
        ('{"gpu-types": 3}', "gpu-types is neither a level nor an object", ""),
        ("[]", "is no object of policies", ""),
        ("{", "cannot be read as JSON", ""),
    ],
)
async def test_a_file_for_one_run_that_is_wrong_is_named(
    settings: Path, tmp_path: Path, config: str, message: str, hint: str
) -> None:
    with pytest.raises(FootplateError, match=message) as caught:
        await preview(tmp_path, config)
    assert hint in (caught.value.remedy or "")


def test_each_pack_has_a_file_or_none_has(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"--policy-pack-config is given 1 times and --policy-pack 2 times"):
        Stack(PROGRAM, "dev", policy_packs=[PACK, PACK], policy_configs=[tmp_path / "x.json"], environ={})


async def test_settings_that_are_wrong_keep_it_from_starting(settings: Path, tmp_path: Path) -> None:
    (settings / "exemptions.yaml").write_text(EXEMPTIONS.replace("data-protected", "data-protection"))
    with pytest.raises(
        FootplateError, match=r"exemptions\[0\]\.rule: there is no rule 'data-protection'; did you mean"
    ):
        await preview(tmp_path)


def test_the_pulumi_cli_starts_it_from_its_own_directory() -> None:
    """As `pulumi-analyzer-policy-python` does: in the pack's directory, with the engine's address and `.`."""
    command = [sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:1", "."]
    environ = {**os.environ, "PULUMI_STACK": "prod-aws", "PULUMI_PROJECT": "footplate", "PULUMI_DRY_RUN": "true"}
    with subprocess.Popen(command, cwd=PACK, env=environ, stdout=subprocess.PIPE, text=True) as pack:
        try:
            assert pack.stdout is not None
            port = pack.stdout.readline().strip()
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                analyzer = analyzer_pb2_grpc.AnalyzerStub(channel)
                info = analyzer.GetAnalyzerInfo(empty_pb2.Empty(), timeout=30)
        finally:
            pack.kill()
    assert info.name == "footplate"
    assert len(info.policies) == len(RULES) + 1
    assert info.initialConfig["disks-encrypted"].properties["customerKeys"] is True
