"""All rules, by topic. To use some of them in a pack of one's own: `pack.as_policy(clusters.EKS_ENDPOINT, …)`."""

from policies.rule import Rule
from policies.rules import (
    clusters,
    gpu_pods,
    gpus,
    identity,
    idle,
    images,
    labels,
    namespaces,
    network,
    nodes,
    offload,
    storage,
)

_TOPICS = (gpus, gpu_pods, idle, clusters, nodes, network, storage, identity, images, namespaces, labels, offload)

RULES: dict[str, Rule] = {rule.name: rule for topic in _TOPICS for rule in topic.RULES}
