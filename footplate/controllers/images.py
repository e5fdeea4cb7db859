"""Which image a spec runs: that of a named Environment, or one that the platform allows."""

from collections.abc import Mapping

from footplate.api.environment import Environment
from footplate.api.platform import Platform
from footplate.controllers.refusal import Refusal


def resolve(
    environment: str | None, image: str | None, environments: Mapping[str, Environment], platform: Platform
) -> str | Refusal:
    if environment is not None:
        found = environments.get(environment)
        if found is not None:
            return found.spec.image
        known = ", ".join(sorted(environments)) or "none yet"
        return Refusal("UnknownEnvironment", f"Environment {environment!r} does not exist; known ones: {known}.")
    image = image or ""
    if any(allows(pattern, image) for pattern in platform.allowed_images):
        return image
    allowed = ", ".join(platform.allowed_images) or "none"
    return Refusal(
        "ImageNotAllowed",
        f"Image {image!r} is not allowed on this platform; allowed images: {allowed}. "
        "Use an Environment, or ask for the image to be added to allowedImages.",
    )


def allows(pattern: str, image: str) -> bool:
    return image.startswith(pattern[:-1]) if pattern.endswith("*") else image == pattern
