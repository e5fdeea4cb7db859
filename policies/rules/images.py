"""Where container images come from, and whether the same reference is always the same image."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from policies.rule import Level, Resource, ResourceRule, Settings, Severity
from policies.values import at, is_unknown
from policies.workloads import POD_SPECS, containers

_ENVIRONMENT = "kubernetes:footplate.dev/v1alpha1:Environment"
_TYPES = frozenset({*POD_SPECS, _ENVIRONMENT})


def _images(resource: Resource) -> Iterator[tuple[str, str]]:
    if resource.type == _ENVIRONMENT:
        image = at(resource.properties, "spec.image")
        if isinstance(image, str) and not is_unknown(image):
            yield "spec.image", image
        return
    for container in containers(resource):
        image = container.fields.get("image")
        if isinstance(image, str) and not is_unknown(image):
            yield f"{container.path}.image", image


def qualified(image: str) -> str:
    """`python` is `docker.io/library/python`."""
    first, slash, _ = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return image
    return f"docker.io/{image}" if slash else f"docker.io/library/{image}"


class Allowlist(Settings, frozen=True):
    #: Image references, `*` stands for any text; short names are completed first (docker.io/library/…).
    allowed: tuple[str, ...] = (
        "*.dkr.ecr.*.amazonaws.com/*",
        "*-docker.pkg.dev/*",
        "gke.gcr.io/*",
        "public.ecr.aws/*",
        "registry.k8s.io/*",
        "nvcr.io/nvidia/*",
        "quay.io/*",
        "ghcr.io/*",
        "docker.io/versity/*",
        "footplate.local/*",
    )


def _foreign(resource: Resource, settings: Allowlist) -> Iterator[str]:
    for path, image in _images(resource):
        if not any(fnmatchcase(qualified(image), pattern) for pattern in settings.allowed):
            yield f"{path} is {image}, from no registry that is allowed: push it to the platform's registry"


ALLOWLIST = ResourceRule(
    name="image-allowlist",
    description="Container images come from registries that are allowed.",
    severity=Severity.HIGH,
    source="none; the practice of Kubernetes image policy webhooks",
    types=_TYPES,
    check=_foreign,
    settings=Allowlist,
)


def _moving(resource: Resource, _: Settings) -> Iterator[str]:
    for path, image in _images(resource):
        name = image.rpartition("/")[2]
        if "@" not in name and (":" not in name or name.endswith(":latest")):
            yield f"{path} is {image}: name a version, or a digest"


NO_LATEST = ResourceRule(
    name="image-no-latest",
    description="Container images name a version.",
    severity=Severity.MEDIUM,
    source="CKV_K8S_14",
    types=_TYPES,
    check=_moving,
    settings=Settings,
)


class Digests(Settings, frozen=True):
    #: Images that need no digest, `*` stands for any text.
    exempt: tuple[str, ...] = ()


def _unpinned(resource: Resource, settings: Digests) -> Iterator[str]:
    for path, image in _images(resource):
        if "@sha256:" not in image and not any(fnmatchcase(qualified(image), one) for one in settings.exempt):
            yield f"{path} is {image}: a tag can come to mean another image; pin it with @sha256:…"


DIGESTS = ResourceRule(
    name="image-digest-pinned",
    description="Container images are pinned by digest.",
    severity=Severity.LOW,
    source="CKV_K8S_43",
    types=_TYPES,
    check=_unpinned,
    settings=Digests,
    level=Level.ADVISORY,
)

RULES = (ALLOWLIST, NO_LATEST, DIGESTS)
