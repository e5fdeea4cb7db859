"""The standard images as a cloud's registry has them."""

from __future__ import annotations

from collections.abc import Callable

from footplate.images import catalogue
from footplate.images.errors import UnknownImage
from providers.contract import ProviderError, Registry, RegistrySpec, StandardImage


def in_registry(spec: RegistrySpec, reference: Callable[[str], str]) -> Registry:
    """`reference` of an image by its name. What is in an image is not looked up: a preview reaches no registry."""
    environments: dict[str, StandardImage] = {}
    for name in spec.environments:
        try:
            image = catalogue.find(name)
        except UnknownImage as error:
            raise ProviderError(f"footplate:standardEnvironments: {error}") from error
        gpu = "torch" in image.packages
        environments[name] = StandardImage(reference(name), image.title, image.description, gpu=gpu)
    return Registry(spec.platform_image or reference("platform"), environments)
