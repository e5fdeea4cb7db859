"""The catalogue: one Environment object an image that users may pick by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_kubernetes as kubernetes

from components.objects import standard_labels
from footplate.api.environment import EnvironmentSpec
from footplate.api.meta import API_VERSION


class Environments(pulumi.ComponentResource):
    def __init__(
        self,
        name: str,
        environments: Mapping[str, EnvironmentSpec],
        definitions: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("footplate:index:Environments", name, None, opts)
        for environment, spec in environments.items():
            kubernetes.apiextensions.CustomResource(
                environment,
                api_version=API_VERSION,
                kind="Environment",
                metadata={"name": environment, "labels": standard_labels("environments")},
                spec={
                    "image": spec.image,
                    "displayName": spec.display_name or environment,
                    "description": spec.description,
                    "gpu": spec.gpu,
                    "packages": spec.packages,
                },
                opts=pulumi.ResourceOptions(parent=self, depends_on=list(definitions)),
            )
        self.register_outputs({})
