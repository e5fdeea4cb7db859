"""The standard images as a provider offers them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from footplate.images import catalogue
from footplate.images.catalogue import Image
from footplate.images.errors import UnknownImage
from providers.contract import ProviderError, Registry, RegistrySpec, StandardImage


class Contents(NamedTuple):
    gpu: bool
    packages: Mapping[str, str] = {}


def _as_listed(image: Image) -> Contents:
    return Contents("torch" in image.packages)


def offered(
    spec: RegistrySpec, reference: Callable[[str], str], contents: Callable[[Image], Contents] = _as_listed
) -> Registry:
    """`reference` of an image by its name. Without `contents` none are looked up: a preview reaches no registry."""
    environments: dict[str, StandardImage] = {}
    for name in spec.environments:
        try:
            image = catalogue.find(name)
        except UnknownImage as error:
            raise ProviderError(f"footplate:standardEnvironments: {error}") from error
        own = reference(name)
        environments[name] = StandardImage(own, image.title, image.description, *contents(image))
    return Registry(spec.platform_image or reference("platform"), environments)
