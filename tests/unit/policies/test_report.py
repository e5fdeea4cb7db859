"""A preview's findings as text, JSON and SARIF."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as Sarif

from policies.report.__main__ import version
from policies.report.reading import Report, data, read
from policies.report.sarif import sarif
from policies.report.text import text
from policies.rules import RULES

CLUSTER = "urn:pulumi:dev::platform::footplate:aws:Cluster$aws:eks/cluster:Cluster::main"
TEMPLATE = "urn:pulumi:dev::platform::aws:ec2/launchTemplate:LaunchTemplate::nodes"
PREVIEW: dict[str, Any] = {
    "stack": "platform/dev",
    "policies": [
        {
            "policy": "eks-endpoint-limited",
            "pack": "policies",
            "mandatory": True,
            "urn": CLUSTER,
            "message": "The EKS API endpoint is private or open to named networks only.\nit is open to 2 networks",
            "declared": "providers/aws/a cluster.py:41",
        },
        {"policy": "launch-template-tags", "mandatory": False, "urn": TEMPLATE, "message": "no tags"},
        {"policy": "gpu-count-cap", "mandatory": True, "urn": "", "message": "up to 24 GPUs"},
        {"policy": "their-own", "pack": "other", "mandatory": True, "urn": TEMPLATE, "message": "bad"},
        {
            "policy": "exemptions",
            "mandatory": False,
            "urn": TEMPLATE,
            "message": "imdsv2 is exempted until 2026-12-31, in 7 days, by ops (Old agent.): httpTokens is unset",
        },
        {"policy": "exemptions", "mandatory": False, "urn": "", "message": "the exemption of * exempts nothing"},
    ],
    "messages": [
        {"severity": "info", "urn": TEMPLATE, "message": "policy cost-labels changed its properties: Labels."},
        {"severity": "info", "urn": "", "message": "something else"},
    ],
}


@pytest.fixture
def report() -> Report:
    return read(PREVIEW)


def test_what_was_found_is_told_with_what_must_change_first(report: Report) -> None:
    lines = text(report).splitlines()
    assert lines[0] == "platform/dev: 3 mandatory, 1 advisory, 1 put right, 1 exempted"
    assert lines[2:5] == [
        "must change",
        "  eks-endpoint-limited [high]  Cluster main  (providers/aws/a cluster.py:41)",
        "    it is open to 2 networks",
    ]
    assert "  gpu-count-cap [high]  the stack" in lines
    assert lines.index("should change") > lines.index("must change")
    assert "  imdsv2  LaunchTemplate nodes  until 2026-12-31 by ops: Old agent." in lines
    assert lines[-1] == "note: the exemption of * exempts nothing"


def test_json_has_it_by_field(report: Report) -> None:
    found = json.loads(json.dumps(data(report)))
    assert found["summary"] == {"mandatory": 3, "advisory": 1, "exempted": 1, "remediated": 1}
    assert found["findings"][0] == {
        "rule": "eks-endpoint-limited",
        "level": "mandatory",
        "severity": "high",
        "resource": CLUSTER,
        "message": "it is open to 2 networks",
        "location": "providers/aws/a cluster.py:41",
    }
    assert found["remediated"] == [{"rule": "cost-labels", "resource": TEMPLATE}]
    assert found["exempted"][0]["until"] == "2026-12-31"


def test_sarif_is_that_of_the_standard_and_has_what_code_scanning_shows(report: Report) -> None:
    document = sarif([report, read({"stack": "platform/prod", "policies": []})], version(), root="infra")
    Sarif.model_validate(document)
    run, clean = document["runs"]
    assert clean["results"] == []
    assert run["automationDetails"]["id"] != clean["automationDetails"]["id"]
    rules = run["tool"]["driver"]["rules"]
    assert {rule["id"] for rule in rules} == {*RULES, "their-own"}
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    endpoint, tags, cap, _, exempted = run["results"]
    assert [r["level"] for r in (endpoint, tags, cap)] == ["error", "warning", "error"]
    (location,) = endpoint["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "infra/providers/aws/a%20cluster.py"},
        "region": {"startLine": 41},
    }
    assert location["logicalLocations"] == [{"fullyQualifiedName": CLUSTER, "kind": "resource"}]
    assert cap["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "infra/Pulumi.yaml"
    assert cap["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "platform/dev"
    assert exempted["suppressions"][0]["justification"] == "Old agent. (until 2026-12-31, by ops)"
    assert "suppressions" not in endpoint


def test_a_finding_is_the_same_one_when_its_numbers_change(report: Report) -> None:
    def fingerprints(preview: dict[str, Any]) -> list[str]:
        results = sarif([read(preview)], "1")["runs"][0]["results"]
        return [result["partialFingerprints"]["policyResource/v1"] for result in results]

    later = json.loads(json.dumps(PREVIEW).replace("up to 24 GPUs", "up to 32 GPUs"))
    assert fingerprints(later) == fingerprints(PREVIEW)
    assert len(set(fingerprints(PREVIEW))) == 5


def test_a_preview_that_failed_is_not_taken_for_one_without_findings() -> None:
    failed = read({"stack": "platform/dev", "policies": [], "error": "the program failed"})
    assert "came to no end, so there may be more: the program failed" in text(failed)
    document = sarif([failed], "1")
    Sarif.model_validate(document)
    assert document["runs"][0]["invocations"][0]["executionSuccessful"] is False


def test_the_error_of_a_preview_that_policies_refuse_is_their_findings() -> None:
    assert read({**PREVIEW, "error": "3 violations of mandatory policies: nothing was changed"}).error == ""


def report_command(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "policies.report", *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=60)


def test_the_command_fails_where_something_must_change(tmp_path: Path) -> None:
    out = tmp_path / "policies.sarif"
    failed = report_command("--format", "sarif", "--output", str(out), given=json.dumps(PREVIEW))
    assert (failed.returncode, failed.stdout) == (1, "")
    Sarif.model_validate_json(out.read_text())
    advisory = json.dumps({**PREVIEW, "policies": [PREVIEW["policies"][1]]})
    passed = report_command("--format", "json", given=advisory)
    assert passed.returncode == 0
    assert json.loads(passed.stdout)["summary"]["advisory"] == 1
    incomplete = json.dumps({**PREVIEW, "policies": [], "error": "no such zone"})
    assert report_command(given=incomplete).returncode == 1
    unread = report_command(given="{}")
    assert (unread.returncode, "is not what `footplate preview --output json` prints" in unread.stderr) == (2, True)
