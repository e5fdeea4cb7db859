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

from footplate.engine.errors import PolicyViolated
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


async def preview(tmp_path: Path) -> tuple[list[Event], str]:
    events: list[Event] = []
    environ = {**os.environ, "FOOTPLATE_DATA": str(tmp_path / "data")}
    stack = Stack(PROGRAM, "dev", policy_packs=[PACK], environ=environ)
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
