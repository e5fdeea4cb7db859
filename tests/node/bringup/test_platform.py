"""The platform on a real node, by way of its commands: what `make up` ends with, and what a person does next."""

import base64
import json
import re
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.platform_command import Command

pytestmark = pytest.mark.timeout(900)


def as_json(text: str) -> Any:
    return json.loads(text)


def test_it_ends_with_a_notebook_run_and_a_trained_classifier(platform: str, footplate: Command) -> None:
    job = as_json(footplate("job", "show", "demo-digits", "-o", "json"))
    assert job["status"]["phase"] == "Succeeded"
    assert [attempt["number"] for attempt in job["status"]["attempts"]] == [1]
    lines = footplate("job", "logs", "demo-digits", "--node", "0").splitlines()
    result = json.loads(next(line[line.index("{") :] for line in reversed(lines) if '"accuracy"' in line))
    assert result["processes"] == 4
    assert result["accuracy"] > 0.9
    rows = as_json(footplate("job", "metrics", "demo-digits", "-o", "json"))
    assert rows[-1]["step"] > rows[0]["step"]
    assert any("loss" in row for row in rows)
    url = re.search(r"(http://127\.0\.0\.1:\d+)/lab/tree/first-steps\.ipynb\?token=(\w+)", platform)
    assert url, platform
    request = urllib.request.Request(
        f"{url[1]}/api/contents/first-steps.ipynb", headers={"Authorization": f"token {url[2]}"}
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        cells = json.load(response)["content"]["cells"]
    outputs = [cell["outputs"] for cell in cells if cell["cell_type"] == "code"]
    assert any("workspace demo" in json.dumps(output) for output in outputs)


def test_the_address_is_worth_nothing_without_its_token(platform: str) -> None:
    url = re.search(r"http://127\.0\.0\.1:\d+", platform)
    assert url
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{url[0]}/api/contents", timeout=20)


def test_bringing_up_what_is_up_changes_nothing(platform: str, footplate: Command) -> None:
    before = as_json(footplate("environments", "-o", "json"))
    assert "nothing to change" in footplate.both("bringup", "--no-demo")
    assert as_json(footplate("environments", "-o", "json")) == before


def test_home_is_kept_over_a_stop(platform: str, footplate: Command) -> None:
    footplate("workspace", "exec", "demo", "--", "sh", "-c", "cat > kept.txt", given=b"\x00kept\xff\n")
    footplate("workspace", "stop", "demo")
    assert as_json(footplate("workspace", "show", "demo", "-o", "json"))["status"]["phase"] == "Stopped"
    footplate("workspace", "start", "demo")
    found = footplate("workspace", "exec", "demo", "--", "base64", "kept.txt")
    assert base64.b64decode(found) == b"\x00kept\xff\n"


def test_a_workspace_reports_to_the_controllers_that_lead(platform: str, footplate: Command) -> None:
    """By the Service's name, with the pod's token: as its agent does by itself."""
    script = (
        "import os; from footplate.agent.workspace.reporting import send; "
        "from footplate.api.reports import ActivityReport as R; print(send(R('test', 1, 0.0), os.environ).every)"
    )
    assert footplate("workspace", "exec", "demo", "--", "python3", "-I", "-c", script) == "60.0\n"
    usage = as_json(footplate("workspace", "top", "demo", "-o", "json"))["usage"]
    assert any("jupyter-lab" in row["command"] for row in usage["processes"])
    assert as_json(footplate("workspace", "explain", "demo", "-o", "json"))["activity"]["state"] != "Unknown"


def test_the_exit_code_of_a_command_is_passed_on(platform: str, footplate: Command) -> None:
    footplate("workspace", "exec", "demo", "--", "sh", "-c", "exit 42", code=42)


def test_the_command_works_in_a_workspaces_terminal(platform: str, footplate: Command) -> None:
    listed = as_json(footplate("workspace", "exec", "demo", "--", "footplate", "workspace", "list", "-o", "json"))
    assert [item["metadata"]["name"] for item in listed] == ["demo"]


def test_a_job_that_fails_ends_with_its_exit_code_and_says_why(platform: str, footplate: Command) -> None:
    words = ["--name", "broken", "--environment", "pytorch", "--cpu", "100m", "--memory", "256Mi", "--launcher", "none"]
    footplate("job", "run", *words, "--", "sh", "-c", "echo no such luck; exit 3", code=3)
    job = as_json(footplate("job", "show", "broken", "-o", "json"))
    assert job["status"]["phase"] == "Failed"
    assert "3" in job["status"]["message"]
    assert job["status"]["attempts"][0]["cause"]["class"] == "App"
    footplate("job", "delete", "broken", "--yes")


def test_a_data_set_that_is_not_there_fails_the_job_once(platform: str, footplate: Command) -> None:
    words = ["--name", "no-data", "--environment", "pytorch", "--cpu", "100m", "--memory", "256Mi"]
    dataset = ["--dataset", "missing=s3://footplate/teams/research/no/such/prefix"]
    footplate("job", "run", *words, *dataset, "--", "true", code=1)
    job = as_json(footplate("job", "show", "no-data", "-o", "json"))
    assert job["status"]["phase"] == "Failed"
    assert "no/such/prefix" in job["status"]["message"]
    assert len(job["status"]["attempts"]) == 1
    footplate("job", "delete", "no-data", "--yes")


def test_everything_is_well_says_the_doctor(platform: str, footplate: Command) -> None:
    findings = as_json(footplate("doctor", "-o", "json"))
    assert {finding["verdict"] for finding in findings} == {"ok"}, findings
