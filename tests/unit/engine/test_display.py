import io
from typing import Any

import pytest
from rich.console import Console

from footplate.engine.changes import Change, ChangeKind
from footplate.engine.display.observers import Display
from footplate.engine.display.report import Report
from footplate.engine.display.tree import Tree
from footplate.engine.display.wording import outputs, value
from footplate.engine.events import (
    Event,
    Finished,
    Op,
    Phase,
    Said,
    Severity,
    Step,
    StepDone,
    StepStarted,
    StepWaiting,
    Totals,
    Violation,
)
from footplate.engine.values import Secret, Unknown

ROOT = "urn:pulumi:dev::shop::pulumi:pulumi:Stack::shop-dev"
TEAM = "urn:pulumi:dev::shop::shop:index:Team::red"


def step(name: str, op: Op, type: str = "kubernetes:core/v1:ConfigMap", parent: str = TEAM, **more: Any) -> Step:
    return Step(f"urn:pulumi:dev::shop::{type}::{name}", op, type, name, parent, **more)


STACK = Step(ROOT, Op.SAME, "pulumi:pulumi:Stack", "shop-dev", custom=False)
COMPONENT = Step(TEAM, Op.SAME, "shop:index:Team", "red", ROOT, custom=False)
DEPLOYMENT = step(
    "web",
    Op.UPDATE,
    "kubernetes:apps/v1:Deployment",
    changes=(
        Change(("spec", "replicas"), ChangeKind.UPDATE, 5, 2, note="changed in the cluster by kubectl"),
        Change(("spec", "env", 0, "value"), ChangeKind.UPDATE, Secret("old"), Secret("new")),
        Change(("metadata", "labels", "a.b/c"), ChangeKind.ADD, None, "x"),
        Change(("spec", "host"), ChangeKind.UPDATE, "a", Unknown),
    ),
)
JOB = step(
    "migrate",
    Op.REPLACE,
    "kubernetes:batch/v1:Job",
    ROOT,
    changes=(Change(("spec", "template"), ChangeKind.UPDATE, {"a": 1}, {"a": 2}, forces_replacement=True),),
    reason="spec.template cannot be changed in place",
    delete_first=True,
)
TEXT = step("config", Op.UPDATE, changes=(Change(("data", "f"), ChangeKind.UPDATE, "a\nb\nc\n", "a\nB\nc\n"),))
GONE = step("old", Op.DELETE, parent=ROOT)
STEPS = [STACK, COMPONENT, DEPLOYMENT, JOB, TEXT, step("same", Op.SAME), GONE]
COUNTS = {Op.UPDATE: 2, Op.REPLACE: 1, Op.DELETE: 1, Op.SAME: 3}

PREVIEW = """\
  Stack shop-dev
├─   Team red
│  ├─ ~ Deployment web
│  │      ~ spec.replicas  5 → 2  (changed in the cluster by kubectl)
│  │      ~ spec.env[0].value  [secret] → [secret]
│  │      + metadata.labels["a.b/c"]  "x"
│  │      ~ spec.host  "a" → [unknown]
│  └─ ~ ConfigMap config
│         ~ data.f
│             @@ -1,3 +1,3 @@
│              a
│             -b
│             +B
│              c
├─ ± Job migrate  spec.template cannot be changed in place; the old one is deleted first
│      ~ spec.template  {"a": 1} → {"a": 2}  (replaces it)
└─ - ConfigMap old
outputs
  ~ url  "a" → "b"
2 to update, 1 to replace, 1 to delete, 3 unchanged (1.5 s)
policies
✗ no-latest Deployment web: pin the image
! labels name an owner
"""


def shown(*events: Event, clock: Any = lambda: 0.0, diff: bool = False) -> str:
    out = io.StringIO()
    display = Display(Console(file=out, width=200, no_color=True), clock=clock, diff=diff)
    for event in events:
        display(event)
    display.close()
    return out.getvalue()


def preview(steps: list[Step], outputs: Any = ()) -> list[Event]:
    done: list[Event] = [StepDone(s, 0.0) for s in steps]
    return [Phase("preview", "shop/dev"), *done, Finished(Totals(COUNTS, 1.5), {}, outputs)]


def test_a_preview_reads_field_by_field_under_its_components() -> None:
    *before, last = preview(STEPS, [Change(("url",), ChangeKind.UPDATE, "a", "b")])
    violations: list[Event] = [
        Violation("no-latest", "pack", True, "pin the image", urn=DEPLOYMENT.urn),
        Violation("labels", "pack", False, "name an owner"),
    ]
    assert shown(*before, *violations, last) == PREVIEW


def test_what_failed_says_why_and_a_cut_short_preview_stays_on_the_screen() -> None:
    text = shown(Phase("preview", "shop/dev"), StepDone(STACK, 0), StepDone(GONE, 0, "no such thing\nmake one"))
    assert text == "  Stack shop-dev\n└─ - ConfigMap old  failed\n       no such thing\n       make one\n"


def test_the_inputs_of_what_is_created_are_shown_on_request() -> None:
    new = step("new", Op.CREATE, parent=ROOT, inputs={"data": {"a": "b"}, "token": Secret("hunter2")})
    text = shown(*preview([STACK, new]), diff=True)
    assert "└─ + ConfigMap new\n       data:\n         a: b\n       token: '[secret]'\n" in text
    assert "data" not in shown(*preview([STACK, new]))


def test_without_a_terminal_an_update_is_a_line_a_change() -> None:
    now = 0.0

    def later(seconds: float) -> None:
        nonlocal now
        now += seconds

    out = io.StringIO()
    display = Display(Console(file=out, width=200, no_color=True), clock=lambda: now)
    for event in preview(STEPS):
        display(event)
    out.truncate(0), out.seek(0)
    display(Phase("update", "shop/dev"))
    display(StepDone(STACK, 0))
    display(StepStarted(DEPLOYMENT))
    display(StepWaiting(DEPLOYMENT, "has 0 of 2 pods available"))
    later(11)
    display(StepWaiting(DEPLOYMENT, "has 1 of 2 pods available"))
    display(StepWaiting(DEPLOYMENT, "still has pods of the old version"))
    display(StepDone(DEPLOYMENT, 12.0))
    display(Said(Severity.WARNING, "look out", DEPLOYMENT.urn))
    display(StepDone(GONE, 0.4, "it is stuck\ntry again"))
    display(Finished(Totals({Op.UPDATE: 1}, 12.5)))
    assert out.getvalue() == (
        "Updating shop/dev\n"
        "~ Deployment web has 1 of 2 pods available\n"
        "~ Deployment web  12 s\n"
        "Deployment web: look out\n"
        "- ConfigMap old  failed: it is stuck try again\n"
        "1 updated (12 s)\n"
    )


def test_the_live_tree_shows_what_is_open_when_there_is_no_room_for_all() -> None:
    tree = Tree()
    for found in (STACK, COMPONENT, DEPLOYMENT, JOB, TEXT, GONE):
        tree.plan(found)
    tree.start(DEPLOYMENT, 10.0)
    tree.wait(DEPLOYMENT, "has 0 of 2 pods available")
    tree.finish(JOB, 3.2, "")
    assert [line.plain for line in tree.lines(14.5, diff=False)] == [
        "  Stack shop-dev",
        "├─   Team red",
        "│  ├─ ~ Deployment web  4.5 s  has 0 of 2 pods available",
        "│  └─ ~ ConfigMap config",
        "├─ ± Job migrate  ✓ 3.2 s  spec.template cannot be changed in place; the old one is deleted first",
        "└─ - ConfigMap old",
    ]
    assert [line.plain for line in tree.lines(14.5, diff=False, height=4)] == [
        "  Stack shop-dev",
        "└─   Team red",
        "   └─ ~ Deployment web  4.5 s  has 0 of 2 pods available",
    ]
    assert [line.plain for line in tree.lines(14.5, diff=False, height=2)] == ["  Stack shop-dev", "… 2 more"]


def test_deleting_the_replaced_one_is_part_of_its_replacement() -> None:
    tree = Tree()
    tree.finish(JOB, 3.0, "")
    leftover = Step(JOB.urn, Op.DELETE, JOB.type, JOB.name, ROOT, reason="it was replaced", leftover=True)
    tree.start(leftover, 0.0)
    tree.finish(leftover, 1.0, "")
    (line,) = tree.lines(0, diff=False)
    assert line.plain.startswith("± Job migrate  ✓ 4.0 s")


@pytest.mark.parametrize(
    ("found", "text"),
    [(None, "null"), (True, "true"), ("x\ny", '"x\\ny"'), (Secret({"a": 1}), "[secret]"), (Unknown, "[unknown]")],
)
def test_values_are_on_one_line(found: Any, text: str) -> None:
    assert value(found) == text
    assert len(value("x" * 500)) == 72


def test_the_report_has_all_of_it_for_scripts() -> None:
    report = Report("embedded")
    for event in preview(STEPS):
        report(event)
    report(Violation("p", "pack", True, "no"))
    report(Said(Severity.INFO, "hello"))
    report(Finished(Totals(COUNTS, 1.5), {"token": Secret("hunter2")}))
    data = report.data()
    assert data["changes"] == {"same": 3, "update": 2, "replace": 1, "delete": 1}
    assert [s["op"] for s in data["steps"]] == ["update", "replace", "update", "delete"]
    assert data["steps"][0]["fields"][0] == {
        "path": "spec.replicas",
        "kind": "update",
        "old": 5,
        "new": 2,
        "note": "changed in the cluster by kubectl",
    }
    assert data["steps"][1]["deleteFirst"] is True
    assert data["outputs"] == {"token": "[secret]"}
    assert data["policies"][0]["mandatory"] is True
    assert "hunter2" not in str(data)


def test_outputs_are_lines_not_json() -> None:
    found = {
        "version": "1.2",
        "teams": ["red", "blue"],
        "environments": {"jupyter": "r/jupyter:1", "none": {}},
        "pools": [{"name": "a", "max": 8}],
        "token": Secret("hunter2"),
        "servers": [],
    }
    assert outputs(found) == [
        "environments.jupyter  r/jupyter:1",
        "environments.none     none",
        "pools[0].name         a",
        "pools[0].max          8",
        "servers               none",
        "teams                 red, blue",
        "token                 [secret]",
        "version               1.2",
    ]
    assert outputs({"token": Secret("hunter2")}, reveal=True) == ["token  hunter2"]
