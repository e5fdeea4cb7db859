"""`footplate up|preview|refresh|destroy|outputs` as a script calls them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from footplate.engine.stacks import open_stack

PROGRAMS = Path(__file__).parents[2] / "fixtures" / "programs"


@pytest.fixture
def data(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "FOOTPLATE_DATA": str(tmp_path), "FOOTPLATE_ENGINE": "embedded", "FOOTPLATE_STACK": "dev"}


def footplate(data: dict[str, str], *arguments: str, program: str = "components") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "footplate.cli.main", *arguments, "-C", str(PROGRAMS / program)]
    return subprocess.run(
        command, env=data, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL
    )


def test_a_stack_whose_cluster_is_gone_is_forgotten_with_all_that_was_kept_of_it(data: dict[str, str]) -> None:
    assert footplate(data, "up", "--yes").returncode == 0
    stack = open_stack(PROGRAMS / "components", "dev", environ=data)
    stack.forget()
    assert not list((Path(data["FOOTPLATE_DATA"]) / "stacks" / "parts").iterdir())


def test_a_stack_comes_up_is_asked_and_goes(data: dict[str, str]) -> None:
    missing = footplate(data, "outputs")
    assert missing.returncode == 3
    assert "has not been brought up" in missing.stderr

    unasked = footplate(data, "up")
    assert unasked.returncode == 2
    assert "add --yes" in unasked.stderr
    assert unasked.stdout == ""

    up = footplate(data, "up", "--yes")
    assert up.returncode == 0, up.stderr
    assert up.stdout == "hidden  [secret]\nlabel   outer-inner-label\n", "outputs alone are on stdout"
    assert "3 created" in up.stderr
    assert "hunter2" not in up.stdout + up.stderr

    assert footplate(data, "preview", "--expect-no-changes").returncode == 0
    changed = footplate(data, "preview", "--expect-no-changes", "-c", "shape=round")
    assert changed.returncode == 1
    assert '~ shape  "plain" → "round"' in changed.stdout

    assert footplate(data, "outputs", "label").stdout == "outer-inner-label\n"
    assert json.loads(footplate(data, "outputs", "-o", "json").stdout)["hidden"] == "[secret]"
    assert footplate(data, "outputs", "hidden", "--show-secrets").stdout == "hunter2\n"
    unknown = footplate(data, "outputs", "lable")
    assert (unknown.returncode, "it has: hidden, label" in unknown.stderr) == (3, True)

    assert footplate(data, "refresh").returncode == 0
    gone = footplate(data, "destroy", "--yes", "-o", "json")
    assert gone.returncode == 0
    report = json.loads(gone.stdout)
    assert (report["engine"], report["phase"], report["changes"]) == ("embedded", "destroy", {"delete": 3})


def test_a_report_comes_also_when_it_fails(data: dict[str, str]) -> None:
    failed = footplate(
        data, "preview", "-o", "json", "--policy-pack", str(PROGRAMS / "policies" / "pack"), program="cloud"
    )
    assert failed.returncode == 5
    report = json.loads(failed.stdout)
    assert {p["policy"] for p in report["policies"] if p["mandatory"]} == {"no-public-bucket", "few-buckets"}
    assert "2 violations of mandatory policies" in failed.stderr
    assert report["error"] == "2 violations of mandatory policies: nothing was changed"


def test_a_preview_says_what_the_stack_costs(data: dict[str, str], tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text(
        "cloud,region,item,market,usd,unit,source,date\naws,us-east-1,g6.xlarge,on-demand,1,hour,contract,2026-01-01\n"
    )
    text = footplate(data, "preview", "--prices", str(own), program="pools").stdout
    assert "GPU machines  $0.00 to $222.16\n" in text
    assert "everything    $0.10 to $222.26\n" in text
    assert "$0.00 to $2.00  NodeGroup dev: 0 to 2 × g6.xlarge, on-demand" in text
    assert "billed by use, not counted: Bucket data" in text
    assert "list prices of 2026-01-01 to" in text

    unpriced = footplate(data, "preview", "-c", "pools=odd:p9.metal:1", program="pools").stdout
    assert "everything    at least $0.10 to $0.10\n" in unpriced
    assert "NodeGroup odd: 0 to 1 × p9.metal, on-demand: no price of p9.metal (on-demand) in us-east-1" in unpriced

    cost = json.loads(footplate(data, "preview", "-o", "json", program="pools").stdout)["cost"]
    assert cost["minimum"] == {"gpu": 0, "total": 0.1}
    assert cost["maximum"] == {"gpu": 221.7696, "total": 221.8696}
    assert {line["what"] for line in cost["lines"] if line["gpu"]} == {
        "0 to 4 × p5.48xlarge, on-demand",
        "0 to 2 × g6.xlarge, on-demand",
    }
    assert json.loads(footplate(data, "preview", "-o", "json").stdout)["cost"] is None


@pytest.mark.parametrize(
    ("arguments", "program", "code", "message"),
    [
        (["preview", "-c", "shpe=x"], "components", 2, "did you mean 'shape'?"),
        (["preview", "-c", "shape"], "components", 2, "KEY=VALUE"),
        (["preview", "-s", "prod"], "components", 2, "stack 'prod' has no configuration file"),
        (["preview", "-c", "shape=raises"], "components", 1, "ValueError: cannot use outer"),
        (["up", "--yes"], "cloud", 5, "nothing was changed: 2 resources need the Pulumi CLI"),
        (["preview", "--engine", "pulumi"], "components", 9, "no Pulumi CLI on PATH"),
    ],
)
def test_what_goes_wrong_has_an_exit_code_and_a_sentence(
    data: dict[str, str], arguments: list[str], program: str, code: int, message: str
) -> None:
    failed = footplate(data, *arguments, program=program)
    assert failed.returncode == code, failed.stderr
    assert message in failed.stderr
    assert "Traceback" not in failed.stderr
