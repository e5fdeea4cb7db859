"""The built environments as ``Environment`` specs, for the Pulumi program; needs no builder and no cluster."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from footplate.api.environment import EnvironmentSpec
from footplate.images import catalogue, index
from footplate.images.errors import NotBuilt
from footplate.images.index import Built


@dataclass(frozen=True)
class Registered:
    platform_image: str
    environments: Mapping[str, EnvironmentSpec]


def registered(registry: str = "", directory: Path | None = None) -> Registered:
    """What is built here, as a cluster names it: by content tag, or by digest in ``registry`` where images were pushed.

    Raises NotBuilt naming the first image that is missing.
    """
    built = index.read(directory or index.cache_directory())
    references = {image.name: _reference(built.get(image.name), image.name, registry) for image in catalogue.IMAGES}
    return Registered(
        platform_image=references["platform"],
        environments={
            image.name: EnvironmentSpec(
                image=references[image.name],
                display_name=image.title,
                description=image.description,
                gpu=built[image.name].gpu,
                packages=dict(built[image.name].packages),
            )
            for image in catalogue.IMAGES
            if image.environment
        },
    )


def _reference(built: Built | None, name: str, registry: str) -> str:
    if built is None:
        raise NotBuilt(f"The image {name} has not been built.", "run `footplate images build`")
    if not registry:
        return built.reference
    if (pushed := built.pushed.get(registry.rstrip("/"))) is None:
        raise NotBuilt(
            f"The image {name} has not been pushed to {registry}.", f"run `footplate images push --registry {registry}`"
        )
    return pushed
