"""The three priorities of design and specs, as PriorityClasses."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes

from components.objects import standard_labels
from footplate.api.platform import priority_class

#: Higher is scheduled first. Only `batch` gives way at once: what preempts whom, and how gently, the controllers decide.
VALUES = {
    "interactive": (10_000, "Workspaces: a person waits for them."),
    "training": (5_000, "Training jobs."),
    "batch": (1_000, "Jobs that may wait and be interrupted."),
}


class Priorities(pulumi.ComponentResource):
    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("footplate:index:Priorities", name, None, opts)
        for priority, (value, description) in VALUES.items():
            kubernetes.scheduling.v1.PriorityClass(
                priority_class(priority),
                metadata={"name": priority_class(priority), "labels": standard_labels("queueing")},
                value=value,
                # Preemption by the scheduler kills without asking for a checkpoint: the controllers do it with notice.
                preemption_policy="Never",
                description=description,
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
