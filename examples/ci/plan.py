"""Plans each stack as a pull request would leave it: what is made, what policies say, what it costs. No credentials needed.

    uv run python examples/ci/plan.py dev-aws prod-aws --output plan
    uv run python examples/ci/plan.py --skip local --output plan --against plan-of-main

The embedded engine previews each stack from an empty state, so that nothing of a cloud, a cluster or a state is read. Writes
`<stack>.json` (the preview), `policies.json`, `policies.sarif` and `summary.md`; prints the summary. Exit code 1 where a
preview fails or a mandatory policy is violated.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from policies.report.__main__ import version
from policies.report.reading import Found, Report, data, read
from policies.report.sarif import sarif
from policies.report.text import short

#: Variables by which a provider or a client would find credentials: a plan must not need them.
CREDENTIALS = ("AWS_", "GOOGLE_", "CLOUDSDK_", "ARM_", "KUBECONFIG", "PULUMI_ACCESS_TOKEN", "PULUMI_BACKEND_URL")
KEPT = ("AWS_REGION", "AWS_DEFAULT_REGION", "GOOGLE_REGION", "GOOGLE_ZONE", "GOOGLE_PROJECT")


#: Characters of the summary: a comment on GitHub has 65,536 at most.
LONGEST = 60_000


@dataclass(frozen=True)
class Plan:
    """`preview`: as `footplate preview -o json` printed it."""

    stack: str
    preview: Mapping[str, Any]
    report: Report

    @property
    def failed(self) -> bool:
        return bool(self.report.error or self.report.mandatory)

    @property
    def resources(self) -> set[str]:
        """URNs, without the stack itself and its providers."""
        return {step["urn"] for step in self.preview.get("steps", ()) if not step["type"].startswith("pulumi:")}

    def dollars(self, bound: str, what: str) -> float | None:
        """An hour; None where it is not known or nothing bounds it."""
        return ((self.preview.get("cost") or {}).get(bound) or {}).get(what)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stack", nargs="*", help="all that have a file in the project's stackConfigDir when left out")
    parser.add_argument("--skip", action="append", default=[], metavar="STACK", help="not this one; repeatable")
    parser.add_argument("--cwd", type=Path, default=Path(), help="the Pulumi project")
    parser.add_argument("--policy-pack", type=Path, default=Path("policies"), help="a directory with PulumiPolicy.yaml")
    parser.add_argument("--output", type=Path, default=Path("plan"), help="where the files go")
    parser.add_argument("--against", type=Path, help="an earlier --output, of the base branch, to compare with")
    parser.add_argument("--root", default="", help="directory of the Pulumi project in its repository, for SARIF")
    given = parser.parse_args()
    stacks = [stack for stack in given.stack or _stacks(given.cwd) if stack not in given.skip]
    if not stacks:
        parser.error(f"{given.cwd.resolve()} has no stacks to plan")
    plans = [_plan(stack, given.cwd, given.policy_pack) for stack in stacks]
    before = {stack: found for stack in stacks if (found := _earlier(given.against, stack)) is not None}
    summary = _cut("\n".join(_summary(plans, before)) + "\n")
    _write(given.output, plans, summary, given.root)
    print(summary)
    if step_summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(step_summary).open("a") as stream:
            stream.write(summary)
    return 1 if any(plan.failed for plan in plans) else 0


def _stacks(project: Path) -> list[str]:
    manifest = yaml.safe_load((project / "Pulumi.yaml").read_text())
    folder = project / (manifest.get("stackConfigDir") or ".")
    return sorted(path.name.split(".", 1)[1].removesuffix(".yaml") for path in folder.glob("Pulumi.*.yaml"))


def _plan(stack: str, project: Path, pack: Path) -> Plan:
    command = [sys.executable, "-m", "footplate.cli.main", "preview", "--engine", "embedded", "--output", "json"]
    command += ["--stack", stack, "--cwd", str(project), "--policy-pack", str(pack)]
    hidden = {name for name in os.environ if name.startswith(CREDENTIALS) and name not in KEPT}
    with tempfile.TemporaryDirectory() as state:
        environ = {name: value for name, value in os.environ.items() if name not in hidden}
        ran = subprocess.run(
            command, env={**environ, "FOOTPLATE_DATA": state}, capture_output=True, text=True, check=False
        )
    try:
        preview: dict[str, Any] = json.loads(ran.stdout)
    except ValueError:
        preview = {"error": f"exit code {ran.returncode}"}
    preview["stack"] = preview.get("stack") or stack
    if preview["error"]:
        preview["error"] = ran.stderr.strip() or preview["error"]  # it has the traceback and the remedy too
    return Plan(stack, preview, read(preview))


def _earlier(folder: Path | None, stack: str) -> Plan | None:
    path = folder / f"{stack}.json" if folder else None
    if path is None or not path.is_file():
        return None
    preview = json.loads(path.read_text())
    return Plan(stack, preview, read(preview))


def _write(folder: Path, plans: list[Plan], summary: str, root: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    reports = [plan.report for plan in plans]
    documents: dict[str, Any] = {plan.stack: plan.preview for plan in plans}
    documents["policies"] = [data(report) for report in reports]
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")
    (folder / "policies.sarif").write_text(json.dumps(sarif(reports, version(), root=root), indent=2) + "\n")
    (folder / "summary.md").write_text(summary)


def _summary(plans: list[Plan], before: Mapping[str, Plan]) -> Iterator[str]:
    yield "## Plan of the platform"
    yield ""
    yield "| stack | | resources | must change | should change | GPUs, at most | total | of which at rest |"
    yield "|---|---|---|---|---|---|---|---|"
    for plan in plans:
        old = before.get(plan.stack)
        cells = (
            plan.stack,
            "❌" if plan.failed else "✅",
            _count(len(plan.resources), len(old.resources) if old else None),
            _count(len(plan.report.mandatory), len(old.report.mandatory) if old else None),
            _count(len(plan.report.advisory), len(old.report.advisory) if old else None),
            *(
                _money(plan.dollars(*amount), old.dollars(*amount) if old else None, bool(plan.preview.get("cost")))
                for amount in (("maximum", "gpu"), ("maximum", "total"), ("minimum", "total"))
            ),
        )
        yield f"| {' | '.join(cells)} |"
    for plan in plans:
        yield from _details(plan, before.get(plan.stack))


def _cut(summary: str) -> str:
    if len(summary) <= LONGEST:
        return summary
    return summary[: summary.rindex("\n", 0, LONGEST)] + "\n\nThe rest is cut off: `policies.json` has all findings.\n"


def _count(now: int, before: int | None) -> str:
    return str(now) if before in (None, now) else f"{now} ({now - before:+d})"


def _money(now: float | None, before: float | None, priced: bool) -> str:
    if now is None:
        return "no bound" if priced else "–"
    change = f" ({now - before:+,.2f})" if before is not None and abs(now - before) >= 0.005 else ""
    return f"${now:,.2f}/h{change}"


def _details(plan: Plan, old: Plan | None) -> Iterator[str]:
    yield ""
    yield f"### {plan.stack}"
    if plan.report.error:
        yield f"\nThe preview came to no end:\n\n```\n{plan.report.error}\n```"
    for title, findings in (("Must change", plan.report.mandatory), ("Should change", plan.report.advisory)):
        if findings:
            yield f"\n**{title}**\n"
            yield from (_finding(found, old) for found in findings)
    if plan.report.exempted:
        yield "\n**Exempted**\n"
        for one in plan.report.exempted:
            yield f"- `{one.rule}` {short(one.resource)}: until {one.until} by {one.owner} ({one.reason})"
    yield from (f"- {note}" for note in plan.report.notes)
    if old is not None:
        for sign, urns in (("new", plan.resources - old.resources), ("gone", old.resources - plan.resources)):
            if urns:
                yield f"\n<details><summary>{len(urns)} resources {sign}</summary>\n"
                yield from (f"- {short(urn)}" for urn in sorted(urns))
                yield "\n</details>"
    uncounted = (plan.preview.get("cost") or {}).get("notCounted") or []
    if uncounted:
        yield f"\n<details><summary>{len(uncounted)} costs are not counted</summary>\n"
        yield from (f"- {short(one['urn'])}, {one['what']}: {one['why']}" for one in uncounted)
        yield "\n</details>"


def _finding(found: Found, old: Plan | None) -> str:
    known = {(one.rule, one.resource) for one in old.report.findings} if old else set[tuple[str, str]]()
    new = "**new** " if old and (found.rule, found.resource) not in known else ""
    where = f" ({found.location})" if found.location else ""
    return f"- {new}`{found.rule}` {short(found.resource)}{where}: {found.message}"


if __name__ == "__main__":
    sys.exit(main())
