"""SIGKILL at any moment of an update or a destruction: the next run carries on, nothing is doubled and nothing lost."""

import asyncio
import json
import random
import sys

import pytest

from footplate.engine.urn import parse
from footplate.kube import Object

from .conftest import Lab

PROGRAM = """
    labels = {"lab": "kill"}

    def plain(name, **more):
        return config_map(name, {"v": version}, name=name, labels=labels, **more)

    class Group(pulumi.ComponentResource):
        def __init__(self, name):
            super().__init__("lab:index:Group", name)
            child = options(parent=self)
            first = plain(f"{name}-first", opts=child)
            # A generated name: doubled if a creation is forgotten.
            generated = config_map(f"{name}-generated", {"v": version}, labels=labels, opts=child)
            secret = k8s.core.v1.Secret(
                f"{name}-secret",
                metadata={"name": f"{name}-secret", "namespace": NAMESPACE, "labels": labels},
                string_data={"ref": generated.metadata["name"], "token": pulumi.Output.secret("hunter2")},
                opts=child,
            )
            account = k8s.core.v1.ServiceAccount(
                f"{name}-account",
                metadata={"name": f"{name}-account", "namespace": NAMESPACE, "labels": {**labels, "v": version}},
                opts=options(parent=self, depends_on=[first, secret]),
            )
            k8s.core.v1.ServiceAccount(f"{name}-bare", metadata={"name": f"{name}-bare", "namespace": NAMESPACE}, opts=child)
            self.register_outputs({"account": account.metadata["name"]})

    for index in range(8):
        Group(f"g{index}")
    k8s.apps.v1.Deployment(
        "web",
        metadata={"name": "web", "namespace": NAMESPACE, "labels": labels},
        spec={
            "selector": {"match_labels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "main", "image": f"registry.invalid/web:{version}"}]},
            },
        },
    )
    pulumi.export("version", version)
"""
NOT_OURS = {"ConfigMap kube-root-ca.crt", "ServiceAccount default"}
KINDS = {"ConfigMap": "v1", "Secret": "v1", "ServiceAccount": "v1", "Deployment": "apps/v1"}


async def run(lab: Lab, command: str, version: str, kill_after: tuple[int, float] | None = None) -> tuple[int, str]:
    """The command's exit status and what it printed. `kill_after`: lines, then seconds."""
    config = ["-c", f"version={version}", "-c", f"namespace={lab.namespace}"] if command == "up" else []
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "footplate.cli.main", command, "-y", "-s", "dev", "-C", str(lab.root), *config),
        *("--engine", "embedded"),
        env=lab.environ,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    lines: list[str] = []
    updating = False
    while line := (await process.stderr.readline()).decode():
        lines.append(line)
        updating |= line.startswith(("Updating", "Destroying"))
        if kill_after is not None and updating:
            remaining = kill_after[0] - 1
            kill_after = (remaining, kill_after[1])
            if remaining <= 0:
                await asyncio.sleep(kill_after[1])
                if process.returncode is None:
                    process.kill()
                break
    lines.append((await process.stderr.read()).decode())
    return await process.wait(), "".join(lines)


async def killed_until_done(lab: Lab, command: str, version: str, dice: random.Random) -> int:
    """Runs it, killing it at a random moment each time, then once to the end; how often it was really cut off."""
    cut = 0
    for _ in range(3):
        status, _ = await run(lab, command, version, (dice.randint(1, 12), dice.random() * 0.06))
        cut += status == -9
        check_state_reads(lab)
    status, printed = await run(lab, command, version)
    assert status == 0, printed
    return cut


def check_state_reads(lab: Lab) -> None:
    """What Pulumi checks when it imports: all that a resource needs stands before it, and one URN lives once."""
    path = lab.stack().folder / "state.json"
    if not path.exists():
        return
    resources = lab.stack().resources()
    for index, resource in enumerate(resources):
        assert set(resource.needs) <= {r.urn for r in resources[:index]}, resource.urn
    live = [r.urn for r in resources if not r.delete]
    assert len(live) == len(set(live))


async def in_cluster(lab: Lab) -> dict[str, Object]:
    found: dict[str, Object] = {}
    for kind, api in KINDS.items():
        res = await lab.client.resource(api, kind)
        listing = await lab.client.list(res, lab.namespace)
        found.update({f"{kind} {item['metadata']['name']}": item for item in listing.items})
    return {name: item for name, item in found.items() if name not in NOT_OURS}


def in_state(lab: Lab) -> set[str]:
    resources = [r for r in lab.stack().resources() if r.custom and not r.is_provider]
    assert not any(r.delete or r.init_errors or r.pending_replacement for r in resources)
    assert json.loads(lab.stack().export())["deployment"].get("pending_operations") is None
    return {f"{parse(r.urn).type.rpartition(':')[2]} {r.id.rpartition('/')[2]}" for r in resources}


@pytest.mark.parametrize("seed", [1])
@pytest.mark.timeout(900)
async def test_an_update_survives_being_killed_again_and_again(lab: Lab, seed: int) -> None:
    dice = random.Random(seed)
    lab.write(PROGRAM)
    cut = await killed_until_done(lab, "up", "1", dice)
    assert cut >= 1, "it was killed too late to matter"
    assert len(await in_cluster(lab)) == 41
    assert in_state(lab) == set(await in_cluster(lab))

    # Replacements: config maps and secrets with fixed names are deleted first, generated ones after.
    await killed_until_done(lab, "up", "2", dice)
    after = await in_cluster(lab)
    assert len(after) == 41, sorted(after)
    assert in_state(lab) == set(after)
    assert all(item["data"] == {"v": "2"} for name, item in after.items() if name.startswith("ConfigMap"))

    status, printed = await run(lab, "up", "2")
    assert status == 0
    assert "nothing to change" in printed

    await killed_until_done(lab, "destroy", "2", dice)
    assert await in_cluster(lab) == {}
    assert lab.stack().resources() == []
