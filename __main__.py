"""The Pulumi program: read the stack's config, build one Platform on its provider, export what people need."""

import pulumi

from components import config as stack
from components.platform import Platform
from providers import select
from providers.contract import ClusterSpec, Site

settings = pulumi.Config()
config = stack.read(settings)
name = config.name or f"{pulumi.get_project()}-{pulumi.get_stack()}"
provider = select(config.provider, Site(name, config.account, config.region, config.zones, config.labels))
target = ClusterSpec("cluster", config.cluster, config.context, config.kubeconfig, config.kubernetes)

cluster = provider.cluster(target, pulumi.ResourceOptions())
platform = Platform(
    "platform",
    config,
    provider,
    target,
    (stack.secret(settings, "objectStoreAccessKey"), stack.secret(settings, "objectStoreSecretKey")),
    pulumi.ResourceOptions(providers={"kubernetes": cluster.kubernetes}),
)

pulumi.export("version", platform.version)
pulumi.export("namespace", platform.namespace)
pulumi.export("teams", platform.teams)
pulumi.export("environments", {name: spec.image for name, spec in platform.environments.items()})
pulumi.export("objectStore", platform.object_store)
