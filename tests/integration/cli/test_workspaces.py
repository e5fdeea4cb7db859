from __future__ import annotations

import json
import secrets

import pytest
import yaml

from footplate.client.kinds import WORKSPACE
from tests.integration.cli.conftest import Footplate
from tests.integration.cli.platform import Platform


@pytest.fixture
def name() -> str:
    return f"w{secrets.token_hex(3)}"


def test_a_workspace_from_its_creation_to_its_end(footplate: Footplate, platform: Platform, name: str) -> None:
    created = footplate("workspace", "create", name, "--home", "0", "--timeout", "60s")
    assert created.code == 0, created.err
    assert created.out == f"Workspace {name} runs.\n"
    assert created.err.endswith(f"next: footplate workspace open {name}\n")

    listed = footplate("workspace", "list")
    assert f"{name} " in listed.out
    assert "Running" in listed.out
    (item,) = [w for w in json.loads(footplate("workspace", "list", "-o", "json").out) if w["metadata"]["name"] == name]
    assert item["spec"]["environment"] == "jupyter"
    assert item["spec"]["owner"] == "ada"
    assert "managedFields" not in item["metadata"]

    shown = footplate("workspace", "show", name).out
    assert shown.splitlines()[0].endswith(".")
    assert "footplate workspace stop" in shown
    assert yaml.safe_load(footplate("workspace", "show", name, "-o", "yaml").out)["status"]["phase"] == "Running"

    started = footplate("workspace", "start", name)
    assert (started.code, started.err) == (0, f"Workspace {name} runs. It was started already.\n")
    stopped = footplate("workspace", "stop", name)
    assert stopped.code == 0, stopped.err
    assert f"Workspace {name} is stopped" in stopped.err
    assert footplate("workspace", "stop", name).code == 0
    assert "footplate workspace start" in footplate("workspace", "show", name).out
    assert footplate("workspace", "start", name, "--timeout", "60s").code == 0

    deleted = footplate("workspace", "delete", name)
    assert deleted.code == 0, deleted.err
    assert footplate("workspace", "show", name).code == 3


def test_a_second_workspace_of_a_name_says_what_is_different(footplate: Footplate, name: str) -> None:
    assert footplate("workspace", "create", name, "--no-wait").code == 0
    same = footplate("workspace", "create", name, "--no-wait")
    assert same.code == 4
    assert "exists already, just as you ask for it" in same.err
    assert f"footplate workspace open {name}" in same.err
    other = footplate("workspace", "create", name, "--no-wait", "--memory", "4Gi", "-e", "pytorch")
    assert other.code == 4
    assert "environment is jupyter, not pytorch; resources.memory is 2Gi, not 4Gi." in other.err


def test_a_home_is_not_deleted_without_a_word(footplate: Footplate, platform: Platform, name: str) -> None:
    footplate("workspace", "create", name, "--no-wait")
    refused = footplate("workspace", "delete", name)
    assert refused.code == 2
    assert "all that is in its home (10Gi)" in refused.err
    assert platform.kube(lambda client: client.get(WORKSPACE, name, platform.namespace))
    assert footplate("workspace", "delete", name, "--yes").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("-e", "jupytre"), 3, "There is no environment jupytre.\nhint: did you mean jupyter?"),
        (("--gpus", "-1"), 5, "spec.resources.gpu.count must be at least 1, not -1"),
        (("--gpus", "65"), 5, "spec.resources.gpu.count must be at most 64, not 65"),
        (("--memory", "lots"), 5, "spec.resources.memory: 'lots' is not a quantity such as 500m, 2 or 4Gi"),
        (("--env", "A"), 2, "--env 'A' is not of the form NAME=VALUE"),
        (("--dataset", "d=/local"), 2, "Dataset d: '/local' is no address"),
        (("--timeout", "soon"), 2, "'soon' is not a duration"),
        (("--image", "x:1", "-e", "jupyter"), 5, "set either environment or image"),
    ],
)
def test_bad_requests_are_refused_and_leave_nothing(
    footplate: Footplate, platform: Platform, name: str, arguments: tuple[str, ...], code: int, says: str
) -> None:
    refused = footplate("workspace", "create", name, *arguments)
    assert (refused.code, refused.out) == (code, "")
    assert says in refused.err
    assert "Traceback" not in refused.err
    listing = platform.kube(lambda client: client.list(WORKSPACE, platform.namespace))
    assert name not in [item["metadata"]["name"] for item in listing.items]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("w" * 51, "metadata.name can be at most 50 characters long, to leave room for its children's names"),
        ("My_Workspace", "metadata.name must be lower-case letters, digits and '-'"),
        ("w" * 300, "metadata.name"),
    ],
)
def test_names_that_cannot_be(footplate: Footplate, bad: str, says: str) -> None:
    refused = footplate("workspace", "create", bad)
    assert refused.code == 5
    assert says in refused.err


def test_more_gpus_than_any_node_has_fail_with_the_reason(footplate: Footplate, name: str) -> None:
    failed = footplate("workspace", "create", name, "--home", "0", "--gpus", "60", "--timeout", "60s")
    assert failed.code == 1
    assert "60" in failed.err
    assert "GPU" in failed.err


def test_waiting_has_an_end_and_the_workspace_goes_on(footplate: Footplate, name: str) -> None:
    timed_out = footplate("workspace", "create", name, "--home", "0", "--timeout", "0s")
    assert timed_out.code == 7
    assert f"Workspace {name} was not done within 0 s" in timed_out.err
    assert f"footplate workspace show {name}" in timed_out.err
    assert footplate("workspace", "start", name, "--timeout", "60s").code == 0


def test_unknown_names_bring_the_close_ones(footplate: Footplate, name: str) -> None:
    footplate("workspace", "create", name, "--no-wait", "--home", "0")
    for verb in ("show", "stop", "start", "logs", "open", "delete", "exec"):
        missing = footplate("workspace", verb, f"{name}x")
        assert missing.code == 3, verb
        assert f"There is no workspace {name}x" in missing.err
        assert f"did you mean {name}" in missing.err


def test_a_generated_name(footplate: Footplate) -> None:
    made = json.loads(footplate("workspace", "create", "--no-wait", "-o", "json").out)
    assert made["metadata"]["name"].startswith("jupyter-")


def test_one_that_a_finalizer_holds_is_not_shown_as_alive(footplate: Footplate, platform: Platform, name: str) -> None:
    def hold(*finalizers: str) -> None:
        body = {"metadata": {"finalizers": list(finalizers)}}
        platform.kube(lambda client: client.patch(WORKSPACE, name, body, platform.namespace))

    assert footplate("workspace", "create", name, "--home", "0").code == 0
    hold("example.com/audit")
    assert footplate("workspace", "delete", name, "--no-wait").code == 0
    going = "is being deleted; these finalizers are not done: example.com/audit."
    assert footplate("workspace", "show", name).out.startswith(f"It {going}")
    assert "It is being deleted" in footplate("workspace", "list").out
    for command in ("start", "create", "stop"):
        refused = footplate("workspace", command, name)
        assert (refused.code, f"Workspace {name} {going}" in refused.err) == (4, True), refused.err
    hold()


def test_an_empty_name_is_a_usage_error(footplate: Footplate) -> None:
    refused = footplate("workspace", "show", "")
    assert (refused.code, "The name of the workspace is empty" in refused.err) == (2, True), refused.err
