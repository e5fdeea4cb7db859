"""The CustomResourceDefinitions, generated from the wire types of `footplate.api`."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes

from components.objects import standard_labels
from footplate.api import crds


class CustomResources(pulumi.ComponentResource):
    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("footplate:index:CustomResources", name, None, opts)
        self.definitions = [
            kubernetes.apiextensions.v1.CustomResourceDefinition(
                manifest["metadata"]["name"],
                metadata={"name": manifest["metadata"]["name"], "labels": standard_labels("api")},
                spec=manifest["spec"],
                opts=pulumi.ResourceOptions(parent=self),
            )
            for manifest in crds.manifests()
        ]
        self.register_outputs({})
