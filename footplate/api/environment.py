"""Environment: the catalogue of standard images (cluster-scoped)."""

from typing import Annotated

from msgspec import Meta

from footplate.api.meta import API_VERSION, ObjectMeta, Wire


class EnvironmentSpec(Wire, frozen=True):
    image: Annotated[
        str,
        Meta(min_length=1, max_length=512, description="Image reference, by digest or by a tag made from its content."),
    ]
    display_name: Annotated[str, Meta(max_length=100)] = ""
    description: Annotated[str, Meta(max_length=1000)] = ""
    gpu: Annotated[bool, Meta(description="True where the image carries a CUDA stack.")] = False
    packages: Annotated[
        dict[str, str], Meta(max_length=100, description="Main packages and their versions, for people to read.")
    ] = {}


class Environment(Wire, frozen=True, omit_defaults=False):
    metadata: ObjectMeta
    spec: EnvironmentSpec
    api_version: str = API_VERSION
    kind: str = "Environment"
