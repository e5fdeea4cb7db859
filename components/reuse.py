"""The components that other teams' programs use: in Python by import, in any language through the plugin in `plugin/`.

Arguments have the names and the meaning of the stack's config. They decide which resources there are, so they are plain values;
only the object store's keys may be outputs.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NotRequired

import msgspec
import pulumi
from pulumi.errors import InputPropertiesError, InputPropertyErrorDetails

from components.assembly import assemble
from components.config import PlatformConfig, Team, parse
from components.platform import amounts
from components.team import Team as TeamComponent
from components.team import TeamArgs as TeamComponentArgs
from components.typed_args import fields, plain_values, typed_args, typed_dict

KEYS = ("objectStoreAccessKey", "objectStoreSecretKey")


class TrainingPlatform(pulumi.ComponentResource):
    """A training platform with all that it needs: on AWS, on Google Cloud, or on a cluster that is there already."""

    version: pulumi.Output[str]
    namespace: pulumi.Output[str]
    teams: pulumi.Output[dict[str, str]]
    object_store: pulumi.Output[dict[str, str]]

    def __init__(self, name: str, args: Any, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("footplate:index:TrainingPlatform", name, None, opts)
        given: dict[str, Any] = dict(args)
        access, secret = (_output(given.pop(key, None)) for key in KEYS)
        config = parse(_known(given), datetime.now(UTC).date())
        platform = assemble(config, (access, secret), pulumi.ResourceOptions(parent=self)).platform
        self.version = pulumi.Output.from_input(platform.version)
        self.namespace = platform.namespace
        self.teams = pulumi.Output.all(**platform.teams)
        self.object_store = pulumi.Output.from_input(platform.object_store)
        self.register_outputs({"version": self.version, "namespace": self.namespace, "teams": self.teams})


class TeamNamespace(pulumi.ComponentResource):
    """One team more on a platform that is there: its namespace, members, quota and network rules."""

    namespace: pulumi.Output[str]

    def __init__(self, name: str, args: Any, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("footplate:index:TeamNamespace", name, None, opts)
        team = msgspec.convert(_known(dict(args)), Team)
        args = TeamComponentArgs(team.name, team.members, amounts(team.quota), {})
        made = TeamComponent(args, pulumi.ResourceOptions(parent=self))
        self.namespace = made.namespace
        self.register_outputs({"namespace": self.namespace})


#: What Pulumi makes the schema from.
TrainingPlatform.__init__.__annotations__["args"] = typed_dict(
    "TrainingPlatformArgs",
    "The stack's config.",
    {**fields(PlatformConfig), **dict.fromkeys(KEYS, NotRequired[pulumi.Input[str]])},
)
TeamNamespace.__init__.__annotations__["args"] = typed_args(Team)


def _known(given: Mapping[str, Any]) -> dict[str, Any]:
    unknown = [key for key, value in given.items() if isinstance(value, pulumi.Output)]
    if unknown:
        details: list[InputPropertyErrorDetails] = [
            {"property_path": key, "reason": "it decides which resources there are, so it has to be a plain value"}
            for key in unknown
        ]
        raise InputPropertiesError(f"{unknown[0]} is an output", details)
    return plain_values(dict(given))


def _output(value: pulumi.Input[str] | None) -> pulumi.Output[str] | None:
    return None if value is None else pulumi.Output.secret(value)
