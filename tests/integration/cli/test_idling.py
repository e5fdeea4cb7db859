"""Idle workspaces as their owners see them. The test plays the agents of pods on simulated nodes."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any

import pytest

from footplate.client.kinds import WORKSPACE
from tests.integration.cli.conftest import Footplate
from tests.integration.cli.platform import Platform
from tests.integration.controllers.agents import Agent

HOUR = 3600.0


@pytest.fixture
def idle(footplate: Footplate, platform: Platform) -> str:
    """A workspace that nobody has used for three of the four hours that one without a GPU is let."""
    name = f"w{secrets.token_hex(3)}"
    assert footplate("workspace", "create", name, "--home", "0", "--timeout", "60s").code == 0

    async def play(client: Any) -> None:
        agent = await Agent.of(client, platform.namespace, name, f"http://127.0.0.1:{platform.collector_port}")
        for state, fields in (("Active", {"reasons": ["make runs"]}), ("Idle", {"passive": ["a tab is open"]})):
            status, answer = await agent.says(age=4 * HOUR, idle=0.0 if state == "Active" else 3 * HOUR, **fields)
            assert status == 200, answer
            await client.wait(WORKSPACE, name, platform.namespace, _is(state), 20.0)

    platform.kube(play)
    return name


def _is(state: str) -> Callable[[Any], bool]:
    def judge(found: Any) -> bool:
        activity = (found.get("status") or {}).get("activity") or {}
        return activity.get("state") == state and "it has just started" not in activity["reasons"]

    return judge


def test_an_idle_one_says_when_and_why_it_stops(footplate: Footplate, idle: str) -> None:
    shown = footplate("workspace", "show", idle).out
    assert "It is running, and idle since" in shown
    found = footplate("workspace", "explain", idle).out
    for text in (
        "Activity         Idle",
        "Does not count   a tab is open",
        "Idle for         3h",
        "Stopped          after 4h of idleness",
        "Can be put off   by 8h at most",
        f"footplate workspace extend {idle} 2h",
    ):
        assert text in found, found
    data = json.loads(footplate("workspace", "explain", idle, "-o", "json").out)
    assert data["activity"]["reasons"] == ["a tab is open"]
    assert data["rules"]["Warned"] == "15m before"


def test_its_stop_is_put_off_within_bounds(footplate: Footplate, idle: str) -> None:
    before = json.loads(footplate("workspace", "explain", idle, "-o", "json").out)["stopsAt"]
    made = footplate("workspace", "extend", idle, "2h")
    assert made.code == 0, made.err
    assert f"Workspace {idle} stops at" in made.out
    after = json.loads(footplate("workspace", "explain", idle, "-o", "json").out)["stopsAt"]
    assert after > before
    bounded = footplate("workspace", "extend", idle, "7d")
    assert "the platform allows no more" in bounded.out
    data = json.loads(footplate("workspace", "extend", idle, "1h", "-o", "json").out)
    assert data["bounded"]
    assert data["stopsAt"] >= after
    for wrong in ("soon", "0s"):
        assert footplate("workspace", "extend", idle, wrong).code != 0


def test_of_one_that_is_stopped_nothing_is_put_off(footplate: Footplate, idle: str) -> None:
    assert footplate("workspace", "stop", idle).code == 0
    refused = footplate("workspace", "extend", idle)
    assert refused.code == 4
    assert f"footplate workspace start {idle}" in refused.err


def test_finish_then_stop(footplate: Footplate, platform: Platform, idle: str) -> None:
    asked = footplate("workspace", "stop", idle, "--when-finished")
    assert asked.err == f"Workspace {idle} stops as soon as nothing runs in it.\n"

    async def stopped(client: Any) -> Any:
        def judge(found: Any) -> bool:
            return found["status"].get("phase") == "Stopped"

        return await client.wait(WORKSPACE, idle, platform.namespace, judge, 30.0)

    found = platform.kube(stopped)
    assert found["status"]["message"].startswith("It was stopped as asked for, when nothing ran in it any more")
    assert not (found["spec"].get("idle") or {}).get("stopWhenFinished"), "the next run is not stopped at once"
    assert footplate("workspace", "stop", idle, "--when-finished").err == f"Workspace {idle} is stopped already.\n"


def test_top_shows_all_that_run_even_where_one_cannot_be_asked(footplate: Footplate, idle: str) -> None:
    table = footplate("workspace", "top")
    assert table.code == 0, table.err
    (line,) = [line for line in table.out.splitlines() if line.startswith(idle)]
    assert "Idle" in line
    assert "a tab is open" in line
    (item,) = [row for row in json.loads(footplate("workspace", "top", "-o", "json").out) if row["name"] == idle]
    assert item["usage"] is None, "simulated nodes run no processes"
