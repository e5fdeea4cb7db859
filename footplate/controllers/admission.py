"""Whether something may start now, decided before anything is made: the image it runs, or why not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from footplate.api.platform import Platform
from footplate.api.resources import Dataset, Resources
from footplate.controllers import images
from footplate.controllers.caches import Facts
from footplate.controllers.capacity import never_fits
from footplate.controllers.podshape import claim_of
from footplate.controllers.refusal import Refusal

NOT_SET_UP = Refusal(
    "PlatformNotSetUp",
    "The platform's settings (ConfigMap footplate-platform in footplate-system) are missing or unreadable: run `footplate up`.",
    final=False,
)


def image(
    environment: str | None, named: str | None, resources: Resources, datasets: Sequence[Dataset], facts: Facts
) -> tuple[str, Platform] | Refusal:
    """What can be said without the pod's full shape. A final refusal holds until the spec or the platform changes."""
    if facts.platform is None:
        return NOT_SET_UP
    if facts.team is None:
        teams = ", ".join(team.name for team in facts.platform.teams) or "none yet"
        return Refusal("NotATeam", f"Its namespace is not that of a team of this platform; teams: {teams}.")
    found = images.resolve(environment, named, facts.environments, facts.platform)
    if isinstance(found, Refusal):
        return found
    refusal = never_fits(resources, facts.capacity, facts.platform) or missing_claims(datasets, facts)
    return refusal or (found, facts.platform)


def missing_claims(datasets: Iterable[Dataset], facts: Facts) -> Refusal | None:
    for dataset in datasets:
        named = claim_of(dataset)
        if named is not None and named[0] not in facts.claims:
            return Refusal(
                "DatasetMissing",
                f"Dataset {dataset.name} is missing: there is no volume claim {named[0]!r} in its namespace.",
            )
    return None
