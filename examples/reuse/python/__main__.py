"""Another team's program: it puts the platform on a cluster of its own and adds what is its own.

uv add footplate        # or: pip install footplate
pulumi up -s dev
"""

import pulumi
import pulumi_kubernetes as kubernetes

from components.assembly import assemble
from components.config import Environment, PlatformConfig, Quota, Team
from components.config.schema import ObjectStore

config = pulumi.Config()

platform, foundation = assemble(
    PlatformConfig(
        provider="local",
        kubeconfig=config.require("kubeconfig"),
        teams=(Team("climate", members=("ada", "group:students"), quota=Quota(cpu="64", gpu=8)),),
        environments=(Environment("climate", image="ghcr.io/example/climate:2026.11", display_name="Climate models"),),
        platform_image="ghcr.io/example/footplate-platform:1",
        object_store=ObjectStore(uri="s3://example-research/footplate", region="eu-central-1"),
    )
)

# What is the group's own stands beside it, as in any Pulumi program.
kubernetes.core.v1.ConfigMap(
    "stations",
    metadata={"name": "stations", "namespace": platform.teams["climate"]},
    data={"stations.csv": "id,latitude,longitude\n1,54.1,12.1\n"},
    opts=pulumi.ResourceOptions(provider=foundation.cluster.kubernetes),
)

pulumi.export("namespace", platform.teams["climate"])
