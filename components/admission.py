"""What the API server refuses of people's requests: the policies of `footplate.api.admission`, in the namespaces of teams."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as kubernetes

from components.objects import standard_labels
from footplate.api import admission
from footplate.api.platform import Platform


class Admission(pulumi.ComponentResource):
    def __init__(
        self,
        name: str,
        settings: Platform,
        definitions: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`definitions`: of the kinds that the policies look up."""
        super().__init__("footplate:index:Admission", name, None, opts)
        after = pulumi.ResourceOptions(parent=self, depends_on=list(definitions))
        made = [
            kubernetes.admissionregistration.v1.ValidatingAdmissionPolicy(
                manifest["metadata"]["name"],
                metadata={"name": manifest["metadata"]["name"], "labels": standard_labels("access")},
                spec=manifest["spec"],
                opts=after,
            )
            for manifest in admission.policies(settings)
        ]
        for manifest in admission.bindings():
            kubernetes.admissionregistration.v1.ValidatingAdmissionPolicyBinding(
                manifest["metadata"]["name"],
                metadata={"name": manifest["metadata"]["name"], "labels": standard_labels("access")},
                spec=manifest["spec"],
                opts=pulumi.ResourceOptions(parent=self, depends_on=made),
            )
        self.register_outputs({})
