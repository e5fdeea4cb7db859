"""Which team is meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from footplate.api.labels import TEAM_NAMESPACE_PREFIX
from footplate.api.platform import Team
from footplate.client import names
from footplate.errors import BadUsage, NotFound


def namespace(team: str) -> str:
    return f"{TEAM_NAMESPACE_PREFIX}{team}"


def team_of(namespace: str) -> str:
    return namespace.removeprefix(TEAM_NAMESPACE_PREFIX)


def wanted(flag: str | None, environ: Mapping[str, str], context_namespace: str) -> str | None:
    """None where nothing says it. A kubeconfig context whose namespace is a team's says it last."""
    if flag or environ.get("FOOTPLATE_TEAM"):
        return flag or environ["FOOTPLATE_TEAM"]
    if context_namespace.startswith(TEAM_NAMESPACE_PREFIX):
        return team_of(context_namespace)
    return None


def choose(teams: Sequence[Team], wanted: str | None, *, known: Sequence[Team] = ()) -> Team:
    """`teams`: those to choose from; `known`: all there are, for the case that the person is in none."""
    by_name = {team.name: team for team in teams}
    if wanted is not None:
        if wanted in by_name:
            return by_name[wanted]
        raise NotFound(
            f"There is no team {wanted} on this platform.",
            names.did_you_mean(wanted, by_name) or f"its teams: {names.listing(by_name)}",
        )
    if len(teams) == 1:
        return teams[0]
    if teams:
        raise BadUsage(
            f"You are in several teams: {names.listing(by_name)}. Which one?",
            "say it with --team, or for good with FOOTPLATE_TEAM",
        )
    if known:
        raise NotFound(
            "You are in none of this platform's teams.",
            f"ask a platform engineer to add you to one of: {names.listing(team.name for team in known)}",
        )
    raise none_there()


def none_there() -> NotFound:
    return NotFound(
        "This platform has no teams.",
        "add one under `footplate:teams` in the stack's configuration, then `footplate up`",
    )
