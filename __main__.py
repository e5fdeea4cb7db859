"""The Pulumi program: read the stack's config, build one Platform on its provider, export what people need."""

import pulumi

from components import config as stack
from components.assembly import assemble

settings = pulumi.Config()
keys = stack.secret(settings, "objectStoreAccessKey"), stack.secret(settings, "objectStoreSecretKey")
config = stack.read(settings)
platform, foundation = assemble(config, keys)

pulumi.export("version", platform.version)
pulumi.export("namespace", platform.namespace)
pulumi.export("teams", platform.teams)
pulumi.export("environments", {name: spec.image for name, spec in platform.environments.items()})
pulumi.export("objectStore", platform.object_store)
if config.provider != "local":
    pulumi.export("cluster", foundation.cluster.id)
if foundation.ingress is not None:
    pulumi.export("nameServers", foundation.ingress.name_servers)
