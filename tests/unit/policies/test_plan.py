"""The plan of a pull request: the example script and the workflow that runs it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as Sarif

from examples.ci import plan
from policies.report.reading import read

ROOT = Path(__file__).parents[3]
SCRIPT, WORKFLOW = ROOT / "examples/ci/plan.py", ROOT / "examples/ci/github-actions.yaml"
PROGRAM = ROOT / "tests/fixtures/programs/policed"
POOL = "urn:pulumi:dev::p::gcp:container/nodePool:NodePool::"


def run(project: Path, output: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--cwd", str(project), "--output", str(output), *arguments]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environ}, capture_output=True, text=True, check=False, timeout=120
    )


def test_each_stack_is_planned_without_credentials(tmp_path: Path) -> None:
    told = tmp_path / "step-summary.md"
    ran = run(PROGRAM, tmp_path / "plan", GITHUB_STEP_SUMMARY=str(told), KUBECONFIG="/nonexistent")
    assert ran.returncode == 1, ran.stderr
    summary = (tmp_path / "plan/summary.md").read_text()
    assert told.read_text() == summary
    assert summary in ran.stdout
    assert re.search(r"^\| dev \| ❌ \| 7 \| \d \| \d \|", summary, re.MULTILINE)
    assert "- `eks-endpoint-limited` Cluster main (__main__.py:" in summary
    preview = json.loads((tmp_path / "plan/dev.json").read_text())
    assert preview["changes"]["create"] == len(preview["steps"])
    assert preview["cost"]["maximum"]["gpu"] > 0, "a plan that policies refuse has its cost too"
    Sarif.model_validate_json((tmp_path / "plan/policies.sarif").read_text())
    (found,) = json.loads((tmp_path / "plan/policies.json").read_text())
    assert found["summary"]["mandatory"] > 0
    assert found["summary"]["remediated"] > 0


def test_a_stack_that_cannot_be_previewed_fails_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: broken\nruntime: python\n")
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}\n")
    (tmp_path / "__main__.py").write_text("raise RuntimeError('no such zone')\n")
    ran = run(tmp_path, tmp_path / "plan")
    assert ran.returncode == 1
    assert "The preview came to no end" in ran.stdout
    assert "no such zone" in ran.stdout


def planned(findings: list[tuple[str, str]], pools: list[str], dollars: float) -> plan.Plan:
    policies = [{"policy": rule, "mandatory": True, "urn": POOL + name, "message": "bad"} for rule, name in findings]
    preview: dict[str, Any] = {
        "stack": "p/dev",
        "policies": policies,
        "steps": [{"urn": POOL + name, "op": "create", "type": "gcp:container/nodePool:NodePool"} for name in pools],
        "cost": {
            "minimum": {"gpu": 0.0, "total": 1.5},
            "maximum": {"gpu": dollars, "total": None},
            "notCounted": [{"urn": POOL + pools[0], "what": "disks", "why": "their size is not known"}],
        },
    }
    return plan.Plan("dev", preview, read(preview))


def test_a_summary_tells_what_is_new_against_the_base_branch(tmp_path: Path) -> None:
    before = planned([("gpu-types", "l4")], ["l4", "t4"], 10)
    now = planned([("gpu-types", "l4"), ("gpu-types", "h100")], ["l4", "h100"], 108.5)
    (tmp_path / "dev.json").write_text(json.dumps(before.preview))
    earlier = plan._earlier(tmp_path, "dev")
    assert earlier == before
    assert plan._earlier(tmp_path, "prod") is None
    summary = "\n".join(plan._summary([now], {"dev": before}))
    assert "| dev | ❌ | 2 | 2 (+1) | 0 | $108.50/h (+98.50) | no bound | $1.50/h |" in summary
    assert "- `gpu-types` NodePool l4: bad" in summary
    assert "- **new** `gpu-types` NodePool h100: bad" in summary
    assert re.search(r"1 resources new</summary>\n\n- NodePool h100\n", summary)
    assert re.search(r"1 resources gone</summary>\n\n- NodePool t4\n", summary)
    assert "- NodePool l4, disks: their size is not known" in summary


def test_a_summary_fits_a_comment() -> None:
    summary = "\n".join(f"- finding {number}" for number in range(10_000)) + "\n"
    cut = plan._cut(summary)
    assert len(cut) < 65_536
    assert summary.startswith(cut.partition("\n\nThe rest is cut off")[0] + "\n")
    assert plan._cut("short\n") == "short\n"


def test_the_workflow_is_one_and_calls_the_script_as_it_is() -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")
    schema = ["--builtin-schema", "vendor.github-workflows"]
    checked = subprocess.run([checker, *schema, WORKFLOW], capture_output=True, text=True, check=False, timeout=60)
    assert checked.returncode == 0, checked.stdout
    steps = [s for job in yaml.safe_load(WORKFLOW.read_text())["jobs"].values() for s in job["steps"]]
    calls = [step["run"] for step in steps if "plan.py" in step.get("run", "")]
    assert len(calls) == 2
    options = subprocess.run([sys.executable, SCRIPT, "--help"], capture_output=True, text=True, check=True).stdout
    for call in calls:
        _, _, arguments = call.partition("examples/ci/plan.py")
        assert all(option in options for option in re.findall(r"--[-a-z]+", arguments))
