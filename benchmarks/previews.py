"""How long a preview takes: `prod-aws` against an empty program of the same SDKs, with policies, and pools by the hundred.

Each preview is a process of its own, as the command is; the best of several counts. CPU seconds too: they stay the same
on a busy machine.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
STACK = "prod-aws"
POOLS = (0, 50, 100, 200)
RUNS = 3

#: A program that makes nothing. The SDKs load a service when it is first used, so it uses each service that the stack does.
EMPTY = """
import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

aws.acm.Certificate, aws.cloudwatch.LogGroup, aws.ec2.Vpc, aws.ecr.Repository, aws.efs.FileSystem, aws.eks.Cluster
aws.fsx.LustreFileSystem, aws.iam.Role, aws.kms.Key, aws.route53.Zone, aws.s3.Bucket, aws.sqs.Queue
aws.vpc.SecurityGroupIngressRule
kubernetes.apiextensions.CustomResource, kubernetes.apiextensions.v1.CustomResourceDefinition
kubernetes.apps.v1.Deployment, kubernetes.core.v1.Namespace, kubernetes.helm.v3.Release
kubernetes.networking.v1.NetworkPolicy, kubernetes.policy.v1.PodDisruptionBudget, kubernetes.rbac.v1.Role
kubernetes.scheduling.v1.PriorityClass, kubernetes.storage.v1.StorageClass
"""
#: The SDKs imported, and nothing of them used.
BARE = "import pulumi, pulumi_aws, pulumi_kubernetes"


@dataclass(frozen=True)
class Taken:
    """Seconds of one preview."""

    name: str
    wall: float
    cpu: float


def measure() -> list[Taken]:
    with tempfile.TemporaryDirectory(prefix="footplate-bench-") as folder:
        base = Path(folder)
        found = [
            _best("empty program", _project(base / "empty", EMPTY), "bench"),
            _best("bare imports", _project(base / "bare", BARE), "bench"),
            _best(STACK, ROOT, STACK),
            _best("with policies", ROOT, STACK, "--policy-pack", str(ROOT / "policies")),
        ]
        with _pools(base / "pools") as projects:
            found += [_best(f"{count} pools", project, "bench") for count, project in projects]
    return found


def _best(name: str, project: Path, stack: str, *options: str) -> Taken:
    runs = [_once(project, stack, *options) for _ in range(RUNS)]
    return Taken(name, min(wall for wall, _ in runs), min(cpu for _, cpu in runs))


def _once(project: Path, stack: str, *options: str) -> tuple[float, float]:
    command = [
        sys.executable,
        "-m",
        "footplate.cli.main",
        "preview",
        "--engine",
        "embedded",
        "-C",
        str(project),
        "-s",
        stack,
        *options,
    ]
    with tempfile.TemporaryDirectory() as data:
        environ = {**os.environ, "FOOTPLATE_DATA": data, "FOOTPLATE_CACHE": data}
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, env=environ, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
        wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def _project(root: Path, program: str) -> Path:
    root.mkdir()
    (root / "Pulumi.yaml").write_text("name: bench\nruntime: python\n")
    (root / "Pulumi.bench.yaml").write_text("config: {}\n")
    (root / "__main__.py").write_text(program)
    return root


@contextmanager
def _pools(base: Path) -> Generator[list[tuple[int, Path]]]:
    """The dev stack with more and more GPU pools, each a copy of the project with links to its packages."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "stacks" / "Pulumi.dev-aws.yaml").read_text())
    projects: list[tuple[int, Path]] = []
    for count in POOLS:
        root = base / str(count)
        (root / "stacks").mkdir(parents=True)
        for name in ("Pulumi.yaml", "__main__.py", "components", "providers", "footplate", "devcluster"):
            (root / name).symlink_to(ROOT / name)
        pools = [{"name": f"p{index}", "gpu": "L4", "maxNodes": 2} for index in range(count)]
        stack = {"config": {**config["config"], "footplate:gpuPools": pools, "footplate:teams": []}}
        (root / "stacks" / "Pulumi.bench.yaml").write_text(yaml.safe_dump(stack))
        projects.append((count, root))
    yield projects


def main() -> None:
    found = measure()
    base = found[0]
    for taken in found:
        print(f"{taken.name:>14}  {taken.wall:6.2f} s  {taken.cpu:6.2f} s CPU  {taken.cpu / base.cpu:5.2f} ×")


if __name__ == "__main__":
    main()
