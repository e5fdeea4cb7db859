"""Registrations from the wire: protobuf to `Goal`, and a refusal that names the option for what is not supported."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import unquote, urlsplit

from google.protobuf import struct_pb2
from pulumi.runtime.proto import alias_pb2, resource_pb2, source_pb2

from footplate.engine.aliases import Alias
from footplate.engine.errors import ProjectInvalid, Unsupported, cli_remedy
from footplate.engine.goal import Goal
from footplate.engine.state.model import Timeouts
from footplate.engine.values import from_struct

FEATURES: Final = (
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_REPLACEMENT_TRIGGER,
    resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
    resource_pb2.RESOURCE_MONITOR_FEATURE_REPLACE_WITH,
)
"""What is advertised; the SDK refuses the rest in the program, naming the option."""
LEGACY_FEATURES: Final = ("secrets", "resourceReferences", "aliasSpecs", "deletedWith", "replaceWith")

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|us|µs|ns|s)")
_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def goal(request: resource_pb2.RegisterResourceRequest, root: Path) -> Goal:
    _refuse(request)
    # The SDK's type stubs do not resolve messages of other files.
    loose = cast(Any, request)
    return Goal(
        type=request.type,
        name=request.name,
        custom=request.custom,
        inputs=from_struct(request.object),
        parent=request.parent,
        protect=request.protect if request.HasField("protect") else None,
        dependencies=tuple(sorted(request.dependencies)),
        property_dependencies={key: tuple(sorted(v.urns)) for key, v in sorted(request.propertyDependencies.items())},
        provider=request.provider,
        providers=dict(request.providers),
        version=request.version,
        plugin_url=request.pluginDownloadURL,
        ignore_changes=tuple(request.ignoreChanges),
        replace_on_changes=tuple(request.replaceOnChanges),
        delete_before_replace=request.deleteBeforeReplace
        if request.deleteBeforeReplaceDefined or request.deleteBeforeReplace
        else None,
        additional_secret_outputs=tuple(request.additionalSecretOutputs),
        aliases=tuple(_alias(alias) for alias in loose.aliases) + tuple(Alias(urn=urn) for urn in request.aliasURNs),
        import_id=request.importId,
        timeouts=_timeouts(request),
        retain_on_delete=request.retainOnDelete if request.HasField("retainOnDelete") else None,
        deleted_with=request.deletedWith,
        replace_with=tuple(request.replace_with),
        replacement_trigger=_trigger(request),
        source_position=position(loose.sourcePosition, root),
    )


def _trigger(request: resource_pb2.RegisterResourceRequest) -> object:
    if not request.HasField("replacement_trigger"):
        return None
    return from_struct(struct_pb2.Struct(fields={"trigger": request.replacement_trigger}))["trigger"]


def _refuse(request: resource_pb2.RegisterResourceRequest) -> None:
    hooks = request.hooks
    unsupported = {
        "is a remote component, which a provider plugin constructs": request.remote,
        "uses the option transforms": bool(cast(Any, request).transforms),
        "uses the option state_migrations": bool(cast(Any, request).state_migrations),
        "uses the option hooks": any(len(getattr(hooks, f.name)) for f in hooks.DESCRIPTOR.fields),
        "uses the option env_var_mappings": bool(request.envVarMappings),
        "is of a parameterized package": bool(request.packageRef),
        "is a stash of values": request.type == "pulumi:index:Stash",
    }
    for what, asked in unsupported.items():
        if asked:
            raise Unsupported(
                f"{request.type} {request.name!r} {what}: this engine does not support that",
                cli_remedy("footplate up"),
            )


def _alias(alias: alias_pb2.Alias) -> Alias:
    if alias.WhichOneof("alias") == "urn":
        return Alias(urn=alias.urn)
    spec = alias.spec
    return Alias(
        name=spec.name,
        type=spec.type,
        stack=spec.stack,
        project=spec.project,
        parent=spec.parentUrn,
        no_parent=spec.noParent,
    )


def _timeouts(request: resource_pb2.RegisterResourceRequest) -> Timeouts | None:
    if not request.HasField("customTimeouts"):
        return None
    given = request.customTimeouts
    found = Timeouts(seconds(given.create), seconds(given.update), seconds(given.delete), seconds(given.read))
    return found or None


def seconds(duration: str) -> float:
    """Of a Go duration such as `1h30m`; 0 for an empty one."""
    if not duration:
        return 0
    parts = _DURATION.findall(duration)
    if "".join(number + unit for number, unit in parts) != duration:
        raise ProjectInvalid(f"the timeout {duration!r} is no duration", "write it as in 90s, 10m or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def position(source: source_pb2.SourcePosition, root: Path) -> str:
    """`project:///components/teams.py#12`, as Pulumi writes it; empty outside the project."""
    parts = urlsplit(source.uri)
    if parts.scheme != "file":
        return ""
    try:
        inside = Path(unquote(parts.path)).relative_to(root)
    except ValueError:
        return ""
    return f"project:///{inside.as_posix()}#{source.line}" + (f",{source.column}" if source.column else "")
