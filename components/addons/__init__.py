"""What is installed in the cluster beside the platform: Helm charts, queues, rules and dashboards."""

from components.addons.addons import Addons

__all__ = ["Addons"]
