"""ECR: a repository an image that the platform ships, and the references that specs get."""

from __future__ import annotations

import json

import pulumi
import pulumi_aws as aws

from footplate.version import VERSION
from providers.aws.place import Place
from providers.contract import RegistrySpec
from providers.standard_images import offered

#: Untagged images go after so many days; what has a tag stays, since specs name it.
UNTAGGED_DAYS = 14


class AwsRegistry(pulumi.ComponentResource):
    """Tags are the platform's version and never move: the same program has the same references everywhere."""

    def __init__(self, place: Place, asked: RegistrySpec, opts: pulumi.ResourceOptions) -> None:
        super().__init__("footplate:aws:Registry", "registry", None, opts)
        self._place = place
        self._prefix = asked.prefix.rstrip("/")
        self.result = offered(asked, self._image)
        self.register_outputs({"platform": self.result.platform_image})

    def _image(self, name: str) -> str:
        if self._prefix:
            return f"{self._prefix}/{name}:{VERSION}"
        repository = f"{self._place.site.name}/{name}"
        self._repository(name, repository)
        host = f"{self._place.account}.dkr.ecr.{self._place.region}.amazonaws.com"
        return f"{host}/{repository}:{VERSION}"

    def _repository(self, name: str, repository: str) -> None:
        child = pulumi.ResourceOptions(parent=self)
        made = aws.ecr.Repository(
            name,
            name=repository,
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration=aws.ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
            encryption_configurations=[aws.ecr.RepositoryEncryptionConfigurationArgs(encryption_type="AES256")],
            force_delete=False,
            opts=child,
        )
        rule = {
            "rulePriority": 1,
            "description": "untagged images",
            "selection": {
                "tagStatus": "untagged",
                "countType": "sinceImagePushed",
                "countUnit": "days",
                "countNumber": UNTAGGED_DAYS,
            },
            "action": {"type": "expire"},
        }
        aws.ecr.LifecyclePolicy(name, repository=made.name, policy=json.dumps({"rules": [rule]}), opts=child)
